import { boundOf } from './bounds.js';

/**
 * Native histograms as values: buckets that hold something, and no others. Of an empty one it cannot be told whether a server has it, and
 * an answer of its API does not say.
 */

export type Histogram = ExponentialHistogram | CustomHistogram | EmptyHistogram;

interface Totals {
  readonly count: number;
  readonly sum: number;
}

/** Each bound is the one before it times 2^(2^-schema). */
export interface ExponentialHistogram extends Totals {
  readonly kind: 'exponential';
  /** From -4 to 8. Undefined where there are no cells that would show it: as fine as what it is added to. */
  readonly schema: number | undefined;
  /** Undefined where nothing is in the zero bucket: not wider than what it is added to. */
  readonly zeroThreshold: number | undefined;
  readonly zeroCount: number;
  readonly positive: Cells;
  readonly negative: Cells;
}

/** Bounds of its own, as classic histograms have them. */
export interface CustomHistogram extends Totals {
  readonly kind: 'custom';
  /** Ascending. */
  readonly buckets: readonly Bucket[];
}

/** Nothing in any bucket, so that nothing is known of them. */
export interface EmptyHistogram extends Totals {
  readonly kind: 'empty';
}

/** By index, ascending; a place in one is the place in the other. */
export interface Cells {
  readonly indexes: Int32Array;
  readonly counts: Float64Array;
}

export interface Bucket {
  readonly lower: number;
  readonly upper: number;
  readonly count: number;
}

export const NO_CELLS: Cells = { indexes: new Int32Array(0), counts: new Float64Array(0) };

/** What answers of servers do not tell, so that nobody can say what one server would; the text is for the caller. */
export class Inexact extends Error {}

/** Beside a number, by the time that reading, adding and writing them takes. */
const POINTS_OF_TOTALS = 16;
const POINTS_OF_BUCKET = 4;

/** As how many numbers it counts. */
export function pointsOf(histogram: Histogram): number {
  switch (histogram.kind) {
    case 'exponential':
      return pointsOfBuckets(histogram.positive.counts.length + histogram.negative.counts.length);
    case 'custom':
      return pointsOfBuckets(histogram.buckets.length);
    case 'empty':
      return pointsOfBuckets(0);
  }
}

export function pointsOfBuckets(count: number): number {
  return POINTS_OF_TOTALS + POINTS_OF_BUCKET * count;
}

export function scaled(histogram: Histogram, factor: number): Histogram {
  return mapped(histogram, (value) => value * factor);
}

/** By zero, all buckets but the zero bucket are gone. */
export function divided(histogram: Histogram, divisor: number): Histogram {
  const result = mapped(histogram, (value) => value / divisor);
  if (divisor !== 0) return result;
  if (result.kind === 'exponential') return { ...result, positive: NO_CELLS, negative: NO_CELLS };
  return { kind: 'empty', count: result.count, sum: result.sum };
}

function mapped(histogram: Histogram, map: (value: number) => number): Histogram {
  const totals = { count: map(histogram.count), sum: map(histogram.sum) };
  switch (histogram.kind) {
    case 'exponential': {
      const { positive, negative, zeroCount } = histogram;
      return { ...histogram, ...totals, zeroCount: map(zeroCount), positive: mappedCells(positive, map), negative: mappedCells(negative, map) };
    }
    case 'custom':
      return { ...histogram, ...totals, buckets: histogram.buckets.map((bucket) => ({ ...bucket, count: map(bucket.count) })).filter(({ count }) => count !== 0) };
    case 'empty':
      return { ...histogram, ...totals };
  }
}

function mappedCells({ indexes, counts }: Cells, map: (value: number) => number): Cells {
  return withoutEmpty({ indexes, counts: counts.map(map) });
}

export function withoutEmpty({ indexes, counts }: Cells): Cells {
  if (!counts.includes(0)) return { indexes, counts };
  return { indexes: indexes.filter((_, place) => counts[place] !== 0), counts: counts.filter((count) => count !== 0) };
}

/** Ascending, as Prometheus's AllBucketIterator has them: a bucket that the zero bucket reaches into begins where that ends. */
export function bucketsOf(histogram: Histogram): readonly Bucket[] {
  switch (histogram.kind) {
    case 'exponential': {
      const { zeroCount, zeroThreshold = 0 } = histogram;
      const [above, below] = [magnitudes(histogram, histogram.positive), magnitudes(histogram, histogram.negative)];
      const negative = below.toReversed().map(({ lower, upper, count }) => ({ lower: -upper, upper: -lower, count }));
      return [...negative, ...(zeroCount > 0 ? [{ lower: -zeroThreshold, upper: zeroThreshold, count: zeroCount }] : []), ...above];
    }
    case 'custom':
      return histogram.buckets;
    case 'empty':
      return [];
  }
}

function magnitudes({ schema = 0, zeroThreshold = 0 }: ExponentialHistogram, { indexes, counts }: Cells): readonly Bucket[] {
  return Array.from(indexes, (index, place) => ({ lower: Math.max(boundOf(index - 1, schema), zeroThreshold), upper: boundOf(index, schema), count: counts[place] ?? 0 }));
}
