import type { DesiredState } from '../model/desired-state.js';
import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { distributeQuery } from './distributed.js';
import { restrictQuery } from './expressions.js';
import type { RestrictedQuery } from './expressions.js';
import { viewOf } from './grants.js';
import type { View } from './grants.js';
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
  /** What the backend would be asked; of a group, each question in a line. */
  readonly rewritten: string | undefined;
  /** Besides, with backends that take the rules beside the query. */
  readonly filters: readonly string[];
  readonly selectors: readonly ExplainedSelector[];
  readonly refusal: Refusal | undefined;
}

const AN_INSTANT = { rangeMs: 0, stepMs: 0 };

/** As an instant query. */
export function explainQuery(state: DesiredState, tenant: string, backend: string, text: string): QueryExplanation {
  const view = viewOf(state, tenant, backend);
  const refused = (refusal: Refusal): QueryExplanation => ({ original: text, rewritten: undefined, filters: [], selectors: [], refusal });
  if (view === undefined) return refused({ reason: 'query_no_backend', detail: undefined });
  const asked = questions(text, view);
  if (!asked.ok) return refused(asked.error);
  const selectors = asked.value.flatMap(({ decisions }) => decisions).map(({ selector, outcome, rules }) => ({ selector, outcome, rules: rules.flatMap((index) => view.ruleNames[index] ?? []) }));
  return { original: text, rewritten: asked.value.map(({ query }) => query).join('\n'), filters: asked.value.flatMap(({ filters }) => filters), selectors, refusal: undefined };
}

/** A group may be asked several for one, of which the gateway makes the answer. */
function questions(text: string, view: View): Result<readonly RestrictedQuery[], Refusal> {
  if (view.group === undefined) {
    const restricted = restrictQuery(text, view, AN_INSTANT);
    return restricted.ok ? ok([restricted.value]) : restricted;
  }
  const distributed = distributeQuery(text, view, AN_INSTANT, { disjointBy: view.group.disjointBy, window: { kind: 'instant', timeMs: Date.now() } });
  if (!distributed.ok) return distributed;
  return ok(distributed.value.kind === 'whole' ? [distributed.value.query] : distributed.value.parts.map(({ query }) => query));
}
