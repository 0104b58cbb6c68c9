import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { enforce } from '../promql/enforce/enforce.js';
import type { Enforced } from '../promql/enforce/enforce.js';
import type { Policy } from '../promql/enforce/policy.js';
import { selectingNothing } from '../promql/enforce/restrict.js';
import type { Decision } from '../promql/enforce/rewrite.js';
import { formatParseError, parse } from '../promql/parse.js';
import { print } from '../promql/print.js';
import type { Expr } from '../promql/ast.js';
import type { Form } from './form.js';
import type { View } from './grants.js';
import { overLimit } from './limits.js';
import type { Times } from './limits.js';
import { EVERYTHING } from './match.js';
import { refuse } from './refusal.js';
import type { Refusal } from './refusal.js';

/** A query, held to the limits and to the policy. What comes out of here may be asked. */

export function readExpression(text: string, { limits, features }: Pick<View, 'limits' | 'features'>): Result<Expr, Refusal> {
  const parsed = parse(text, { maxLength: limits.maxQueryChars, maxDepth: limits.maxDepth, features });
  if (parsed.ok) return parsed;
  return refuse(parsed.error.reason === 'syntax' ? 'query_invalid' : 'query_over_limit', `invalid parameter "query": ${formatParseError(parsed.error)}`);
}

/** Within the limits, those of what it touches included. */
export function readWithin(text: string, view: Pick<View, 'limits' | 'features'>, times: Times): Result<Expr, Refusal> {
  const expr = readExpression(text, view);
  const over = expr.ok ? overLimit(expr.value, times, view.limits) : undefined;
  return over === undefined ? expr : refuse('query_over_limit', over);
}

export function restrictExpression(text: string, { policy, limits, features, known }: Pick<View, 'policy' | 'limits' | 'features' | 'known'>, times: Times): Result<Enforced, Refusal> {
  const before = known?.find(text);
  const expr = before === undefined ? readExpression(text, { limits, features }) : ok(before.expr);
  if (!expr.ok) return expr;
  const over = overLimit(expr.value, times, limits);
  if (over !== undefined) return refuse('query_over_limit', over);
  if (before !== undefined) return ok(before.enforced);
  const enforced = enforce(text, policy, { maxLength: limits.maxQueryChars, maxDepth: limits.maxDepth, maxBranches: limits.maxBranches, features });
  if (enforced.ok) {
    known?.keep(text, { expr: expr.value, enforced: enforced.value });
    return ok(enforced.value);
  }
  const { reason, message } = enforced.error;
  switch (reason) {
    case 'invalid':
      return refuse('query_invalid', message);
    case 'too_many_branches':
    case 'too_large':
      return refuse('query_over_limit', message);
    case 'unsplittable':
    case 'forbidden_function':
    case 'uncovered':
      return refuse('query_unenforceable', message);
  }
}

/** What leaves: the query, and the rules beside it where they are not in it. */
export interface RestrictedQuery {
  readonly query: string;
  /** Each a selector, ORed; how they leave is the backend's `union`. */
  readonly filters: readonly string[];
  readonly decisions: readonly Decision[];
}

/** By rewriting, or by the backend's own means. */
export function restrictQuery(text: string, view: View, times: Times): Result<RestrictedQuery, Refusal> {
  const { policy, union } = view;
  switch (union) {
    case 'rewrite': {
      const restricted = restrictExpression(text, view, times);
      return restricted.ok ? ok({ ...restricted.value, filters: [] }) : restricted;
    }
    case 'extra_filters':
    case 'policy_header': {
      const expr = readWithin(text, view, times);
      return expr.ok ? ok({ query: print(expr.value), filters: filtersOf(policy), decisions: [] }) : expr;
    }
  }
}

/** Never none: that would mean everything. */
export function filtersOf({ rules }: Policy): readonly string[] {
  const filters = rules.map((rule) => print({ ...EVERYTHING, matchers: rule.map(({ matcher }) => matcher) }));
  return filters.length > 0 ? filters : [print(selectingNothing(EVERYTHING))];
}

export function queryText(form: Form): string {
  return form.first('query') ?? '';
}
