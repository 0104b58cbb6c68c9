import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { enforce } from '../promql/enforce/enforce.js';
import type { Enforced } from '../promql/enforce/enforce.js';
import type { Policy } from '../promql/enforce/policy.js';
import { formatParseError, parse } from '../promql/parse.js';
import type { Expr } from '../promql/ast.js';
import type { Form } from './form.js';
import { overLimit } from './limits.js';
import type { Limits, Times } from './limits.js';
import { refuse } from './refusal.js';
import type { Refusal } from './refusal.js';

/** A query, held to the limits and to the policy. What comes out of here may be asked. */

export function readExpression(text: string, limits: Limits): Result<Expr, Refusal> {
  const parsed = parse(text, { maxLength: limits.maxQueryChars, maxDepth: limits.maxDepth });
  if (parsed.ok) return parsed;
  return refuse(parsed.error.reason === 'syntax' ? 'query_invalid' : 'query_over_limit', `invalid parameter "query": ${formatParseError(parsed.error)}`);
}

export function restrictExpression(text: string, policy: Policy, limits: Limits, times: Times): Result<Enforced, Refusal> {
  const expr = readExpression(text, limits);
  if (!expr.ok) return expr;
  const over = overLimit(expr.value, times, limits);
  if (over !== undefined) return refuse('query_over_limit', over);
  const enforced = enforce(text, policy, { maxLength: limits.maxQueryChars, maxDepth: limits.maxDepth, maxBranches: limits.maxBranches });
  if (enforced.ok) return ok(enforced.value);
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

export function queryText(form: Form): string {
  return form.first('query') ?? '';
}
