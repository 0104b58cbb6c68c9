import { bucketsOf } from './histogram.js';
import type { Bucket, Histogram } from './histogram.js';

/** What is said about the observations in a native histogram (Prometheus's quantile.go and histogramVariance). */

/** Besides a result: what people are told. */
export type Note = (text: string) => void;

const NOTHING: Bucket = { lower: 0, upper: 0, count: 0 };

export function quantileOf(q: number, histogram: Histogram, note: Note): number {
  if (q < 0) return -Infinity;
  if (q > 1) return Infinity;
  const { count: total, sum } = histogram;
  if (total === 0 || Number.isNaN(q)) return Number.NaN;
  const ascending = bucketsOf(histogram);
  // Observations of NaN are in no bucket, but above all of them.
  const fromBelow = Number.isNaN(sum) || q < 0.5;
  const buckets = fromBelow ? ascending : ascending.toReversed();
  const rank = (fromBelow ? q : 1 - q) * total;
  const { found, passed, at } = reach(buckets, rank);
  const count = Math.min(passed, total);
  const bucket = withinZero(histogram, found);
  if (histogram.kind === 'custom') {
    if (bucket.lower === -Infinity && bucket.upper <= 0) return bucket.upper;
    if (bucket.lower !== -Infinity && bucket.upper === Infinity) return bucket.lower;
  }
  if (count < rank) {
    if (!Number.isNaN(sum)) return bucket.upper;
    note('PromQL info: input to histogram_quantile has NaN observations, result is NaN');
    return Number.NaN;
  }
  if (Number.isNaN(sum) && buckets.slice(at + 1).reduce((all, one) => all + one.count, count) < total) note('PromQL info: input to histogram_quantile has NaN observations, result is skewed higher');
  const fraction = (fromBelow ? rank - (count - found.count) : count - rank) / found.count;
  return interpolated(histogram.kind === 'custom' && bucket.lower === -Infinity ? { ...bucket, lower: 0 } : bucket, fraction, histogram.kind === 'custom');
}

/** The bucket in which so many have been passed, or the last one. */
function reach(buckets: readonly Bucket[], rank: number): { readonly found: Bucket; readonly passed: number; readonly at: number } {
  let passed = 0;
  for (const [at, bucket] of buckets.entries()) {
    passed += bucket.count;
    if (passed >= rank) return { found: bucket, passed, at };
  }
  return { found: buckets.at(-1) ?? NOTHING, passed, at: buckets.length - 1 };
}

/** Of a histogram with buckets on one side only, the zero bucket is on that side too. */
function withinZero(histogram: Histogram, bucket: Bucket): Bucket {
  if (histogram.kind !== 'exponential' || bucket.lower > 0 || bucket.upper < 0) return bucket;
  const [above, below] = [histogram.positive.counts.length > 0, histogram.negative.counts.length > 0];
  if (above === below) return bucket;
  return above ? { ...bucket, lower: 0 } : { ...bucket, upper: 0 };
}

/** Even on a logarithmic scale, as the bounds are; even on a linear one in custom buckets and around zero. */
function interpolated({ lower, upper }: Bucket, fraction: number, isLinear: boolean): number {
  if (isLinear || (lower <= 0 && upper >= 0)) return lower + (upper - lower) * fraction;
  const [low, high] = [Math.log2(Math.abs(lower)), Math.log2(Math.abs(upper))];
  return lower > 0 ? 2 ** (low + (high - low) * fraction) : -(2 ** (high + (low - high) * (1 - fraction)));
}

export function fractionOf(lower: number, upper: number, histogram: Histogram, note: Note): number {
  const { count: total, sum } = histogram;
  if (total === 0 || Number.isNaN(lower) || Number.isNaN(upper)) return Number.NaN;
  if (lower >= upper) return 0;
  const buckets = bucketsOf(histogram);
  const inBuckets = Number.isNaN(sum) ? buckets.reduce((all, { count }) => all + count, 0) : total;
  if (inBuckets < total) note('PromQL info: input to histogram_fraction has NaN observations, which are excluded from all fractions');
  const rankOf = (value: number): number => Math.min(inBuckets, rankBelow(value, histogram, buckets) ?? inBuckets);
  return (rankOf(upper) - rankOf(lower)) / total;
}

/** How many observations are below. Undefined: all. */
function rankBelow(value: number, histogram: Histogram, buckets: readonly Bucket[]): number | undefined {
  let rank = 0;
  for (const original of buckets) {
    const bucket = withinZero(histogram, original);
    if (bucket.lower >= value) return rank;
    if (bucket.upper > value) {
      const isLinear = histogram.kind === 'custom' || (original.lower <= 0 && original.upper >= 0);
      // In a bucket without end nobody knows where they are.
      return bucket.lower === -Infinity ? bucket.count : rank + bucket.count * fractionBelow(bucket, value, isLinear);
    }
    rank += bucket.count;
  }
  return undefined;
}

/** How much of the bucket is below a value in it, evenly spread. */
export function fractionBelow({ lower, upper }: Bucket, value: number, isLinear: boolean): number {
  if (isLinear) return (value - lower) / (upper - lower);
  const [low, high, here] = [Math.log2(Math.abs(lower)), Math.log2(Math.abs(upper)), Math.log2(Math.abs(value))];
  return value > 0 ? (here - low) / (high - low) : 1 - (here - high) / (low - high);
}

/** As if all of a bucket were in its middle. */
export function varianceOf(histogram: Histogram): number {
  const mean = histogram.sum / histogram.count;
  let variance = 0;
  for (const { lower, upper, count } of bucketsOf(histogram)) variance += count * (middle(histogram, lower, upper) - mean) ** 2;
  return variance / histogram.count;
}

function middle({ kind }: Histogram, lower: number, upper: number): number {
  if (kind === 'custom') return (upper + lower) / 2;
  if (lower <= 0 && upper >= 0) return 0;
  return Math.sqrt(upper * lower) * (upper < 0 ? -1 : 1);
}
