import type { Result } from '../lib/result.js';
import type { Expr, Subquery } from '../promql/ast.js';
import type { Policy } from '../promql/enforce/policy.js';
import type { ReadQuery, ResponseType } from '../remoteread/request.js';
import type { Merge } from './distribute.js';
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
  /** Of an endpoint that takes a message: what was sent, unpacked; else undefined. */
  readonly message: Buffer | undefined;
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
  /** The tenant's rules, each a selector, for a backend that takes them in a header. */
  readonly policies?: readonly string[];
  /** In place of parameters: a remote read, packed. */
  readonly packed?: Buffer;
}

/** An answer that was read: `value` is undefined where it was no JSON. */
export interface ReadAnswer {
  readonly status: number;
  readonly value: unknown;
}

export interface ReadPlan {
  readonly kind: 'read';
  /** One query or more for each of the caller's, in their order; none for those of which nothing is allowed. */
  readonly queries: readonly OwnedReadQuery[];
  readonly responseTypes: readonly [ResponseType, ...ResponseType[]];
  /** How many the caller has sent. */
  readonly askedQueries: number;
  readonly policy: Policy;
  /** As in UpstreamRequest. */
  readonly policies?: readonly string[];
}

export interface OwnedReadQuery extends ReadQuery {
  /** Which of the caller's queries it is for. */
  readonly owner: number;
}

/** Asked of a group's members in parts, and evaluated here over their answers. */
export interface EvaluationPlan {
  readonly kind: 'evaluate';
  readonly expr: Expr;
  readonly parts: readonly EvaluationPart[];
  readonly times: EvaluationWindow;
  /** Of series in the answer; 0: none. */
  readonly limit: number;
  readonly otherwise?: Otherwise;
}

/** Where sums that members make leave open what one server would say: their summands are asked for. */
export type Otherwise = () => Result<Plan, Refusal>;

export interface EvaluationPart {
  /** Without the times. */
  readonly request: UpstreamRequest;
  readonly merge: Merge;
  /** Whose values the answer is. */
  readonly nodes: readonly Expr[];
  /** In which it stands, the outermost first: asked at their steps. */
  readonly within: readonly Subquery[];
}

/** Whole ms; `timeMs` undefined: now. */
export type EvaluationWindow = { readonly kind: 'instant'; readonly timeMs: number | undefined } | { readonly kind: 'range'; readonly startMs: number; readonly endMs: number; readonly stepMs: number };

export type Plan =
  /** The backend's answer holds nothing else: passed on as it comes. */
  | { readonly kind: 'forward'; readonly request: UpstreamRequest; readonly contentType: string; /** Of a group's answers, where it is an evaluation. */ readonly merge?: Merge; readonly otherwise?: Otherwise }
  /** The answers are read, and `filter` makes of their `data` what the caller may see. */
  | { readonly kind: 'filter'; readonly requests: readonly UpstreamRequest[]; readonly filter: (data: readonly unknown[]) => unknown }
  /** Asked one after the other: with the answers so far, what to ask next, or the reply. */
  | { readonly kind: 'talk'; readonly next: (answers: readonly ReadAnswer[]) => Result<{ readonly ask: UpstreamRequest } | { readonly reply: Reply }, Refusal> }
  | EvaluationPlan
  /** A remote read; what comes back is held to the policy once more, series by series. */
  | ReadPlan
  /** Nobody has to be asked. */
  | { readonly kind: 'answer'; readonly reply: Reply };

export interface Endpoint {
  /** Undefined: of both. */
  readonly api?: Api;
  /** What its body is in place of a form. */
  readonly takes?: 'json' | 'message';
  readonly methods: readonly Method[];
  /** After the backend's prefix; `:name` stands for one segment. It is also the route's name in metrics. */
  readonly path: string;
  readonly plan: (question: Question) => Result<Plan, Refusal>;
}
