import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { Expr, Subquery } from '../promql/ast.js';
import { print } from '../promql/print.js';
import { distribute } from './distribute.js';
import type { Merge } from './distribute.js';
import { readWithin, restrictQuery } from './expressions.js';
import type { RestrictedQuery } from './expressions.js';
import type { EvaluationWindow } from './endpoint.js';
import type { View } from './grants.js';
import type { Times } from './limits.js';
import { partsOf } from './parts.js';
import { prepared } from './prepared.js';
import { refuse } from './refusal.js';
import type { Refusal } from './refusal.js';

/** What the members of a group are asked of a query: each question under the tenant's rules for itself. */

export interface DistributedPart {
  readonly query: RestrictedQuery;
  readonly merge: Merge;
  /** Whose values the answer is. */
  readonly nodes: readonly Expr[];
  /** As in Part. */
  readonly within: readonly Subquery[];
}

export type Distributed =
  | { readonly kind: 'whole'; readonly query: RestrictedQuery; readonly merge: Merge }
  /** `expr` is to be evaluated over the parts' answers. */
  | { readonly kind: 'parts'; readonly expr: Expr; readonly parts: readonly DistributedPart[] };

/** Each is a question to all members at once. */
const MAX_PARTS = 32;

/** Judged by what the caller wrote: what is asked instead is, over the allowed series, the same. */
export function distributeQuery(text: string, view: View, times: Times, { disjointBy, window }: { readonly disjointBy: readonly string[]; /** When exactly, where that is known. */ readonly window?: EvaluationWindow }): Result<Distributed, Refusal> {
  const expr = readWithin(text, view, times);
  if (!expr.ok) return expr;
  const merge = distribute(expr.value, disjointBy);
  if (merge.ok) {
    const query = restrictQuery(text, view, times);
    return query.ok ? ok({ kind: 'whole', query: query.value, merge: merge.value }) : query;
  }
  const whole = prepared(expr.value, window);
  const parts = partsOf(whole, disjointBy);
  if (!parts.ok) return refuse('query_not_distributable', parts.error);
  // What stands in a query twice is asked once.
  const byQuestion = Map.groupBy(parts.value, ([, part]) => JSON.stringify([print(part.expr), part.merge, part.within.map(print)]));
  if (byQuestion.size > MAX_PARTS) return refuse('query_over_limit', `${byQuestion.size} parts that must be asked one by one, and at most ${MAX_PARTS} are allowed`);
  const restricted: DistributedPart[] = [];
  for (const same of byQuestion.values()) {
    const part = same[0]?.[1];
    if (part === undefined) continue;
    const query = restrictQuery(print(part.expr), view, times);
    if (!query.ok) return query;
    restricted.push({ query: query.value, merge: part.merge, nodes: same.map(([node]) => node), within: part.within });
  }
  return ok({ kind: 'parts', expr: whole, parts: restricted });
}
