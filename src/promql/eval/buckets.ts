import { dropping, labelOf, perLabelSet, withoutMetadata } from './labels.js';
import type { LabelSet } from './labels.js';
import type { Histogram } from '../histogram/histogram.js';
import { Collector, NUMBER } from './series.js';
import type { Context, Series } from './series.js';

/** Histograms in a vector: native ones are samples; of classic ones, series that differ in `le` only are the buckets (Prometheus's quantile.go). */

const BUCKET_LABEL = 'le';
/** Smaller differences between buckets, relative, are those of floating point. */
const TOLERANCE = 1e-12;
const MIN_NORMAL = 2 ** -1022;

export interface Bucket {
  readonly upperBound: number;
  /** Of it and all below. */
  count: number;
}

/** What is said of each histogram at a step. */
export interface Evaluate {
  readonly classic: (buckets: Bucket[], step: number) => number;
  readonly native: (histogram: Histogram, step: number) => number;
}

/** `relabel`: after the metric's name has gone. */
export function overHistograms(series: readonly Series[], context: Context, evaluate: Evaluate, relabel: (labels: LabelSet, step: number) => LabelSet = (labels) => labels): readonly Series[] {
  const collector = new Collector(context);
  const bounds = series.map(({ labels }) => parseBound(labelOf(labels, BUCKET_LABEL)));
  const histogramOf = perLabelSet((labels) => dropping(labels, [BUCKET_LABEL]));
  const nameless = perLabelSet(withoutMetadata);
  for (let step = 0; step < context.steps.count; step += 1) {
    const histograms = new Map<string, { readonly labels: LabelSet; readonly buckets: Bucket[] }>();
    for (const [index, { labels, values, present }] of series.entries()) {
      if (present[step] !== NUMBER) continue;
      const upperBound = bounds[index];
      if (upperBound === undefined) {
        context.warnings.add(`PromQL warning: bucket label "le" is missing or has a malformed value of ${JSON.stringify(labelOf(labels, BUCKET_LABEL))}`);
        continue;
      }
      const of = histogramOf(labels);
      const histogram = histograms.get(of.key) ?? { labels: of, buckets: [] };
      histograms.set(of.key, histogram);
      histogram.buckets.push({ upperBound, count: values[step] ?? Number.NaN });
    }
    for (const { labels, histograms: natives } of series) {
      const native = natives?.get(step);
      if (native === undefined) continue;
      // Where there is the same as a native and as a classic one, neither is meant.
      if (histograms.delete(labels.key)) context.warnings.add('PromQL warning: vector contains a mix of classic and native histograms');
      else collector.add(relabel(nameless(labels), step), step, evaluate.native(native, step));
    }
    for (const { labels, buckets } of histograms.values()) collector.add(relabel(nameless(labels), step), step, evaluate.classic(buckets, step));
  }
  return collector.series;
}

/** As Go's ParseFloat; undefined = no number. */
function parseBound(text: string): number | undefined {
  const infinite = /^([+-]?)inf(?:inity)?$/i.exec(text);
  if (infinite !== null) return infinite[1] === '-' ? -Infinity : Infinity;
  if (/^[+-]?nan$/i.test(text)) return Number.NaN;
  const value = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(value) ? value : undefined;
}

export function bucketQuantile(q: number, unsorted: Bucket[]): number {
  if (Number.isNaN(q)) return Number.NaN;
  if (q < 0) return -Infinity;
  if (q > 1) return Infinity;
  const buckets = sortedAndUnited(unsorted);
  const last = buckets.at(-1);
  if (last?.upperBound !== Infinity) return Number.NaN;
  makeMonotonic(buckets);
  const observations = last.count;
  if (buckets.length < 2 || observations === 0) return Number.NaN;
  const rank = q * observations;
  const at = firstAtLeast(buckets, rank);
  const [bucket, below] = [buckets[at], buckets[at - 1]];
  if (bucket === undefined) return Number.NaN;
  if (at === buckets.length - 1) return below?.upperBound ?? Number.NaN;
  if (below === undefined) return bucket.upperBound <= 0 ? bucket.upperBound : bucket.upperBound * (rank / bucket.count);
  return below.upperBound + (bucket.upperBound - below.upperBound) * ((rank - below.count) / (bucket.count - below.count));
}

/** Go's sort.Search over all but the last, whose index means none of them. */
function firstAtLeast(buckets: readonly Bucket[], rank: number): number {
  let [low, high] = [0, buckets.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((buckets[middle]?.count ?? Number.NaN) >= rank) high = middle;
    else low = middle + 1;
  }
  return low;
}

export function bucketFraction(lower: number, upper: number, unsorted: Bucket[]): number {
  const buckets = sortedAndUnited(unsorted);
  const last = buckets.at(-1);
  if (last?.upperBound !== Infinity) return Number.NaN;
  const { count } = last;
  if (count === 0 || Number.isNaN(lower) || Number.isNaN(upper)) return Number.NaN;
  if (lower >= upper) return 0;
  return (rankOf(upper, buckets, count) - rankOf(lower, buckets, count)) / count;
}

/** How many observations are at most `value`, evenly spread within each bucket. */
function rankOf(value: number, buckets: readonly Bucket[], count: number): number {
  let rank = 0;
  let lowerBound = (buckets[0]?.upperBound ?? 0) <= 0 ? -Infinity : 0;
  for (const bucket of buckets) {
    if (lowerBound >= value) return Math.min(rank, count);
    if (bucket.upperBound > value) {
      const within = lowerBound === -Infinity ? bucket.count : rank + ((bucket.count - rank) * (value - lowerBound)) / (bucket.upperBound - lowerBound);
      return within > count ? count : within;
    }
    rank = bucket.count;
    lowerBound = bucket.upperBound;
  }
  return count;
}

function sortedAndUnited(unsorted: Bucket[]): Bucket[] {
  const united: Bucket[] = [];
  for (const bucket of unsorted.toSorted((a, b) => (a.upperBound < b.upperBound ? -1 : Number(a.upperBound > b.upperBound)))) {
    const last = united.at(-1);
    if (last?.upperBound === bucket.upperBound) last.count += bucket.count;
    else united.push({ ...bucket });
  }
  return united;
}

/** Counts never fall from bucket to bucket, but scrapes and rates of many series are not taken at one moment. */
function makeMonotonic(buckets: readonly Bucket[]): void {
  let before = buckets[0]?.count ?? 0;
  for (const bucket of buckets.slice(1)) {
    if (bucket.count < before || almostEqual(before, bucket.count)) bucket.count = before;
    else before = bucket.count;
  }
}

function almostEqual(a: number, b: number): boolean {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true;
  const [sum, difference] = [Math.abs(a) + Math.abs(b), Math.abs(a - b)];
  if (a === 0 || b === 0 || sum < MIN_NORMAL) return difference < TOLERANCE * MIN_NORMAL;
  return difference / Math.min(sum, Number.MAX_VALUE) < TOLERANCE;
}
