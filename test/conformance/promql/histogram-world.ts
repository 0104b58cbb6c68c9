import type { Random } from './generate.js';
import type { HistogramSample, Series } from './remote-write.js';

/** Native histograms of one of several clusters, whose schemas and zero buckets differ, and questions about them. One's zero bucket ends within a bucket of the others, and of its own. */

const STEP_MS = 15_000;
const SAMPLES = 80;
const SCHEMAS: Readonly<Record<string, number>> = { ap: 3, eu: 2, us: 3 };
const THRESHOLDS: Readonly<Record<string, number>> = { ap: 0.001, eu: 0.001, us: 1.1 };
const FIRST: Readonly<Record<string, number>> = { ap: -30, eu: 0, us: 2 };
const BOUNDS = [0.1, 0.25, 0.5, 1, 2.5];

export function nativeSeries(random: Random, endMs: number, cluster: string): readonly Series[] {
  const [schema, threshold] = [SCHEMAS[cluster] ?? 0, THRESHOLDS[cluster] ?? 0];
  return ['1', '2'].flatMap((pod) => [
    series({ __name__: 'duration', pod, cluster, ns: 'a' }, counted(random, endMs, 12, (buckets) => ({ buckets, schema, from: FIRST[cluster] ?? 0, zero: { threshold, count: 1 + (buckets[0] ?? 0) } }))),
    series({ __name__: 'signed', pod, cluster, ns: 'a' }, counted(random, endMs, 8, (buckets) => ({ buckets: buckets.slice(0, 4), negative: buckets.slice(4), schema: 0 }))),
    series({ __name__: 'size', pod, cluster, ns: 'a' }, counted(random, endMs, BOUNDS.length + 1, (buckets) => ({ buckets, custom: BOUNDS }))),
  ]);
}

function series(labels: Series['labels'], histograms: Series['histograms']): Series {
  return { labels, samples: [], histograms };
}

/** Counters, which begin anew now and then. */
function counted(random: Random, endMs: number, count: number, shape: (buckets: readonly number[]) => Omit<HistogramSample, 'timestampMs' | 'sum'>): readonly HistogramSample[] {
  let buckets: readonly number[] = Array.from({ length: count }, () => 1);
  return Array.from({ length: SAMPLES }, (_, index) => {
    const isReset = random() < 0.02;
    buckets = buckets.map((before) => (isReset ? 1 : before) + Math.floor(random() * 5));
    return { timestampMs: endMs - (SAMPLES - 1 - index) * STEP_MS, sum: buckets.reduce((sum, bucket, place) => sum + bucket * (0.3 + place / 7), 0), ...shape(buckets) };
  });
}

export const HISTOGRAM_QUESTIONS: readonly string[] = [
  // Numbers and histograms in one group, whose sum is nothing: what a member leaves out of its answer, nobody else can know.
  'sum({__name__=~"duration|x"})', 'avg by (pod) ({__name__=~"duration|x"})', 'sum by (pod) ({__name__=~"duration|x"} and on (cluster) info{cluster="eu"} or on (pod, cluster) x)', 'max(sum by (cluster) ({__name__=~"duration|x"} unless on (pod) x{pod="2"}))',
  'sum by (job) ({__name__=~"size|x|duration"}) or sum(x)', 'sum by (pod) (duration{cluster="eu"} or x{cluster="us"})', 'sum by (pod) (duration{cluster="eu"} or size{cluster="us"})', 'avg by (pod) (duration{cluster="eu"} or x{cluster="us"})', 'avg by (pod) (signed{cluster="ap"} or size{cluster!="ap"}) or avg(y)',
  'sum(duration) </ 2.2', 'sum(rate(duration[5m])) >/ 2.2', 'sum(duration) </ 0.5', 'sum(duration) >/ 1', 'sum(signed) </ -0.7', 'sum(signed) >/ -0.7', 'avg(signed) </ 100', 'sum(size) </ 0.05', 'sum(size) >/ 0.05', 'sum(rate(size[5m])) </ 0.7', 'sum(size) >/ 3', 'sum(size) </ 3',
  'sum(duration) >/ scalar(avg(x) / 50)', 'sum(x) </ 2', 'histogram_quantile(0.5, sum by (pod) (duration) >/ 1.5)', 'sum(duration) </ on () sum(x)', '{__name__=~"duration|x"} >/ on (pod, cluster) group_left info * 1.7',
  'sum(duration)', 'sum by (pod) (rate(duration[5m]))', 'avg(rate(duration[5m]))', 'avg by (pod) (duration)', 'count(duration)', 'group by (pod) (duration)', 'max(duration)', 'quantile(0.5, duration)', 'stddev(duration)', 'topk(2, duration)', 'min({__name__=~"duration|x"})', 'topk(2, {__name__=~"duration|x"})',
  'histogram_quantile(0.9, sum(rate(duration[5m])))', 'histogram_quantile(0.01, sum(rate(duration[5m])))', 'histogram_quantile(0.5, duration)', 'histogram_quantile(0.5, sum by (pod) (rate(signed[5m])))', 'histogram_quantile(0.1, sum(signed))', 'histogram_quantile(0.9, sum(rate(size[5m])))', 'histogram_quantile(0.01, sum(size))',
  'histogram_quantile(1, sum(size))', 'histogram_quantile(0, sum(duration))', 'histogram_quantile(1, sum(duration))', 'histogram_quantile(2, sum(duration))', 'histogram_quantile(-1, sum(signed))', 'histogram_quantile(scalar(avg(x)) / 200, sum(rate(duration[5m])))', 'histogram_quantile(0.9, {__name__=~"duration|latency_bucket"})',
  'histogram_fraction(0, 0.8, sum(rate(duration[5m])))', 'histogram_fraction(-1, 0.7, sum(rate(signed[5m])))', 'histogram_fraction(0.3, 2, sum by (pod) (rate(size[5m])))', 'histogram_fraction(0, 0.0005, sum(duration))', 'histogram_count(sum(duration))', 'histogram_sum(sum by (pod) (rate(duration[5m])))', 'histogram_avg(sum(rate(duration[5m])))',
  'histogram_stddev(sum(duration))', 'histogram_stdvar(avg(signed))', 'histogram_stddev(sum(rate(size[5m] offset 1m)))', 'sum(duration) * 2', '3 * sum(duration)', 'sum(duration) / 4', 'sum(duration) / 0', '-sum(rate(duration[5m]))', '-sum(duration)', 'sum(size) * 0',
  'sum(rate(duration[5m])) + sum(rate(signed[5m]))', 'sum(rate(duration[5m])) - sum(rate(duration[5m] offset 1m))', 'sum by (pod) (rate(duration[5m])) + on () group_left sum(duration)', 'sum(rate(duration[5m])) + sum(rate(size[5m]))', 'sum(rate(duration[5m])) * sum(rate(signed[5m]))', 'sum(rate(duration[5m])) / sum(rate(x[5m]))',
  'sum(rate(duration[5m])) * on () sum(x)', 'sum(duration) > 3', 'sum(duration) == bool 1', 'sum(duration) + 1', 'scalar(sum(duration))', 'sort(sum by (pod) (duration))', 'absent(sum(duration))', 'timestamp(sum(duration))', 'abs(sum(duration))',
  'sum by (pod) ({__name__=~"duration|size"})', 'sum by (__name__) ({__name__=~"duration|x|size"})', 'label_replace(sum by (pod) (duration), "to", "p-$1", "pod", "(.*)")', 'sum(duration) and sum(x)', 'sum(duration) or sum(x)', 'sum by (pod) (duration) unless sum by (pod) (y)', 'sum(duration) or vector(1)',
  'sum_over_time(sum(rate(duration[2m]))[5m:1m])', 'avg_over_time(avg(rate(signed[2m]))[5m:1m])', 'last_over_time(sum(duration)[5m:1m])', 'count_over_time(sum(duration)[5m:1m])', 'max_over_time(sum(duration)[5m:1m])', 'present_over_time(sum(size)[5m:1m])', 'sum(increase(duration[5m])) / 2',
  'histogram_quantile(0.95, avg_over_time(sum(rate(duration[2m]))[5m:1m]))', 'avg(avg_over_time(duration[5m]))', 'sum(duration @ end())', 'histogram_count(sum(rate(duration[5m]))) / histogram_count(sum(rate(size[5m])))', 'histogram_sum(sum(duration)) / histogram_count(sum(duration))',
];
