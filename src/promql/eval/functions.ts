import type { Histogram } from '../histogram/histogram.js';
import { varianceOf } from '../histogram/statistics.js';

/**
 * Functions that make of each value of a vector another one, whatever stands beside it. All of them take the metric's name away.
 */

/** The numbers are those of the scalar arguments, at the same step; undefined = no value. */
export type ValueFunction = (value: number, ...parameters: readonly number[]) => number | undefined;

const DEGREES = 180 / Math.PI;

export const VALUE_FUNCTIONS: ReadonlyMap<string, ValueFunction> = new Map<string, ValueFunction>([
  ...(['abs', 'ceil', 'exp', 'floor', 'log10', 'log2', 'sqrt', 'acos', 'acosh', 'asin', 'asinh', 'atan', 'atanh', 'cos', 'cosh', 'sin', 'sinh', 'tan', 'tanh'] as const).map(
    (name): [string, ValueFunction] => [name, (value) => Math[name](value)],
  ),
  ['ln', (value) => Math.log(value)],
  ['sgn', (value) => (value < 0 ? -1 : value > 0 ? 1 : value)],
  ['deg', (value) => value * DEGREES],
  ['rad', (value) => (value * Math.PI) / 180],
  ['round', (value, nearest = 1) => Math.floor(value * (1 / nearest) + 0.5) / (1 / nearest)],
  ['clamp', (value, least = Number.NaN, most = Number.NaN) => clamp(value, least, most)],
  ['clamp_min', (value, least = Number.NaN) => clamp(value, least, Infinity)],
  ['clamp_max', (value, most = Number.NaN) => clamp(value, -Infinity, most)],
]);

function clamp(value: number, least: number, most: number): number | undefined {
  return most < least ? undefined : Math.max(least, Math.min(most, value));
}

/** Of seconds since the epoch, in UTC. */
export const DATE_FUNCTIONS: ReadonlyMap<string, (date: Date) => number> = new Map([
  ['minute', (date) => date.getUTCMinutes()],
  ['hour', (date) => date.getUTCHours()],
  ['day_of_week', (date) => date.getUTCDay()],
  ['day_of_month', (date) => date.getUTCDate()],
  ['day_of_year', (date) => Math.floor((Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()) - Date.UTC(date.getUTCFullYear(), 0, 1)) / DAY_MS) + 1],
  ['days_in_month', (date) => new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate()],
  ['month', (date) => date.getUTCMonth() + 1],
  ['year', (date) => date.getUTCFullYear()],
]);
const DAY_MS = 86_400_000;

/** NaN beyond what a date can be; Prometheus says something of its own there. */
export function ofDate(part: (date: Date) => number, seconds: number): number {
  return part(new Date(Math.trunc(seconds) * 1000));
}

/** Of native histograms only: of numbers they make nothing. */
export const HISTOGRAM_FUNCTIONS: ReadonlyMap<string, (histogram: Histogram) => number> = new Map<string, (histogram: Histogram) => number>([
  ['histogram_avg', ({ sum, count }) => sum / count],
  ['histogram_count', ({ count }) => count],
  ['histogram_sum', ({ sum }) => sum],
  ['histogram_stddev', (histogram) => Math.sqrt(varianceOf(histogram))],
  ['histogram_stdvar', varianceOf],
]);

/** As OpenMetrics has them, with a point in whole ones: the labels that `histogram_quantiles` writes. */
export function openMetricsNumber(value: number): string {
  if (Math.abs(value) === Infinity) return value > 0 ? '+Inf' : '-Inf';
  const text = goExponent(value);
  return Number.isNaN(value) || /[.e]/.test(text) ? text : `${text}.0`;
}

/** Go's 'g': an exponent of at least two digits below 1e-4 and from 1e6 on. */
function goExponent(value: number): string {
  const isPlain = value === 0 || (Math.abs(value) >= 1e-4 && Math.abs(value) < 1e6);
  return isPlain ? `${value}` : value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
}
