import type { DesiredState } from '../model/desired-state.js';
import { distribute } from './distribute.js';
import { readExpression, restrictQuery } from './expressions.js';
import { viewOf } from './grants.js';
import type { Refusal } from './refusal.js';

/** Why a query means what it means for a tenant, without asking anybody. */

export interface ExplainedSelector {
  /** As it would be printed, of the original. */
  readonly selector: string;
  readonly outcome: 'unchanged' | 'constrained' | 'split' | 'denied';
  /** What the operator wrote, for each rule that allows something of it. */
  readonly rules: readonly string[];
}

export interface QueryExplanation {
  readonly original: string;
  /** What the backend would be asked. */
  readonly rewritten: string | undefined;
  /** Besides, with backends that take the rules beside the query. */
  readonly filters: readonly string[];
  readonly selectors: readonly ExplainedSelector[];
  readonly refusal: Refusal | undefined;
}

/** As an instant query. */
export function explainQuery(state: DesiredState, tenant: string, backend: string, text: string): QueryExplanation {
  const view = viewOf(state, tenant, backend);
  const refused = (refusal: Refusal): QueryExplanation => ({ original: text, rewritten: undefined, filters: [], selectors: [], refusal });
  if (view === undefined) return refused({ reason: 'query_no_backend', detail: undefined });
  const restricted = restrictQuery(text, view, { rangeMs: 0, stepMs: 0 });
  if (!restricted.ok) return refused(restricted.error);
  const expr = readExpression(text, view.limits);
  const merge = expr.ok && view.group !== undefined ? distribute(expr.value, view.group.disjointBy) : undefined;
  if (merge?.ok === false) return refused({ reason: 'query_not_distributable', detail: merge.error });
  const { query, filters, decisions } = restricted.value;
  const selectors = decisions.map(({ selector, outcome, rules }) => ({ selector, outcome, rules: rules.flatMap((index) => view.ruleNames[index] ?? []) }));
  return { original: text, rewritten: query, filters, selectors, refusal: undefined };
}
