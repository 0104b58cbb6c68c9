import { added } from '../histogram/add.js';
import { divided, Inexact, scaled } from '../histogram/histogram.js';
import type { Histogram } from '../histogram/histogram.js';
import { trimmed } from '../histogram/trim.js';
import type { Aggregation, Binary, Call, Expr } from '../ast.js';
import { calculate, compare, isArithmetic, isTrim } from './arithmetic.js';
import type { NumericOp } from './arithmetic.js';
import type { Context, Sample } from './series.js';

/** What an operator makes of two samples, each a number or a native histogram (Prometheus's vectorElemBinop). */

export interface Operation {
  readonly op: NumericOp;
  readonly bool: boolean;
  /** Of native histograms on both sides, those of one are no counters: then a counter reset, which nobody can see here, makes no difference. */
  readonly hasGauge: boolean;
}

/** Undefined: a comparison that does not hold. `incompatible`: there is nothing such as the result. */
export function elementOf({ op, bool, hasGauge }: Operation, a: Sample, b: Sample, context: Context): Sample | undefined | 'incompatible' {
  if (typeof a === 'number' && typeof b === 'number') {
    if (isArithmetic(op)) return calculate(op, a, b);
    if (isTrim(op)) return incompatible(op, a, b, context);
    const holds = compare(op, a, b);
    return bool ? Number(holds) : holds ? a : undefined;
  }
  if (typeof a !== 'number' && typeof b !== 'number') return ofHistograms(op, [a, b], hasGauge, context);
  if (op === '*') return typeof a === 'number' ? (typeof b === 'number' ? a * b : scaled(b, a)) : typeof b === 'number' ? scaled(a, b) : 'incompatible';
  if (op === '/' && typeof a !== 'number' && typeof b === 'number') return divided(a, b);
  if (isTrim(op) && typeof a !== 'number' && typeof b === 'number') return trimmed(a, b, op === '</' ? 'below' : 'above');
  return incompatible(op, a, b, context);
}

function incompatible(op: NumericOp, a: Sample, b: Sample, { infos }: Context): 'incompatible' {
  infos.add(`PromQL info: incompatible sample types encountered for binary operator "${op}": ${kindOf(a)} ${op} ${kindOf(b)}`);
  return 'incompatible';
}

function ofHistograms(op: NumericOp, [a, b]: readonly [Histogram, Histogram], hasGauge: boolean, context: Context): Histogram | 'incompatible' {
  switch (op) {
    case '+':
    case '-': {
      if (!hasGauge) throw new Inexact(`${op} between native histograms that are counters: answers do not tell where they were reset`);
      const result = added(a, b, op === '+' ? 1 : -1);
      if (result === undefined) context.warnings.add(`PromQL warning: incompatible bucket layout encountered for binary operator ${op}`);
      return result ?? 'incompatible';
    }
    case '==':
    case '!=':
      throw new Inexact(`${op} between native histograms: answers do not tell of their empty buckets`);
    default:
      return incompatible(op, a, b, context);
  }
}

function kindOf(sample: Sample): 'float' | 'histogram' {
  return typeof sample === 'number' ? 'float' : 'histogram';
}

const GAUGE_FUNCTIONS: ReadonlySet<string> = new Set(['rate', 'increase', 'delta', 'irate', 'idelta']);

/** Would native histograms that come of it be marked as no counters, in any server? */
export function isGauge(expr: Expr): boolean {
  switch (expr.kind) {
    case 'paren':
      return isGauge(expr.expr);
    case 'unary':
      return expr.op === '-' || isGauge(expr.expr);
    case 'call':
      return ofCall(expr);
    case 'aggregation':
      return ofAggregation(expr);
    case 'binary':
      return ofBinary(expr);
    case 'number':
    case 'string':
    case 'vector':
    case 'matrix':
    case 'subquery':
      return false;
  }
}

function ofCall({ name, args: [first] }: Call): boolean {
  return GAUGE_FUNCTIONS.has(name) || ((name === 'label_replace' || name === 'label_join') && first !== undefined && isGauge(first));
}

function ofAggregation({ op, expr }: Aggregation): boolean {
  return (op === 'sum' || op === 'avg') && isGauge(expr);
}

function ofBinary({ op, lhs, rhs, matching }: Binary): boolean {
  const [left, right] = [isGauge(lhs), isGauge(rhs)];
  switch (op) {
    case '-':
      return true;
    case '+':
      return left || right;
    case '*':
    case '/':
      // Without matching one of them is a scalar, and none.
      return matching === undefined ? left || right : left && right;
    case 'or':
      return left && right;
    default:
      return left;
  }
}
