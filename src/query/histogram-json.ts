import { bucketsOf, pointsOfBuckets } from '../promql/histogram/histogram.js';
import type { Bucket, Histogram } from '../promql/histogram/histogram.js';
import { histogramsFrom } from '../promql/histogram/layout.js';
import type { ShownBucket, ShownHistogram } from '../promql/histogram/layout.js';
import { isObject } from './json.js';
import type { JsonObject } from './json.js';
import { formatValue, readValue } from './numbers.js';

/** Native histograms as Prometheus's API writes them: count, sum, and `[boundaries, lower, upper, count]` of each bucket that holds something. */

/** Whether a bucket's bounds belong to it. */
const LEFT_OPEN = 0;
const RIGHT_OPEN = 1;
const CLOSED = 3;

/** All of one answer, since some tell what others leave open. Throws Inexact, and Error where it is no answer of the API. */
export function readHistograms(values: readonly unknown[]): readonly Histogram[] {
  return histogramsFrom(each(values));
}

/** One after the other, since they are large. */
function* each(values: readonly unknown[]): Iterable<ShownHistogram> {
  for (const value of values) yield shown(value);
}

/** As how many numbers it will count. */
export function pointsShown(value: unknown): number {
  return pointsOfBuckets(isObject(value) && Array.isArray(value.buckets) ? value.buckets.length : 0);
}

function shown(value: unknown): ShownHistogram {
  if (!isObject(value) || typeof value.count !== 'string' || typeof value.sum !== 'string') throw new Error('not an answer of the API: a native histogram');
  const buckets: readonly unknown[] = Array.isArray(value.buckets) ? value.buckets : [];
  return { count: readValue(value.count), sum: readValue(value.sum), buckets: buckets.map(shownBucket) };
}

function shownBucket(value: unknown): ShownBucket {
  const parts: readonly unknown[] = Array.isArray(value) ? value : [];
  const boundaries = parts[0];
  const [lower, upper] = [readValue(parts[1]), readValue(parts[2])];
  if (typeof boundaries !== 'number' || !(lower <= upper)) throw new Error('not an answer of the API: a bucket');
  return { lower, upper, count: readValue(parts[3]), lowerInclusive: boundaries === RIGHT_OPEN || boundaries === CLOSED, upperInclusive: boundaries === LEFT_OPEN || boundaries === CLOSED };
}

export function histogramJson(histogram: Histogram): JsonObject {
  const { count, sum } = histogram;
  const buckets = bucketsOf(histogram).map((bucket) => [boundariesOf(histogram, bucket), formatValue(bucket.lower), formatValue(bucket.upper), formatValue(bucket.count)]);
  return { count: formatValue(count), sum: formatValue(sum), ...(buckets.length > 0 && { buckets }) };
}

/** Exponential ones are open to the side of zero. */
function boundariesOf({ kind }: Histogram, { lower, upper }: Bucket): number {
  if (kind === 'custom') return lower === -Infinity ? CLOSED : LEFT_OPEN;
  if (lower > 0) return LEFT_OPEN;
  return upper < 0 ? RIGHT_OPEN : CLOSED;
}
