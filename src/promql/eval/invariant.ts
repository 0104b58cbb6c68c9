import type { Expr } from '../ast.js';
import { unwrapped } from '../walk.js';

/**
 * Is a part of a query the same at every step, as `x @ end()` is? Prometheus evaluates such a part once, at the first step, and an
 * aggregation of such a part with its parameter at that step, whatever the parameter is later (preprocessExprHelper).
 */

/** They say something of the step even where their arguments do not. */
const UNSAFE: ReadonlySet<string> = new Set([
  'days_in_month', 'day_of_month', 'day_of_week', 'day_of_year', 'hour', 'minute', 'month', 'year', 'predict_linear', 'time', 'timestamp', 'start_timestamp',
]);

export function isInvariant(expr: Expr): boolean {
  switch (expr.kind) {
    case 'number':
    case 'string':
      return true;
    case 'vector':
      return expr.at !== undefined;
    case 'matrix':
      return isInvariant(expr.selector);
    case 'subquery':
      return expr.at !== undefined;
    case 'paren':
    case 'unary':
    case 'aggregation':
      return isInvariant(expr.expr);
    case 'binary':
      return isInvariant(expr.lhs) && isInvariant(expr.rhs);
    case 'call':
      return expr.args.every((arg) => isInvariant(arg)) && (!UNSAFE.has(expr.name) || (expr.name === 'timestamp' && expr.args.every((arg) => unwrapped(arg).kind === 'vector')));
  }
}
