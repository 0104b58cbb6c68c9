import { boundOf, coarserIndex } from './bounds.js';
import { divided, Inexact, scaled, withoutEmpty } from './histogram.js';
import type { Bucket, Cells, CustomHistogram, ExponentialHistogram, Histogram } from './histogram.js';

/**
 * Sums of native histograms (Prometheus's FloatHistogram.Add): both are brought to the wider zero bucket and to the coarser schema, and
 * then it is one bucket and the other.
 */

/** `sign` -1: the difference. Undefined: one has exponential and one has custom buckets, which is nothing. Throws Inexact. */
export function added(a: Histogram, b: Histogram, sign: 1 | -1 = 1): Histogram | undefined {
  const totals = { count: a.count + sign * b.count, sum: a.sum + sign * b.sum };
  if (b.kind === 'empty') return { ...a, ...totals };
  if (a.kind === 'empty') return { ...scaled(b, sign), ...totals };
  if (a.kind === 'custom' && b.kind === 'custom') return { kind: 'custom', ...totals, buckets: addedBuckets(a, b, sign) };
  return a.kind === 'exponential' && b.kind === 'exponential' ? { ...addedExponential(a, b, sign), ...totals } : undefined;
}

/** As `added`. */
export function sumOf(histograms: readonly Histogram[]): Histogram | undefined {
  const [first, ...others] = histograms;
  return others.reduce<Histogram | undefined>((sum, other) => sum && added(sum, other), first);
}

/** Where they differ in what is seen of them, what is not seen of the others might be different too. */
export const PARTLY_UNSEEN = 'native histograms whose resolution cannot be seen were taken to be as fine as the others';

export function isPartlyUnseen(histograms: Iterable<Histogram>): boolean {
  const [schemas, widths] = [new Set<number | undefined>(), new Set<number | undefined>()];
  for (const histogram of histograms) {
    if (histogram.kind === 'custom') continue;
    schemas.add(histogram.kind === 'empty' ? undefined : histogram.schema);
    widths.add(histogram.kind === 'empty' ? undefined : histogram.zeroThreshold);
  }
  return [schemas, widths].some((seen) => seen.has(undefined) && seen.size > 2);
}

/** As `added`. Where the sum would overflow, the mean is carried on from one to the next. */
export function meanOf(histograms: readonly Histogram[]): Histogram | undefined {
  const sum = sumOf(histograms);
  if (sum === undefined || !hasOverflow(sum)) return sum && divided(sum, histograms.length);
  const [first, ...others] = histograms;
  return others.reduce<Histogram | undefined>((mean, other, index) => mean && added(scaled(mean, (index + 1) / (index + 2)), divided(other, index + 2)), first);
}

function hasOverflow(histogram: Histogram): boolean {
  const isInfinite = (value: number): boolean => Math.abs(value) === Infinity;
  if (isInfinite(histogram.count) || isInfinite(histogram.sum)) return true;
  if (histogram.kind === 'exponential') return isInfinite(histogram.zeroCount) || histogram.positive.counts.some(isInfinite) || histogram.negative.counts.some(isInfinite);
  return histogram.kind === 'custom' && histogram.buckets.some(({ count }) => isInfinite(count));
}

function addedExponential(first: ExponentialHistogram, second: ExponentialHistogram, sign: 1 | -1): ExponentialHistogram {
  let [a, b] = [first, second];
  // Each may have to be wider than the other, since no bucket may be partly in the zero bucket.
  while (widthOf(a) !== widthOf(b)) {
    if (widthOf(a) > widthOf(b)) b = widened(b, widthOf(a));
    else a = widened(a, widthOf(b));
  }
  const schema = a.schema === undefined || b.schema === undefined ? (a.schema ?? b.schema) : Math.min(a.schema, b.schema);
  const side = (of: 'positive' | 'negative'): Cells => addedCells(coarser(a[of], a.schema, schema), coarser(b[of], b.schema, schema), sign);
  return { ...a, schema, zeroThreshold: a.zeroThreshold ?? b.zeroThreshold, zeroCount: a.zeroCount + sign * b.zeroCount, positive: side('positive'), negative: side('negative') };
}

function widthOf({ zeroThreshold = 0 }: ExponentialHistogram): number {
  return zeroThreshold;
}

/** With a zero bucket that is at least so wide; what falls into it is in no other bucket any more. */
function widened(histogram: ExponentialHistogram, atLeast: number): ExponentialHistogram {
  const { schema = 0, positive, negative } = histogram;
  for (let threshold = atLeast; ; ) {
    const up = swallowed(positive, schema, threshold);
    const down = swallowed(negative, schema, up.threshold);
    // Where the second side made it wider, the first is to be looked at again.
    if (down.threshold === up.threshold) return { ...histogram, zeroThreshold: up.threshold, zeroCount: histogram.zeroCount + up.count + down.count, positive: up.left, negative: down.left };
    threshold = down.threshold;
  }
}

/** What lies within the threshold, which is moved to the end of a bucket that it would be inside of. */
function swallowed({ indexes, counts }: Cells, schema: number, atLeast: number): { readonly threshold: number; readonly count: number; readonly left: Cells } {
  let [threshold, count, place] = [atLeast, 0, 0];
  for (; place < indexes.length && boundOf((indexes[place] ?? 0) - 1, schema) < threshold; place += 1) {
    count += counts[place] ?? 0;
    threshold = Math.max(threshold, boundOf(indexes[place] ?? 0, schema));
  }
  return { threshold, count, left: { indexes: indexes.subarray(place), counts: counts.subarray(place) } };
}

function coarser(cells: Cells, from: number | undefined, to: number | undefined): Cells {
  if (from === undefined || to === undefined || from === to) return cells;
  const merged = new Map<number, number>();
  for (const [place, index] of cells.indexes.entries()) {
    const target = coarserIndex(index, from, to);
    merged.set(target, (merged.get(target) ?? 0) + (cells.counts[place] ?? 0));
  }
  return { indexes: Int32Array.from(merged.keys()), counts: Float64Array.from(merged.values()) };
}

function addedCells(a: Cells, b: Cells, sign: 1 | -1): Cells {
  const indexes = new Int32Array(a.indexes.length + b.indexes.length);
  const counts = new Float64Array(indexes.length);
  let [i, j, size] = [0, 0, 0];
  for (; i < a.indexes.length || j < b.indexes.length; size += 1) {
    const [left = Infinity, right = Infinity] = [a.indexes[i], b.indexes[j]];
    indexes[size] = Math.min(left, right);
    if (left <= right) counts[size] = a.counts[i++] ?? 0;
    if (right <= left) counts[size] = (counts[size] ?? 0) + sign * (b.counts[j++] ?? 0);
  }
  return withoutEmpty({ indexes: indexes.subarray(0, size), counts: counts.subarray(0, size) });
}

/** Bounds that are not the same would be reduced to those that both have, and not all of them are known. */
function addedBuckets({ buckets: a }: CustomHistogram, { buckets: b }: CustomHistogram, sign: 1 | -1): readonly Bucket[] {
  const byBounds = new Map(a.map((bucket) => [`${bucket.lower} ${bucket.upper}`, bucket]));
  for (const { lower, upper, count } of b) byBounds.set(`${lower} ${upper}`, { lower, upper, count: (byBounds.get(`${lower} ${upper}`)?.count ?? 0) + sign * count });
  const all = [...byBounds.values()].sort((one, other) => one.lower - other.lower || one.upper - other.upper);
  if (all.some(({ upper }, index) => upper > (all[index + 1]?.lower ?? Infinity))) throw new Inexact('native histograms with custom buckets of different bounds, which answers do not tell in full');
  return all.filter(({ count }) => count !== 0);
}
