import type { Call, Duration, Expr, Subquery } from '../ast.js';
import { unwrapped, visit } from '../walk.js';
import { withoutMetadata } from './labels.js';
import { RANGE_FUNCTIONS } from './ranges.js';
import type { Window } from './ranges.js';
import { EvaluationFault, isSomewhere, newSeries, place, timeMs, TooManyPoints } from './series.js';
import type { Context, Series, Steps } from './series.js';

/** Functions over a subquery: the inner part has steps of its own, and each outer step looks back at a window of them (Prometheus's runSubquery). */

/** They are of that metric still. */
const KEEP_NAMES: ReadonlySet<string> = new Set(['first_over_time', 'last_over_time']);

export interface Windowed {
  readonly subquery: Subquery;
  /** The other arguments, which are scalars. */
  readonly parameters: readonly Expr[];
}

/** Undefined: not a call that is evaluated here over what its subquery gives. */
export function windowedCall({ name, args }: Call): Windowed | undefined {
  const subquery = args.map((arg) => unwrapped(arg)).find((arg) => arg.kind === 'subquery');
  if (!RANGE_FUNCTIONS.has(name) || subquery?.kind !== 'subquery' || !isPlain(subquery)) return undefined;
  return { subquery, parameters: args.filter((arg) => unwrapped(arg) !== subquery) };
}

/** Nothing in it is known by the whole query's times only. */
function isPlain({ expr, range, step, offset, at }: Subquery): boolean {
  const isNumber = (duration: Duration | undefined): boolean => duration === undefined || duration.kind === 'number';
  return (at === undefined || at.kind === 'timestamp') && (step === undefined || lengthMs(step) >= 1) && [range, step, offset].every(isNumber) && !dependsOnQuery(expr);
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

/** With `@`, all steps look at one window. */
function looking({ at }: Subquery, outer: Steps): Steps {
  return at?.kind === 'timestamp' ? { startMs: Math.round(at.seconds * 1000), stepMs: 1, count: 1 } : outer;
}

/** When the inner part is evaluated: at multiples of its step. Undefined: never. `defaultStepMs`: of a subquery without a step of its own. */
export function subquerySteps(subquery: Subquery, outer: Steps, defaultStepMs: number | undefined): Steps | undefined {
  const { range, step, offset } = subquery;
  const stepMs = step === undefined ? defaultStepMs : lengthMs(step);
  if (stepMs === undefined) throw new TypeError('a subquery without a step, and none is known');
  const seen = looking(subquery, outer);
  const before = seen.startMs - lengthMs(offset) - lengthMs(range);
  const aligned = stepMs * Math.trunc(before / stepMs);
  const startMs = aligned <= before ? aligned + stepMs : aligned;
  const endMs = timeMs(seen, seen.count - 1) - lengthMs(offset);
  return endMs < startMs ? undefined : { startMs, stepMs, count: Math.floor((endMs - startMs) / stepMs) + 1 };
}

/** So many values are looked at in the time in which one point is made. */
const VALUES_PER_POINT = 16;

/** `inner` at `steps`, which are the subquery's; `parameters` at those of the context. */
export function overWindows(name: string, { subquery }: Windowed, inner: readonly Series[], { steps, parameters, context }: { readonly steps: Steps; readonly parameters: readonly Float64Array[]; readonly context: Context }): readonly Series[] {
  const make = RANGE_FUNCTIONS.get(name);
  if (make === undefined) throw new TypeError(`${name} is not evaluated here`);
  const [rangeMs, offsetMs] = [lengthMs(subquery.range), lengthMs(subquery.offset)];
  // Windows overlap: what is looked at is many times what there is.
  context.budget.points -= Math.ceil((inner.length * context.steps.count * Math.min(steps.count, rangeMs / steps.stepMs)) / VALUES_PER_POINT);
  if (context.budget.points < 0) throw new TooManyPoints();
  const fold = make(context);
  const results: Series[] = [];
  for (const series of inner) {
    const result = newSeries(KEEP_NAMES.has(name) ? series.labels : withoutMetadata(series.labels), context);
    for (let step = 0; step < context.steps.count; step += 1) {
      const window = windowAt(series, { steps, rangeMs, untilMs: untilMs(subquery, context.steps, step) - offsetMs, atMs: timeMs(context.steps, step) });
      const sample = fold(window, ...parameters.map((values) => values[step] ?? Number.NaN));
      if (sample !== undefined) place(result, step, sample, context);
    }
    if (isSomewhere(result)) results.push(result);
  }
  if (new Set(results.map(({ labels }) => labels.key)).size < results.length && name !== 'absent_over_time') throw new EvaluationFault('vector cannot contain metrics with the same labelset');
  return results;
}

function untilMs(subquery: Subquery, outer: Steps, step: number): number {
  const seen = looking(subquery, outer);
  return timeMs(seen, seen === outer ? step : 0);
}

interface Around {
  readonly steps: Steps;
  readonly rangeMs: number;
  readonly untilMs: number;
  readonly atMs: number;
}

function windowAt(series: Series, { steps, rangeMs, untilMs: until, atMs }: Around): Window {
  // From the first step after the window's beginning on, which is not part of it.
  const from = Math.max(0, Math.floor((until - rangeMs - steps.startMs) / steps.stepMs) + 1);
  const to = Math.min(steps.count - 1, Math.floor((until - steps.startMs) / steps.stepMs));
  return { series, steps, from, to, rangeStartMs: until - rangeMs, rangeEndMs: until, atMs };
}
