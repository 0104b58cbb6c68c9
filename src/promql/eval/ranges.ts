import { Inexact } from '../histogram/histogram.js';
import { accumulator } from './accumulators.js';
import type { AccumulatingOp } from './accumulators.js';
import { withHistograms } from './aggregate.js';
import { differenceOfLast, extrapolated, regression, smoothed } from './rates.js';
import type { Point } from './rates.js';
import { HISTOGRAM, NUMBER, sampleAt, timeMs } from './series.js';
import type { Context, Sample, Series, Steps } from './series.js';

/** Functions of a range, over what a series was at the steps of a subquery. */

export interface Window {
  readonly series: Series;
  readonly steps: Steps;
  /** Its steps, both included; at some there may be nothing. */
  readonly from: number;
  readonly to: number;
  readonly rangeStartMs: number;
  readonly rangeEndMs: number;
  /** When the function is evaluated; offsets are not in it. */
  readonly atMs: number;
}

/** What it makes of a window, with the other arguments; undefined = nothing. */
export type RangeFunction = (window: Window, ...parameters: readonly number[]) => Sample | undefined;

export const RANGE_FUNCTIONS: ReadonlyMap<string, (context: Context) => RangeFunction> = new Map<string, (context: Context) => RangeFunction>([
  ...(['avg', 'sum', 'max', 'min', 'stddev', 'stdvar', 'quantile'] as const).map((op) => [`${op}_over_time`, folding(op)] as const),
  ['count_over_time', ofPlaces((places) => places.length)],
  ['present_over_time', ofPlaces(() => 1)],
  ['absent_over_time', ofPlaces(() => 1)],
  ['first_over_time', ofPlaces(([first = 0], { series }) => sampleAt(series, first))],
  ['last_over_time', ofPlaces((places, { series }) => sampleAt(series, places.at(-1) ?? 0))],
  ['ts_of_first_over_time', ofPlaces(([first = 0], { steps }) => timeMs(steps, first) / 1000)],
  ['ts_of_last_over_time', ofPlaces((places, { steps }) => timeMs(steps, places.at(-1) ?? 0) / 1000)],
  ['ts_of_max_over_time', ofNumbers((points) => extreme(points, (value, most) => value >= most) / 1000)],
  ['ts_of_min_over_time', ofNumbers((points) => extreme(points, (value, least) => value <= least) / 1000)],
  ['mad_over_time', ofNumbers((points) => medianDeviation(points.map(({ value }) => value)))],
  ['rate', rating({ isCounter: true, isRate: true })],
  ['increase', rating({ isCounter: true, isRate: false })],
  ['delta', rating({ isCounter: false, isRate: false })],
  ['irate', ofLast(true)],
  ['idelta', ofLast(false)],
  ['deriv', ofNumbers((points) => (points.length < 2 ? undefined : regression(points, points[0]?.timeMs ?? 0).slope))],
  ['predict_linear', ofNumbers((points, { atMs }, seconds = Number.NaN) => {
    if (points.length < 2) return undefined;
    const { slope, intercept } = regression(points, atMs);
    return slope * seconds + intercept;
  })],
  ['double_exponential_smoothing', ofNumbers((points, _, smoothing = Number.NaN, trend = Number.NaN) => smoothed(points, smoothing, trend))],
  ['changes', ofSteps((before, value) => value !== before && !(Number.isNaN(value) && Number.isNaN(before)))],
  ['resets', ofSteps((before, value) => value < before)],
]);

function folding(op: AccumulatingOp): (context: Context) => RangeFunction {
  return (context) => {
    let parameter = Number.NaN;
    const state = accumulator(op, () => parameter);
    return (window, first = Number.NaN) => {
      const { series, from, to } = window;
      parameter = first;
      let begun = false;
      for (let place = from; place <= to; place += 1) {
        if (series.present[place] !== NUMBER) continue;
        const value = series.values[place] ?? Number.NaN;
        if (begun) state.add(value);
        else state.begin(value);
        begun = true;
      }
      const result = begun ? state.result(0) : undefined;
      const histograms = series.histograms === undefined ? [] : placesIn(window).flatMap((place) => series.histograms?.get(place) ?? []);
      return histograms.length === 0 ? result : withHistograms(op, histograms, result, context);
    };
  };
}

/** Where there is something. */
function placesIn({ series: { present }, from, to }: Window): readonly number[] {
  const places: number[] = [];
  for (let place = from; place <= to; place += 1) if (present[place] !== 0) places.push(place);
  return places;
}

function ofPlaces(make: (places: readonly number[], window: Window) => Sample | undefined): () => RangeFunction {
  return () => (window) => {
    const places = placesIn(window);
    return places.length === 0 ? undefined : make(places, window);
  };
}

/** Native histograms are passed over. */
function ofNumbers(make: (points: readonly Point[], window: Window, ...parameters: readonly number[]) => number | undefined): (context: Context) => RangeFunction {
  return ({ infos }) => (window, ...parameters) => {
    const places = placesIn(window);
    const points = pointsAt(places, window);
    if (points.length === 0) return undefined;
    if (points.length < places.length) infos.add('PromQL info: ignored histograms in a range containing both floats and histograms');
    return make(points, window, ...parameters);
  };
}

function pointsAt(places: readonly number[], { series: { values, present }, steps }: Window): readonly Point[] {
  return places.flatMap((place) => (present[place] === NUMBER ? [{ timeMs: timeMs(steps, place), value: values[place] ?? Number.NaN }] : []));
}

/** A reset of native histograms is told by what answers do not show. */
function refuseHistograms(): never {
  throw new Inexact('counter resets, changes and differences of native histograms that are evaluated here; take their rate before they are aggregated');
}

const MIXED = 'PromQL warning: encountered a mix of histograms and floats for metric name ""';

function rating(kind: { readonly isCounter: boolean; readonly isRate: boolean }): (context: Context) => RangeFunction {
  return ({ warnings }) => (window) => {
    const places = placesIn(window);
    const points = pointsAt(places, window);
    if (points.length === 0) return places.length < 2 ? undefined : refuseHistograms();
    if (points.length === places.length) return extrapolated(points, window, kind);
    warnings.add(MIXED);
    return undefined;
  };
}

function ofLast(isRate: boolean): (context: Context) => RangeFunction {
  return ({ warnings }) => (window) => {
    const places = placesIn(window).slice(-2);
    if (places.length < 2) return undefined;
    const points = pointsAt(places, window);
    if (points.length === 0) return refuseHistograms();
    if (points.length === 2) return differenceOfLast(points, isRate);
    warnings.add(MIXED);
    return undefined;
  };
}

/** How often, from one sample to the next, it is so; a number after a histogram or a histogram after a number counts too. */
function ofSteps(counts: (before: number, value: number) => boolean): () => RangeFunction {
  return ofPlaces((places, { series: { values, present } }) => {
    let count = 0;
    for (const [index, place] of places.entries()) {
      const before = places[index - 1];
      if (before === undefined) continue;
      if (present[place] === HISTOGRAM && present[before] === HISTOGRAM) return refuseHistograms();
      if (present[place] !== present[before] || counts(values[before] ?? Number.NaN, values[place] ?? Number.NaN)) count += 1;
    }
    return count;
  });
}

/** When it was; of several, the last. */
function extreme(points: readonly Point[], isMore: (value: number, than: number) => boolean): number {
  let most = points[0] ?? { timeMs: 0, value: Number.NaN };
  for (const point of points) if (isMore(point.value, most.value) || Number.isNaN(most.value)) most = point;
  return most.timeMs;
}

function medianDeviation(values: readonly number[]): number {
  if (values.some(Number.isNaN)) return Number.NaN;
  const middle = median(values);
  return median(values.map((value) => Math.abs(value - middle)));
}

function median(values: readonly number[]): number {
  const state = accumulator('quantile', () => 0.5);
  for (const [index, value] of values.entries()) {
    if (index === 0) state.begin(value);
    else state.add(value);
  }
  return state.result(0);
}
