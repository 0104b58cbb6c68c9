import type { Result } from '../lib/result.js';
import type { Merge } from './distribute.js';
import type { View } from './grants.js';
import type { Form } from './form.js';
import type { Refusal, Reply } from './refusal.js';

/** What an endpoint is to us: from a question that was read, a plan of what the backend is asked instead. */

export type Method = 'GET' | 'POST';

export interface Question extends View {
  readonly form: Form;
  /** What stood in the path for `:name`; '' where nothing does. */
  readonly segment: string;
}

/** Built anew, of nothing but what we know. */
export interface UpstreamRequest {
  readonly method: Method;
  readonly path: string;
  /** In the body of a POST, in the URL of a GET. */
  readonly parameters: readonly (readonly [string, string])[];
}

export type Plan =
  /** The backend's answer holds nothing else: passed on as it comes. */
  | { readonly kind: 'forward'; readonly request: UpstreamRequest; readonly contentType: string; /** Of a group's answers, where it is an evaluation. */ readonly merge?: Merge }
  /** The answers are read, and `filter` makes of their `data` what the caller may see. */
  | { readonly kind: 'filter'; readonly requests: readonly UpstreamRequest[]; readonly filter: (data: readonly unknown[]) => unknown }
  /** Nobody has to be asked. */
  | { readonly kind: 'answer'; readonly reply: Reply };

export interface Endpoint {
  readonly methods: readonly Method[];
  /** After the backend's prefix; `:name` stands for one segment. It is also the route's name in metrics. */
  readonly path: string;
  readonly plan: (question: Question) => Result<Plan, Refusal>;
}
