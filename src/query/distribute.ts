import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { Aggregation, Binary, Call, Expr } from '../promql/ast.js';
import { unwrapped } from '../promql/walk.js';

/**
 * May a query be asked of each member of a group, and its answers be put together? Only where that is what one server with all of
 * their series would say: where every value is made of series of one member, or where the outermost step can be done again here.
 */

/** How the members' answers become one. */
export type Merge =
  /** The same everywhere. */
  | { readonly kind: 'any' }
  /** All series; `disjoint`: that two members have one of equal labels at one time is an error, as it would be in one server. */
  | { readonly kind: 'union'; readonly disjoint: boolean; readonly order: 'labels' | 'ascending' | 'descending' }
  /** Values of equal labels, taken together once more. */
  | { readonly kind: 'combine'; readonly op: 'sum' | 'min' | 'max' | 'group' }
  /** Means and counts (merge-means.ts), whose mean is wanted. */
  | { readonly kind: 'mean' };

/** `constant`: made of no series. `local`: each value is of one member; `tells`: and its labels say of which. */
type Spread = { readonly kind: 'constant' } | { readonly kind: 'local'; readonly tells: boolean };

const CONSTANT: Spread = { kind: 'constant' };
const OVER_BUCKETS: ReadonlySet<string> = new Set(['histogram_quantile', 'histogram_quantiles', 'histogram_fraction']);
const OVER_ALL: ReadonlySet<string> = new Set(['absent', 'absent_over_time', 'scalar', 'info']);
const RELABELLING: ReadonlySet<string> = new Set(['label_replace', 'label_join']);

/** `disjointBy`: labels whose values, together, no two members share; none = not known. The error says what cannot be exact. */
export function distribute(expr: Expr, disjointBy: readonly string[]): Result<Merge, string> {
  const root = unwrapped(expr);
  const combined = root.kind === 'aggregation' ? combining(root, disjointBy) : undefined;
  if (combined !== undefined) return combined;
  const spread = spreadOf(root, disjointBy);
  if (!spread.ok) return spread;
  if (spread.value.kind === 'constant') return ok({ kind: 'any' });
  const name = root.kind === 'call' ? root.name : '';
  if (name.startsWith('sort_by_label')) return err(`${name} over several backends`);
  return ok({ kind: 'union', disjoint: disjointBy.length > 0, order: name === 'sort' ? 'ascending' : name === 'sort_desc' ? 'descending' : 'labels' });
}

/** An outermost aggregation that is not each member's own affair, but can be done again over the members' results. */
function combining(aggregation: Aggregation, disjointBy: readonly string[]): Result<Merge, string> | undefined {
  const { op, expr, param } = aggregation;
  const inner = spreadOf(expr, disjointBy);
  if (!inner.ok || inner.value.kind === 'constant' || (inner.value.tells && keepsGroups(aggregation, disjointBy))) return undefined;
  const constant = param === undefined ? ok(CONSTANT) : spreadOf(param, disjointBy);
  if (!constant.ok || constant.value.kind !== 'constant') return undefined;
  switch (op) {
    case 'min':
    case 'max':
    case 'group':
      return ok({ kind: 'combine', op });
    case 'sum':
    case 'count':
    case 'count_values':
      // What two members have would count twice.
      return disjointBy.length > 0 ? ok({ kind: 'combine', op: 'sum' }) : err(`${op} over several backends that may hold the same series (no disjointBy)`);
    default:
      return undefined;
  }
}

function spreadOf(expr: Expr, disjointBy: readonly string[]): Result<Spread, string> {
  switch (expr.kind) {
    case 'number':
    case 'string':
      return ok(CONSTANT);
    case 'vector':
    case 'matrix':
      return ok({ kind: 'local', tells: disjointBy.length > 0 });
    case 'subquery':
    case 'unary':
    case 'paren':
      return spreadOf(expr.expr, disjointBy);
    case 'call':
      return ofCall(expr, disjointBy);
    case 'aggregation':
      return ofAggregation(expr, disjointBy);
    case 'binary':
      return ofBinary(expr, disjointBy);
  }
}

function ofCall({ name, args }: Call, disjointBy: readonly string[]): Result<Spread, string> {
  const series: Spread[] = [];
  for (const arg of args) {
    const spread = spreadOf(arg, disjointBy);
    if (!spread.ok) return spread;
    if (spread.value.kind === 'local') series.push(spread.value);
  }
  const [only, ...more] = series;
  // Even of a constant: what it joins is not among its arguments.
  if (name === 'info') return err('info over several backends');
  if (only === undefined || only.kind === 'constant') return ok(CONSTANT);
  if (more.length > 0 || OVER_ALL.has(name)) return err(`${name} of series in several backends`);
  if (OVER_BUCKETS.has(name) && !only.tells) return err(`${name} of buckets that may be spread over several backends`);
  const target = args[1] === undefined ? undefined : unwrapped(args[1]);
  const overwrites = RELABELLING.has(name) && !(target?.kind === 'string' && !disjointBy.includes(target.value));
  return ok({ kind: 'local', tells: only.tells && !overwrites });
}

function ofAggregation(aggregation: Aggregation, disjointBy: readonly string[]): Result<Spread, string> {
  const { op, expr, param } = aggregation;
  const inner = spreadOf(expr, disjointBy);
  if (!inner.ok) return inner;
  const parameter = param === undefined ? ok(CONSTANT) : spreadOf(param, disjointBy);
  if (!parameter.ok) return parameter;
  if (parameter.value.kind !== 'constant') return err(`${op} with a parameter that is made of series in several backends`);
  if (inner.value.kind === 'constant') return ok(CONSTANT);
  // Each series is taken or not by a hash of its labels, whatever others there are.
  if (op === 'limit_ratio') return inner;
  if (inner.value.tells && keepsGroups(aggregation, disjointBy)) {
    // count_values may write its value over the label that tells the members apart.
    const written = op === 'count_values' && param !== undefined ? unwrapped(param) : undefined;
    return ok({ kind: 'local', tells: written === undefined || (written.kind === 'string' && !disjointBy.includes(written.value)) });
  }
  const hint = disjointBy.length === 0 ? '' : `; aggregate by (${disjointBy.join(', ')}) too`;
  return err(`${op} of series in several backends${hint}`);
}

/** Are all series of one result in one member? */
function keepsGroups({ grouping, without }: Aggregation, disjointBy: readonly string[]): boolean {
  return without ? !disjointBy.some((label) => grouping.includes(label)) : disjointBy.every((label) => grouping.includes(label));
}

function ofBinary({ op, lhs, rhs, matching }: Binary, disjointBy: readonly string[]): Result<Spread, string> {
  const [left, right] = [spreadOf(lhs, disjointBy), spreadOf(rhs, disjointBy)];
  if (!left.ok) return left;
  if (!right.ok) return right;
  if (left.value.kind === 'constant') return right.value.kind === 'constant' || matching === undefined ? right : err(`${op} with a vector that is in every backend`);
  if (right.value.kind === 'constant') return matching === undefined ? left : err(`${op} with a vector that is in every backend`);
  const labels = matching?.labels ?? [];
  const within = matching?.on === true ? disjointBy.every((label) => labels.includes(label)) : !disjointBy.some((label) => labels.includes(label));
  if (left.value.tells && right.value.tells && within) return ok({ kind: 'local', tells: true });
  return err(`${op} between series in several backends`);
}
