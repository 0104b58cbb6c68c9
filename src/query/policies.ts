import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { Plan, UpstreamRequest } from './endpoint.js';
import { filtersOf } from './expressions.js';
import type { View } from './grants.js';
import { refuse } from './refusal.js';
import type { Refusal } from './refusal.js';

/**
 * With `union: policy_header` every request, whatever it asks, has the rules beside it, as selectors of which one must hold: what is
 * not written into a request is not missing from it.
 */

/** Of all selectors; servers and what stands before them take no headers without end. */
const MAX_HEADER_CHARS = 32 * 1024;

export function withPolicies(plan: Plan, { union, policy }: Pick<View, 'union' | 'policy'>): Result<Plan, Refusal> {
  if (union !== 'policy_header') return ok(plan);
  const policies = filtersOf(policy);
  const length = policies.reduce((sum, selector) => sum + encodeURIComponent(selector).length, 0);
  if (length > MAX_HEADER_CHARS) return refuse('query_over_limit', `the tenant's rules are ${length} characters long, and at most ${MAX_HEADER_CHARS} can be sent beside a request`);
  const added = (request: UpstreamRequest): UpstreamRequest => ({ ...request, policies });
  switch (plan.kind) {
    case 'forward':
      return ok({ ...plan, request: added(plan.request) });
    case 'filter':
      return ok({ ...plan, requests: plan.requests.map(added) });
    case 'evaluate':
      return ok({ ...plan, parts: plan.parts.map((part) => ({ ...part, request: added(part.request) })) });
    case 'read':
      return ok({ ...plan, policies });
    case 'talk':
      return ok({ ...plan, next: (answers) => {
        const turn = plan.next(answers);
        if (!turn.ok) return err(turn.error);
        return ok('ask' in turn.value ? { ask: added(turn.value.ask) } : turn.value);
      } });
    case 'answer':
      return ok(plan);
  }
}
