import type { Call, Duration, Expr, Subquery } from '../ast.js';
import { unwrapped, visit } from '../walk.js';
import { accumulator } from './accumulators.js';
import type { AccumulatingOp } from './accumulators.js';
import { withoutMetadata } from './labels.js';
import { EvaluationFault, newSeries, timeMs, TooManyPoints } from './series.js';
import type { Context, Series, Steps } from './series.js';

/** Functions over a subquery: the inner part has steps of its own, and each outer step looks back at a window of them (Prometheus's runSubquery). */

/** What each makes of the values of a window; `first` and `last` are the only ones that keep names. */
const OVER_TIME: ReadonlyMap<string, AccumulatingOp | 'first' | 'last'> = new Map([
  ['avg_over_time', 'avg'], ['count_over_time', 'count'], ['first_over_time', 'first'], ['last_over_time', 'last'], ['max_over_time', 'max'], ['min_over_time', 'min'], ['present_over_time', 'group'],
  ['quantile_over_time', 'quantile'], ['stddev_over_time', 'stddev'], ['stdvar_over_time', 'stdvar'], ['sum_over_time', 'sum'], ['absent_over_time', 'group'],
]);

export interface Windowed {
  readonly subquery: Subquery;
  /** Of `quantile_over_time`. */
  readonly parameter: Expr | undefined;
}

/** Undefined: not a call that is evaluated here over what its subquery gives. */
export function windowedCall({ name, args }: Call): Windowed | undefined {
  const subquery = args.map((arg) => unwrapped(arg)).find((arg) => arg.kind === 'subquery');
  if (!OVER_TIME.has(name) || subquery?.kind !== 'subquery' || !isPlain(subquery)) return undefined;
  return { subquery, parameter: args.find((arg) => unwrapped(arg) !== subquery) };
}

/** Its own step, since without one it has the server's; and nothing that is known only by the whole query's times. */
function isPlain({ expr, range, step, offset, at }: Subquery): boolean {
  const isNumber = (duration: Duration | undefined): boolean => duration === undefined || duration.kind === 'number';
  return at === undefined && step !== undefined && lengthMs(step) >= 1 && [range, step, offset].every(isNumber) && !dependsOnQuery(expr);
}

const OF_THE_QUERY: ReadonlySet<string> = new Set(['start', 'end', 'range', 'step']);

function dependsOnQuery(expr: Expr): boolean {
  let depends = false;
  visit(expr, (node) => {
    if (node.kind === 'call') depends ||= OF_THE_QUERY.has(node.name);
    if (node.kind === 'vector' || node.kind === 'subquery') depends ||= (node.at !== undefined && node.at.kind !== 'timestamp') || node.offset?.kind === 'duration';
    if (node.kind === 'matrix' || node.kind === 'subquery') depends ||= node.range.kind === 'duration';
    if (node.kind === 'subquery') depends ||= node.step?.kind === 'duration';
  });
  return depends;
}

function lengthMs(duration: Duration | undefined): number {
  return duration?.kind === 'number' ? Math.trunc(duration.value * 1000) : 0;
}

/** When the inner part is evaluated: at multiples of its step. Undefined: never. */
export function subquerySteps({ range, step, offset }: Subquery, outer: Steps): Steps | undefined {
  const stepMs = lengthMs(step);
  const before = outer.startMs - lengthMs(offset) - lengthMs(range);
  const aligned = stepMs * Math.trunc(before / stepMs);
  const startMs = aligned <= before ? aligned + stepMs : aligned;
  const endMs = timeMs(outer, outer.count - 1) - lengthMs(offset);
  return endMs < startMs ? undefined : { startMs, stepMs, count: Math.floor((endMs - startMs) / stepMs) + 1 };
}

/** So many values are looked at in the time in which one point is made. */
const VALUES_PER_POINT = 16;

/** `inner` at `steps`, which are the subquery's. */
export function overWindows(name: string, { subquery }: Windowed, inner: readonly Series[], { steps, quantiles, context }: { readonly steps: Steps; readonly quantiles: Float64Array | undefined; readonly context: Context }): readonly Series[] {
  const op = OVER_TIME.get(name);
  if (op === undefined) throw new TypeError(`${name} is not evaluated here`);
  const [rangeMs, offsetMs] = [lengthMs(subquery.range), lengthMs(subquery.offset)];
  // Windows overlap: what is looked at is many times what there is.
  context.budget.points -= Math.ceil((inner.length * context.steps.count * Math.min(steps.count, rangeMs / steps.stepMs)) / VALUES_PER_POINT);
  if (context.budget.points < 0) throw new TooManyPoints();
  const fold = folding(op, quantiles);
  const results: Series[] = [];
  for (const series of inner) {
    const result = newSeries(op === 'first' || op === 'last' ? series.labels : withoutMetadata(series.labels), context);
    for (let step = 0; step < context.steps.count; step += 1) {
      const until = timeMs(context.steps, step) - offsetMs;
      // From the first step after the window's beginning on, which is not part of it.
      const from = Math.max(0, Math.floor((until - rangeMs - steps.startMs) / steps.stepMs) + 1);
      const value = fold(series, { from, to: Math.min(steps.count - 1, Math.floor((until - steps.startMs) / steps.stepMs)) }, step);
      if (value === undefined) continue;
      result.present[step] = 1;
      result.values[step] = value;
    }
    if (result.present.includes(1)) results.push(result);
  }
  if (new Set(results.map(({ labels }) => labels.key)).size < results.length && name !== 'absent_over_time') throw new EvaluationFault('vector cannot contain metrics with the same labelset');
  return results;
}

interface Window {
  readonly from: number;
  /** Inclusive. */
  readonly to: number;
}

/** Undefined where nothing is in the window. */
function folding(op: AccumulatingOp | 'first' | 'last', quantiles: Float64Array | undefined): (series: Series, window: Window, step: number) => number | undefined {
  if (op === 'first' || op === 'last') {
    return ({ values, present }, { from, to }) => {
      const indices = Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index).filter((index) => present[index] === 1);
      const index = op === 'first' ? indices[0] : indices.at(-1);
      return index === undefined ? undefined : values[index];
    };
  }
  const state = accumulator(op, (step) => quantiles?.[step] ?? Number.NaN);
  return ({ values, present }, { from, to }, step) => {
    let begun = false;
    for (let index = from; index <= to; index += 1) {
      if (present[index] !== 1) continue;
      const value = values[index] ?? Number.NaN;
      if (begun) state.add(value);
      else state.begin(value);
      begun = true;
    }
    return begun ? state.result(step) : undefined;
  };
}
