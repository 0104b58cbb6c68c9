import { parseDuration } from '../promql/numbers.js';

/**
 * Values of parameters, in the part of Prometheus's notations that cannot be read in two ways. What has passed is forwarded as it
 * was written.
 */

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;
/** What Go prints for the smallest and the largest time, which Prometheus takes to mean just that. */
const EXTREMES: ReadonlyMap<string, number> = new Map([
  ['-292273086-05-16T16:47:06Z', -Infinity],
  ['292277025-08-18T07:12:54.999999999Z', Infinity],
]);
/** Of a JavaScript date, and far more than Prometheus's data can be. */
const MAX_TIME_MS = 8.64e15;

/** ms since the epoch. */
export function readTime(text: string): number | undefined {
  const ms = EXTREMES.get(text) ?? (NUMBER.test(text) ? Number(text) * 1000 : RFC3339.test(text) ? Date.parse(text) : Number.NaN);
  return Math.abs(ms) <= MAX_TIME_MS || EXTREMES.has(text) ? ms : undefined;
}

/** ms; greater than zero. */
export function readDuration(text: string): number | undefined {
  if (NUMBER.test(text)) return positive(Number(text) * 1000);
  const duration = parseDuration(text);
  return duration.ok ? positive(duration.value * 1000) : undefined;
}

function positive(ms: number): number | undefined {
  return ms > 0 && ms <= MAX_TIME_MS ? ms : undefined;
}

export function readCount(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
