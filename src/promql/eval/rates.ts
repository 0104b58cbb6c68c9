import { increased } from './accumulators.js';
import type { Compensated } from './accumulators.js';
import { EvaluationFault } from './series.js';

/** How fast numbers change (Prometheus's extrapolatedRate, instantValue, linearRegression and double exponential smoothing). */

export interface Point {
  readonly timeMs: number;
  readonly value: number;
}

interface Range {
  /** No sample is from this moment. */
  readonly rangeStartMs: number;
  readonly rangeEndMs: number;
}

/** Samples are taken to reach to the ends of the range where they end less than a sample and a tenth before. */
const THRESHOLD = 1.1;

/** Of a range with at least one sample. */
export function extrapolated(points: readonly Point[], { rangeStartMs, rangeEndMs }: Range, { isCounter, isRate }: { readonly isCounter: boolean; readonly isRate: boolean }): number | undefined {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined || points.length < 2) return undefined;
  const change = last.value - first.value + (isCounter ? lostInResets(points) : 0);
  const sampledSeconds = (last.timeMs - first.timeMs) / 1000;
  const secondsPerSample = sampledSeconds / (points.length - 1);
  const reaching = (seconds: number): number => (seconds >= secondsPerSample * THRESHOLD ? secondsPerSample / 2 : seconds);
  const toEnd = reaching((rangeEndMs - last.timeMs) / 1000);
  let toStart = reaching((first.timeMs - rangeStartMs) / 1000);
  // A counter was never below zero.
  if (isCounter && change > 0 && first.value >= 0) toStart = Math.min(toStart, sampledSeconds * (first.value / change));
  const factor = (sampledSeconds + toStart + toEnd) / sampledSeconds;
  return change * (isRate ? factor / ((rangeEndMs - rangeStartMs) / 1000) : factor);
}

function lostInResets(points: readonly Point[]): number {
  let lost = 0;
  for (const [index, { value }] of points.entries()) {
    const before = points[index - 1];
    if (before !== undefined && value < before.value) lost += before.value;
  }
  return lost;
}

/** Of two samples; a counter that has been reset has come from zero. */
export function differenceOfLast([before, last]: readonly Point[], isRate: boolean): number | undefined {
  if (before === undefined || last === undefined) return undefined;
  const change = isRate && last.value < before.value ? last.value : last.value - before.value;
  return isRate ? change / ((last.timeMs - before.timeMs) / 1000) : change;
}

/** The line through at least two samples; `intercept`: where it is at that moment. */
export function regression(points: readonly Point[], interceptMs: number): { readonly slope: number; readonly intercept: number } {
  const initial = points[0]?.value ?? Number.NaN;
  if (points.every(({ value }) => value === initial)) return Math.abs(initial) === Infinity ? { slope: Number.NaN, intercept: Number.NaN } : { slope: 0, intercept: initial };
  let [x, y, xy, xx]: [Compensated, Compensated, Compensated, Compensated] = [[0, 0], [0, 0], [0, 0], [0, 0]];
  for (const { timeMs, value } of points) {
    const seconds = (timeMs - interceptMs) / 1000;
    x = increased(x, seconds);
    y = increased(y, value);
    xy = increased(xy, seconds * value);
    xx = increased(xx, seconds * seconds);
  }
  const total = ([sum, lost]: Compensated): number => sum + lost;
  const count = points.length;
  const slope = (total(xy) - (total(x) * total(y)) / count) / (total(xx) - (total(x) * total(x)) / count);
  return { slope, intercept: total(y) / count - (slope * total(x)) / count };
}

export function smoothed(points: readonly Point[], smoothing: number, trend: number): number | undefined {
  if (smoothing <= 0 || smoothing >= 1) throw new EvaluationFault(`invalid smoothing factor. Expected: 0 < sf < 1, got: ${smoothing.toFixed(6)}`);
  if (trend <= 0 || trend >= 1) throw new EvaluationFault(`invalid trend factor. Expected: 0 < tf < 1, got: ${trend.toFixed(6)}`);
  const [first, second] = points;
  if (first === undefined || second === undefined) return undefined;
  let [before, level, slope] = [0, first.value, second.value - first.value];
  for (const [index, { value }] of points.slice(1).entries()) {
    if (index > 0) slope = trend * (level - before) + (1 - trend) * slope;
    [before, level] = [level, smoothing * value + (1 - smoothing) * (level + slope)];
  }
  return level;
}
