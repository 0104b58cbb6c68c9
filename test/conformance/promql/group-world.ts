import { seeded } from './generate.js';
import type { Random } from './generate.js';
import { HISTOGRAM_QUESTIONS, nativeSeries } from './histogram-world.js';
import type { Series } from './remote-write.js';

/** Series of three clusters, and questions about them which no cluster can answer alone. */

const STEP_MS = 15_000;
const SAMPLES = 80;
export const CLUSTERS = ['ap', 'eu', 'us'] as const;

/** The same for the same seed, but for the time that it ends at. Values are so fine that no two of them are equal by accident. */
export function groupWorld(endMs: number, seed: number): readonly Series[] {
  const random = seeded(seed);
  return CLUSTERS.flatMap((cluster) => [
    ...['x', 'y', 'memory_bytes'].flatMap((name) => ['1', '2', '3'].flatMap((pod) => (random() < 0.85 ? [series({ __name__: name, pod, job: pod === '3' ? 'k' : 'j', cluster, ns: 'a' }, gauge(random, endMs))] : []))),
    ...['requests_total', 'errors_total'].flatMap((name) => ['1', '2'].flatMap((pod) => ['200', '500'].map((code) => series({ __name__: name, pod, code, cluster, ns: 'a' }, counter(random, endMs, 10))))),
    ...['1', '2'].flatMap((pod) => buckets({ __name__: 'latency_bucket', pod, cluster, ns: 'a' }, random, endMs)),
    series({ __name__: 'info', pod: '1', version: `v${cluster}`, cluster, ns: 'a' }, points(endMs, () => 1)),
    series({ __name__: `only_${cluster}`, cluster, ns: 'a' }, gauge(random, endMs)),
    series({ __name__: 'sometimes', pod: '1', cluster, ns: 'a' }, points(endMs, (index) => index / 8).slice(cluster === 'eu' ? 0 : 20, cluster === 'us' ? 30 : 60)),
    series({ __name__: 'odd', pod: cluster, cluster, ns: 'a' }, points(endMs, (index) => (cluster === 'eu' ? Infinity : cluster === 'us' ? -index : 0))),
    ...nativeSeries(random, endMs, cluster),
    series({ __name__: 'when', pod: '1', cluster, ns: 'a' }, points(endMs, (index) => 1_700_000_000 + index * 86_400 * 13 + cluster.length)),
  ]);
}

function series(labels: Series['labels'], samples: Series['samples']): Series {
  return { labels, samples, histograms: [] };
}

function points(endMs: number, value: (index: number) => number): Series['samples'] {
  return Array.from({ length: SAMPLES }, (_, index) => ({ timestampMs: endMs - (SAMPLES - 1 - index) * STEP_MS, value: value(index) }));
}

function gauge(random: Random, endMs: number): Series['samples'] {
  let value = 50 + random() * 50;
  const staleAt = random() < 0.2 ? Math.floor(random() * SAMPLES) : -1;
  return points(endMs, (index) => {
    value += random() * 20 - 10;
    return index === staleAt ? Number.NaN : value;
  });
}

function counter(random: Random, endMs: number, most: number): Series['samples'] {
  let value = random() * 1000;
  return points(endMs, () => (value = random() < 0.02 ? 0 : value + random() * most));
}

function buckets(labels: Series['labels'], random: Random, endMs: number): readonly Series[] {
  const counts = ['0.1', '0.5', '1', '5', '+Inf'].map((le) => ({ le, samples: counter(random, endMs, 5) }));
  return counts.map(({ le }, at) => series({ ...labels, le }, points(endMs, (index) => counts.slice(0, at + 1).reduce((sum, { samples }) => sum + (samples[index]?.value ?? 0), 0))));
}

/** None leaves open which of equal values is meant. */
export const GROUP_QUESTIONS: readonly string[] = [
  ...HISTOGRAM_QUESTIONS,
  // Aggregations.
  'avg(x)', 'avg by (pod) (x)', 'avg without (cluster) (x)', 'stddev(x)', 'stdvar by (pod) (x)', 'quantile(0.9, x)', 'quantile by (pod) (0.5, x)', 'quantile(2, x)', 'quantile(-1, x)', 'sum(x)', 'count(x)', 'min by (pod) (x)', 'max(x)',
  'group by (job) (x)', 'count_values("v", count by (cluster, pod) (x))', 'count_values by (pod) ("pod", y)', 'count_values without (cluster) ("v", y)', 'topk(3, x)', 'bottomk(2, x)', 'topk by (pod) (1, x)', 'bottomk without (cluster, pod) (2, x)', 'topk(0, x)',
  'topk(100, x)', 'topk(scalar(count(y)) / 3, x)', 'quantile(scalar(sum(info)) / 10, x)', 'sum(avg by (pod) (x))', 'avg(sum by (cluster) (x))', 'max(avg by (job) (rate(requests_total[5m])))', 'sum by (cluster) (x)', 'avg by (cluster) (x)', 'sum(odd)',
  'avg(odd)', 'max(odd)', 'min(odd)', 'stddev(odd)', 'quantile(0.5, odd)', 'topk(2, odd)', 'bottomk(3, odd)', 'avg(x * 0 / 0)', 'topk(1, x{cluster="eu", pod="1"} * 0 / 0 or y{pod="2"})', 'bottomk(9, x{cluster="eu", pod="1"} * 0 / 0 or y{pod="2"})', 'sum by (__name__, pod) (rate(requests_total[5m]))', 'sum by (nothing) (x)', 'sum by (__name__) ({__name__=~"x|y"})', 'count without (pod, job, cluster, ns) ({__name__=~"x|y"})',
  'avg(nothing)', 'topk(1, nothing)', 'count(count by (pod) (x))', 'topk(2, sum by (pod, code) (rate(requests_total[5m])))', 'avg(x @ end())', 'topk(scalar(count(sometimes)), x @ end())', 'quantile(scalar(avg(y)) / 200, x @ start())',
  // Between vectors.
  'sum(x) / sum(y)', 'sum by (pod) (x) / sum by (pod) (y)', 'sum(rate(errors_total[5m])) / sum(rate(requests_total[5m])) * 100', 'x / on (pod, cluster) y', 'x * on (pod) group_left avg by (pod) (y)', 'x / ignoring (cluster, job) group_left sum by (pod, ns) (y)',
  'avg by (pod) (y) * on (pod) group_right x', 'x * on (cluster) group_left (version) info', 'sum by (pod) (x) and sum by (pod) (y)', 'sum by (pod) (x) unless sum by (pod) (sometimes)', 'sum by (pod) (x) or sum by (code) (requests_total)', 'x and on (pod) y', 'x unless on (pod) sometimes',
  'x or on (pod) y', 'x or vector(0)', 'sum(nothing) or vector(0)', 'vector(1) or x', 'x + y', 'x + ignoring (job) y', 'x - on (pod, cluster) y', 'x % ignoring (nothing) y', 'sum(x) ^ 2', '2 ^ avg(x / 100)', 'avg(x) atan2 avg(y)', 'sum by (pod) (x) > 150', 'sum by (pod) (x) > bool 150',
  '150 < sum by (pod) (x)', '150 < bool sum by (pod) (x)', 'avg by (pod) (x) > avg by (pod) (y)', 'avg by (pod) (x) <= bool avg by (pod) (y)', 'x == on (pod, cluster) x', 'x != ignoring (job) y', 'avg(x) == avg(x)', '-avg by (pod) (x)', '+avg(x)', '-(x - on (pod) group_left avg by (pod) (y))',
  'x > on (pod) group_left avg by (pod) (x)', 'x - on (pod, job) group_left (cluster) topk(1, y)', 'sum(x) - scalar(sum(y))', 'x * scalar(sum(info))', 'x / scalar(x)', 'sum(x) > 0 and sum(y) > 1e9', '(sum(x) or vector(0)) - (sum(nothing) or vector(0))', 'avg(x) % 7', '1 / (avg(x) - avg(x))', 'sum(x) * on () sum(y)',
  'sum by (pod) (x) * on (pod) x', 'x * on (pod) y', 'x / on (job) group_left y', 'avg by (cluster, pod) (x) * on (pod) group_right sum by (pod) (y)', 'sum by (__name__, pod) ({__name__=~"x|y"}) / on (pod) group_left sum by (pod) (x)', '1 ^ avg(x * 0 / 0)', '(0 - 1) ^ avg(odd{cluster="eu"})',
  'label_replace(x, "__name__", "z", "", "") + on (pod, cluster) y', 'avg by (pod) ({__name__=~"x|y"}) > bool on (pod) avg by (pod) (y)',
  // Functions over what was aggregated.
  'abs(avg(x) - 1000)', 'ceil(avg by (pod) (x))', 'floor(avg(x))', 'exp(avg(x) / 100)', 'ln(avg(x))', 'log2(avg(x))', 'log10(avg(x))', 'sqrt(avg(x))', 'sgn(avg(x) - avg(y))', 'round(avg by (pod) (x))', 'round(avg(x), 0.5)', 'clamp(avg by (pod) (x), 60, 90)', 'clamp(avg(x), 9, 1)', 'clamp_min(avg(x), 80)',
  'clamp_max(avg(x), scalar(avg(y)))', 'deg(avg(x))', 'rad(avg(x))', 'sin(avg(x))', 'acos(avg(x) / 1000)', 'tanh(avg(x) / 100)', 'timestamp(avg(x))', 'scalar(avg(x))', 'scalar(x)', 'scalar(nothing)', 'scalar(sum(x)) + 1', 'vector(scalar(avg(x)))', 'time() - avg(x)', 'absent(x)', 'absent(nothing)',
  'absent(nothing{pod="1", job!="j"})', 'absent(sometimes)', 'absent((nothing{pod="7"}))', 'absent(sum(sometimes))', 'absent_over_time(sometimes[1m])', 'absent_over_time(nothing{pod="1"}[5m])', 'absent_over_time(x[5m])', 'absent_over_time(rate(nothing{pod="1"}[5m])[10m:1m])', 'absent(x) or vector(1)',
  'sort(avg by (pod) (x))', 'sort_desc(avg by (pod) (x))', 'sort(sum by (pod, code) (requests_total))', 'hour(avg(when))', 'minute(avg(when))', 'day_of_week(min(when))', 'day_of_month(avg(when))', 'day_of_year(avg(when))', 'days_in_month(avg(when))', 'month(avg(when))', 'year(avg(when))', 'hour() + avg(info)', 'year(vector(0)) + on () avg(info)',
  'label_replace(avg by (pod) (x), "to", "p-$1", "pod", "(.*)")', 'label_replace(avg by (pod) (x), "pod", "", "pod", "1")', 'label_join(avg by (pod, job) (x), "both", "-", "pod", "job")', 'label_replace(avg by (pod) (x), "pod", "same", "pod", ".*")', 'sum by (to) (label_replace(x, "to", "$1$2", "pod", "(1)|(2)"))',
  'label_replace(avg by (pod) (x), "cluster", "all", "", "")', 'label_replace(avg(x), "__name__", "mean", "", "")', 'histogram_quantile(0.9, sum by (le) (rate(latency_bucket[5m])))', 'histogram_quantile(0.5, sum by (le, pod) (latency_bucket))', 'histogram_quantile(0.9, rate(latency_bucket[5m]))', 'histogram_quantile(1.5, sum by (le) (latency_bucket))',
  'histogram_quantile(0, sum by (le) (latency_bucket))', 'histogram_quantile(1, sum by (le) (latency_bucket))', 'histogram_quantile(0.9, sum by (le) (latency_bucket{le!="+Inf"}))', 'histogram_quantile(0.9, sum by (le) (latency_bucket{le="+Inf"}))', 'histogram_quantile(0.9, x)', 'histogram_quantile(scalar(avg(x)) / 200, sum by (le) (latency_bucket))',
  'histogram_fraction(0, 0.3, sum by (le) (rate(latency_bucket[5m])))', 'histogram_fraction(0.2, 2, avg by (le, pod) (latency_bucket))', 'histogram_fraction(2, 1, sum by (le) (latency_bucket))', 'histogram_count(avg(x))', 'histogram_quantile(0.9, label_replace(sum by (le) (latency_bucket), "le", "2", "le", "1"))',
  // Over subqueries of it.
  'max_over_time(sum(rate(requests_total[2m]))[10m:1m])', 'avg_over_time(avg by (pod) (x)[5m:30s])', 'min_over_time(stddev(x)[5m:15s] offset 1m)', 'quantile_over_time(0.5, sum by (pod) (y)[7m:45s])', 'quantile_over_time(scalar(avg(x)) / 100, sum(y)[5m:1m])', 'stddev_over_time(avg(x)[5m:20s])',
  'stdvar_over_time((avg(x) / avg(y))[5m:30s])', 'count_over_time(sum by (pod) (sometimes)[6m:50s])', 'last_over_time(label_replace(sum by (pod) (sometimes), "__name__", "s", "", "")[4m:1m])', 'first_over_time(sum(sometimes)[9m:1m])', 'present_over_time(sum(sometimes)[3m:1m])', 'absent_over_time(sum(sometimes)[2m:1m])',
  'sum_over_time((sum(x) > 500)[5m:30s])', 'max_over_time(avg_over_time(stddev(x)[3m:30s])[5m:1m])', 'max_over_time((time() - avg(x))[5m:1m])', 'sum(max_over_time(topk(2, x)[5m:1m]))', 'avg_over_time(absent(sometimes)[5m:1m])', 'max_over_time(avg(x)[30s:1m])', 'max_over_time((scalar(avg(x)) * y)[5m:1m])',
  'max_over_time(quantile(0.5, x @ 1000)[5m:1m]) or avg(x)', 'avg_over_time(histogram_quantile(0.9, sum by (le) (rate(latency_bucket[2m])))[5m:1m])', 'max_over_time(sum by (__name__, pod) ({__name__=~"x|y"})[5m:1m])', 'max_over_time(avg(x)[5m:1m]) - min_over_time(avg(x)[5m:1m])',
  // How fast it changes.
  'rate(sum(requests_total)[5m:30s])', 'increase(sum by (code) (requests_total)[10m:1m])', 'rate(sum by (pod) (sometimes)[9m:45s])', 'delta(avg by (pod) (x)[5m:30s])', 'irate(sum by (code) (requests_total)[5m:20s])', 'idelta(avg(x)[5m:1m])',
  'rate(sum(requests_total)[20s:15s])', 'rate(count(x)[5m:1m] offset 1m)', 'increase((sum(requests_total) - 2000)[5m:1m])', 'deriv(avg by (pod) (x)[5m:30s])', 'deriv(sum(odd)[5m:1m])', 'deriv(count(info)[5m:1m])', 'predict_linear(avg(x)[5m:30s], 600)',
  'predict_linear(avg(x)[5m:30s], scalar(avg(y)))', 'predict_linear(x[5m], scalar(avg(y)))', 'predict_linear(sometimes[5m], scalar(count(y)) * 60)', 'resets(sum by (code) (requests_total)[15m:30s])', 'changes(sum(sometimes)[10m:20s])', 'changes(count(x)[10m:1m])',
  
  'sum(rate(sum by (pod, code) (requests_total)[5m:30s]))', 'max_over_time(rate(sum(requests_total)[2m:30s])[5m:1m])', 'rate(min_over_time(sum(requests_total)[1m:15s])[5m:1m])',
  // At the server's own step, and at other times.
  'max_over_time(avg(x)[10m:])', 'rate(sum(requests_total)[10m:])', 'avg_over_time(max_over_time(avg(x)[3m:])[5m:30s])', 'max_over_time(avg(x)[5m:1m] @ end())', 'avg_over_time(avg by (pod) (x)[5m:1m] @ start() offset 1m)', 'max_over_time(avg(x @ start())[5m:1m])',
  'max_over_time(avg(x)[5m:1m] @ 1000)', 'rate(sum(requests_total)[5m:30s] @ end())', 'max_over_time(avg_over_time(stddev(x)[3m:30s] @ end())[5m:1m])', 'quantile_over_time(scalar(avg(x)) / 100, avg(y)[5m:1m] @ end())',
  // What dashboards make of it.
  'sum by (code) (rate(requests_total[5m])) / on () group_left sum(rate(requests_total[5m]))', '100 * (1 - avg(rate(errors_total[5m])) / avg(rate(requests_total[5m])))', 'sum(rate(requests_total{code="500"}[5m])) / sum(rate(requests_total[5m])) > 0.01', 'topk(5, sum by (pod) (increase(requests_total[10m])))',
  'avg(max_over_time(x[5m])) - avg(min_over_time(x[5m]))', 'sum(x offset 5m) / sum(x)', 'avg(avg_over_time(x[5m:1m]))', 'quantile(0.95, max_over_time(rate(requests_total[2m])[10m:1m]))', 'max(x) - min(x)', 'sum(x > 50) / count(x)', 'count(x > 60) or vector(0)', 'count(x == 0) or vector(0)', '(avg(x) > 1) * 100', 'stddev(x) / avg(x)',
  'sum(deriv(x[5m])) + sum(delta(y[5m]))', 'avg(predict_linear(x[5m], 600))', 'avg(changes(sometimes[5m])) + avg(resets(requests_total[5m]))', 'abs(x - on () group_left avg(x)) > 2 * on () group_left stddev(x)', 'avg(only_eu) + avg(only_us) + avg(only_ap)', 'sum({__name__=~"only_.*"})', '1 + 1', 'vector(time())', 'sum(vector(1)) + avg(info)',
  'sum_over_time(vector(1)[5m:1m]) + on () avg(info)', 'count(x{cluster="eu"}) + count(x{cluster!="eu"})', 'avg(timestamp(info))', 'avg(last_over_time(sometimes[10m])) by (pod)', 'sum(irate(requests_total[2m])) by (code)',
];

/** With `promql-experimental-functions`. */
export const EXPERIMENTAL_QUESTIONS: readonly string[] = [
  // Some of them, and in order.
  'count(limitk(2, x))', 'count(limitk by (pod) (1, x))', 'limitk(100, x)', 'limitk(0, x)', 'limit_ratio(0.5, x)', 'limit_ratio(-0.3, {__name__=~"x|y"})', 'sum(limit_ratio(0.5, x))', 'avg(limit_ratio by (pod) (0.8, requests_total))', 'sort_by_label(x, "cluster")', 'sort_by_label_desc(x, "pod", "cluster")',
  'sort_by_label(avg by (pod, job) (x), "nothing", "job")', 'sort_by_label(label_replace(x, "n", "n$1$1", "pod", "(.*)"), "n")', 'vector(max_of(scalar(avg(x)), scalar(avg(y))))', 'vector(min_of(scalar(avg(x)), 70))',
  'double_exponential_smoothing(avg by (pod) (x)[5m:30s], 0.5, 0.3)', 'double_exponential_smoothing(avg(x)[5m:30s], 2, 0.3)', 'double_exponential_smoothing(avg(x)[5m:30s], scalar(count(x)) / 100, 0.3)', 'mad_over_time(avg(x)[5m:30s])',
  'ts_of_max_over_time(avg(x)[5m:30s])', 'ts_of_min_over_time(sum by (pod) (x)[5m:30s])', 'ts_of_last_over_time(sum(sometimes)[5m:30s])', 'ts_of_first_over_time(sum(sometimes)[5m:30s])',
  'histogram_quantiles(sum(rate(duration[5m])), "q", 0.5, 0.9, 1)', 'histogram_quantiles(sum by (le) (latency_bucket), "q", 0, 1e-7, 123456789)', 'limitk(100, duration)',
];

/** A question whose upper part is not any cluster's own. */
export function groupQuestion(random: Random): string {
  return upper(random, 2);
}

function pick(random: Random, choices: readonly string[]): string {
  return choices[Math.floor(random() * choices.length)] ?? '';
}

function lower(random: Random): string {
  return pick(random, ['x', 'y', 'memory_bytes', 'rate(requests_total[5m])', 'increase(errors_total[5m])', 'x offset 2m', 'max_over_time(y[3m])', 'sometimes', 'x{pod="1"}', 'y{job!="k"}', 'x > 55', '-y', 'x * 2', '{__name__=~"x|y"}', 'only_eu', 'abs(x - 70)', 'label_replace(x, "pod", "9", "pod", "1")', 'avg_over_time(x[5m:30s])', 'duration', 'rate(duration[5m])', 'rate(signed[5m])', 'increase(size[5m])']);
}

function aggregated(random: Random, of: string): string {
  const op = pick(random, ['sum', 'avg', 'min', 'max', 'count', 'group', 'stddev', 'stdvar', 'quantile(0.3, ', 'topk(2, ', 'bottomk(1, ', 'quantile(0.75, ']);
  const grouping = pick(random, ['', ' by (pod)', ' by (job)', ' without (cluster)', ' by (cluster)', ' by (pod, job)', ' without (pod, cluster)']);
  return op.endsWith(', ') ? `${op.slice(0, op.indexOf('('))}${grouping} (${op.slice(op.indexOf('(') + 1)}${of})` : `${op}${grouping} (${of})`;
}

function upper(random: Random, depth: number): string {
  if (depth <= 0) return aggregated(random, lower(random));
  switch (Math.floor(random() * 9)) {
    case 0:
      return aggregated(random, upper(random, depth - 1));
    case 1:
      return `(${upper(random, depth - 1)}) ${pick(random, ['+', '-', '*', '/', '> bool', '<', '% ', '== bool'])} ${pick(random, ['2', '0.5', '100', 'scalar(avg(y))'])}`;
    case 2:
      return `(${upper(random, depth - 1)}) ${pick(random, ['and', 'or', 'unless', 'and on (pod)', 'or on (pod)', 'unless on (job)', '+ on ()', '/ on (pod)', '* ignoring (job)', '- on (pod) group_left ()', '> on () group_right ()'])} (${upper(random, depth - 1)})`;
    case 3:
      return `${pick(random, ['abs', 'ceil', 'sqrt', 'ln', 'sgn', 'round', '-', 'timestamp', 'absent', 'sort'])}(${upper(random, depth - 1)})`;
    case 4:
      return `label_replace(${upper(random, depth - 1)}, "pod", "p$1", "pod", "(.+)")`;
    case 5:
      return `${pick(random, ['rate', 'increase', 'delta', 'idelta', 'irate', 'deriv', 'resets', 'changes', 'max_over_time', 'count_over_time'])}((${pick(random, ['sum', 'avg', 'max', 'count'])} by (pod) (${pick(random, ['x', 'requests_total', 'sometimes', 'y > 60'])}))[${pick(random, ['5m:30s', '2m:15s', '4m:'])}]${pick(random, ['', '', ' offset 1m', ' @ end()'])})`;
    case 6:
      return `${pick(random, ['histogram_quantile(0.9, ', 'histogram_quantile(0.2, ', 'histogram_count(', 'histogram_avg(', 'histogram_stddev(', 'histogram_fraction(0.1, 2, '])}${pick(random, ['sum', 'avg', 'sum by (pod) ', 'avg without (cluster) '])}(${pick(random, ['duration', 'rate(duration[5m])', 'rate(size[5m])', 'rate(signed[5m])', 'avg_over_time(signed[3m])'])}))`;
    case 7:
      return `clamp_max(${upper(random, depth - 1)}, ${pick(random, ['60', 'scalar(avg(x))'])})`;
    default:
      return aggregated(random, lower(random));
  }
}
