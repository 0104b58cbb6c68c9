import { boundOf } from './bounds.js';
import { withoutEmpty } from './histogram.js';
import { fractionBelow } from './statistics.js';
import type { Bucket, Cells, CustomHistogram, ExponentialHistogram, Histogram } from './histogram.js';

/** What of a native histogram lies below or above a value (Prometheus's TrimBuckets): the bucket in which the value is is divided, and count and sum are made anew of what is left. */

export type Side = 'below' | 'above';

/** Of a bucket: how much of it stays, and where that is on average. */
interface Rest {
  readonly count: number;
  readonly middle: number;
}

export function trimmed(histogram: Histogram, value: number, side: Side): Histogram {
  switch (histogram.kind) {
    case 'exponential':
      return trimmedExponential(histogram, value, side);
    case 'custom':
      return trimmedCustom(histogram, value, side);
    case 'empty':
      return histogram;
  }
}

/** As long as all stays, count and sum stay what they were. */
class Totals {
  count = 0;
  sum = 0;
  isLess = false;

  take(before: number, { count, middle }: Rest): number {
    this.count += count;
    this.sum += middle * count;
    this.isLess ||= count !== before;
    return count;
  }
}

function trimmedCustom(histogram: CustomHistogram, value: number, side: Side): Histogram {
  const totals = new Totals();
  const buckets = histogram.buckets.map((bucket) => ({ ...bucket, count: totals.take(bucket.count, restOf(bucket, value, { side, sign: 1, isLinear: true })) }));
  return totals.isLess ? { kind: 'custom', count: totals.count, sum: totals.sum, buckets: buckets.filter(({ count }) => count !== 0) } : histogram;
}

function trimmedExponential(histogram: ExponentialHistogram, value: number, side: Side): Histogram {
  const { schema = 0, zeroThreshold = 0, zeroCount } = histogram;
  const totals = new Totals();
  const cut = ({ indexes, counts }: Cells, sign: 1 | -1): Cells => {
    const left = counts.map((count, place) => {
      const index = indexes[place] ?? 0;
      const [near, far] = [sign * boundOf(index - 1, schema), sign * boundOf(index, schema)];
      return totals.take(count, restOf({ lower: Math.min(near, far), upper: Math.max(near, far), count }, value, { side, sign, isLinear: false }));
    });
    return withoutEmpty({ indexes, counts: left });
  };
  const [positive, negative] = [cut(histogram.positive, 1), cut(histogram.negative, -1)];
  const [above, below] = [histogram.positive.counts.length > 0, histogram.negative.counts.length > 0];
  const zero = { lower: above && !below ? 0 : -zeroThreshold, upper: below && !above ? 0 : zeroThreshold, count: zeroCount };
  const inZero = zeroCount > 0 ? totals.take(zeroCount, restOfZero(zero, value, side)) : zeroCount;
  return totals.isLess ? { ...histogram, count: totals.count, sum: totals.sum, zeroCount: inZero, positive, negative } : histogram;
}

interface Shape {
  readonly side: Side;
  readonly sign: 1 | -1;
  readonly isLinear: boolean;
}

function restOf(bucket: Bucket, value: number, shape: Shape): Rest {
  const { lower, upper, count } = bucket;
  const isBelow = shape.side === 'below';
  if (isBelow ? upper <= value : lower >= value) return { count, middle: middleOf(lower, upper, shape) };
  if (isBelow ? !(lower < value) : !(upper > value)) return { count: 0, middle: 0 };
  if (lower === -Infinity) return restOfFirst(bucket, value, shape.side);
  if (upper === Infinity) return isBelow ? { count: 0, middle: 0 } : { count: value >= lower ? count : 0, middle: value };
  const under = count * fractionBelow(bucket, value, shape.isLinear);
  return isBelow ? { count: under, middle: middleOf(lower, value, shape) } : { count: count - under, middle: middleOf(value, upper, shape) };
}

/** It has no lower bound; above zero it is taken to begin there. */
function restOfFirst({ upper, count }: Bucket, value: number, side: Side): Rest {
  const isFinite = upper !== Infinity;
  if (side === 'below') {
    if (value > 0 && upper > 0 && isFinite) return { count: (count * value) / upper, middle: value / 2 };
    return upper <= 0 ? { count, middle: value } : { count: 0, middle: 0 };
  }
  return value >= 0 && upper > value && isFinite ? { count: count * (1 - value / upper), middle: (value + upper) / 2 } : { count: 0, middle: 0 };
}

function restOfZero({ lower, upper, count }: Bucket, value: number, side: Side): Rest {
  const isBelow = side === 'below';
  if (isBelow ? value <= lower : value >= upper) return { count: 0, middle: 0 };
  if (isBelow ? value >= upper : value <= lower) return { count, middle: (lower + upper) / 2 };
  return isBelow ? { count: count * ((value - lower) / (upper - lower)), middle: (lower + value) / 2 } : { count: count * ((upper - value) / (upper - lower)), middle: (value + upper) / 2 };
}

function middleOf(lower: number, upper: number, { sign, isLinear }: Shape): number {
  if (Math.abs(lower) === Infinity) {
    if (Math.abs(upper) === Infinity) return 0;
    return upper > 0 ? upper / 2 : upper;
  }
  if (Math.abs(upper) === Infinity) return lower;
  return isLinear ? (lower + upper) / 2 : sign * Math.sqrt(Math.abs(lower * upper));
}
