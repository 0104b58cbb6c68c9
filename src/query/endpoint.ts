import type { Result } from '../lib/result.js';
import type { View } from './grants.js';
import type { Form } from './form.js';
import type { Refusal, Reply } from './refusal.js';

/** What an endpoint is to us: from a question that was read, a plan of what the backend is asked instead. */

export type Method = 'GET' | 'POST' | 'DELETE';

/** Whose API it is: a backend speaks one of them. */
export type Api = 'prometheus' | 'alertmanager';

export interface Question extends View {
  readonly form: Form;
  /** Of an endpoint that takes JSON: what was sent; else undefined. */
  readonly json: unknown;
  /** What stood in the path for `:name`; '' where nothing does. */
  readonly segment: string;
}

/** Built anew, of nothing but what we know. */
export interface UpstreamRequest {
  readonly method: Method;
  readonly path: string;
  /** In the body of a POST, in the URL of a GET. */
  readonly parameters: readonly (readonly [string, string])[];
  /** Body of a request that changes something: it is sent once, to one replica. */
  readonly json?: string;
}

/** An answer that was read: `value` is undefined where it was no JSON. */
export interface ReadAnswer {
  readonly status: number;
  readonly value: unknown;
}

export type Plan =
  /** The backend's answer holds nothing else: passed on as it comes. */
  | { readonly kind: 'forward'; readonly request: UpstreamRequest; readonly contentType: string }
  /** The answers are read, and `filter` makes of their `data` what the caller may see. */
  | { readonly kind: 'filter'; readonly requests: readonly UpstreamRequest[]; readonly filter: (data: readonly unknown[]) => unknown }
  /** Asked one after the other: with the answers so far, what to ask next, or the reply. */
  | { readonly kind: 'talk'; readonly next: (answers: readonly ReadAnswer[]) => Result<{ readonly ask: UpstreamRequest } | { readonly reply: Reply }, Refusal> }
  /** Nobody has to be asked. */
  | { readonly kind: 'answer'; readonly reply: Reply };

export interface Endpoint {
  /** Undefined: of both. */
  readonly api?: Api;
  /** Takes a JSON body in place of a form. */
  readonly takesJson?: true;
  readonly methods: readonly Method[];
  /** After the backend's prefix; `:name` stands for one segment. It is also the route's name in metrics. */
  readonly path: string;
  readonly plan: (question: Question) => Result<Plan, Refusal>;
}
