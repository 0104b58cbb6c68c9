import type { Result } from '../lib/result.js';
import type { Endpoint, Plan, Question, UpstreamRequest } from './endpoint.js';
import type { View } from './grants.js';
import type { Refusal } from './refusal.js';

/**
 * A tenant's dry run: what it asks is passed on as it is understood, without its rules, and told beside it is what the rules would have made of
 * it. That shows the tenant everything, so it has an end by which it is over; and only what the backend answers by itself is
 * passed: answers that we filter, and whatever changes something, stay as they are.
 */

export const DRY_RUN_HEADER = 'x-scrapeway-dry-run';
/** What the rules would have done. */
export const WOULD = ['unchanged', 'rewritten', 'refused'] as const;

export interface Trial {
  readonly would: (typeof WOULD)[number];
  /** What is asked now. */
  readonly plan: Plan;
  readonly asked: string;
  /** What would be asked, or why nothing would. */
  readonly instead: string;
}

/** Of what goes into the log. */
const MAX_LOGGED_CHARS = 4_096;
/** One rule, which asks nothing. */
const ALLOWS_EVERYTHING: View['policy'] = { rules: [[]] };

export function isDryRun({ dryRunUntilMs }: Pick<View, 'dryRunUntilMs'>, nowMs: number): boolean {
  return dryRunUntilMs !== undefined && nowMs < dryRunUntilMs;
}

/** Undefined: this is served by the rules, dry run or not. `enforced`: the same question under them. */
export function tryOut(endpoint: Endpoint, question: Question, enforced: Result<Plan, Refusal>): Trial | undefined {
  // What is remembered was made under the rules.
  const { known: _, ...rest } = question;
  const open = endpoint.plan({ ...rest, policy: ALLOWS_EVERYTHING, union: 'rewrite' });
  if (!open.ok || requestsOf(open.value).length === 0) return undefined;
  const asked = textOf(open.value);
  if (!enforced.ok) return { would: 'refused', plan: open.value, asked, instead: `${enforced.error.reason}: ${enforced.error.detail ?? ''}` };
  const instead = textOf(enforced.value);
  return sent(enforced.value) === sent(open.value) ? { would: 'unchanged', plan: enforced.value, asked, instead } : { would: 'rewritten', plan: open.value, asked, instead };
}

function sent(plan: Plan): string {
  return JSON.stringify(requestsOf(plan));
}

/** Of plans that can be served without rules. */
function requestsOf(plan: Plan): readonly UpstreamRequest[] {
  return plan.kind === 'forward' ? [plan.request] : plan.kind === 'evaluate' ? plan.parts.map(({ request }) => request) : [];
}

/** Queries and selectors; the other parameters are the same. */
function textOf(plan: Plan): string {
  return requestsOf(plan)
    .flatMap(({ parameters, policies = [] }) => [...parameters.flatMap(([name, value]) => (name === 'query' || name.endsWith('[]') ? [value] : [])), ...policies])
    .join('\n')
    .slice(0, MAX_LOGGED_CHARS);
}
