import { seeded } from './generate.js';
import type { Random } from './generate.js';
import type { FloatSample, HistogramSample, Series } from './remote-write.js';

/** A small world of series that several tenants share, and random questions about it. */

const STEP_MS = 15_000;
const SAMPLES = 80;
const TENANTS: readonly Readonly<Record<string, string>>[] = [
  { ns: 'a' }, { ns: 'b' }, { ns: 'c' }, { ns: 'a', team: 't' }, { ns: 'b', team: 't' }, { ns: 'a.c', team: 'u' }, { team: 't' }, { team: 'u', pod: 'p1' }, {}, { ns: 'b', team: 'u' },
];

/** The same for the same seed, but for the time that it ends at. */
export function world(endMs: number, seed: number): readonly Series[] {
  const random = seeded(seed);
  return TENANTS.flatMap((tenant) =>
    ['x', 'y', 'requests_total', 'duration', 'pressure'].flatMap((name) =>
      ['1', '2'].filter(() => random() < 0.85).map((pod): Series => {
        const own = { __name__: name, job: random() < 0.6 ? 'j' : 'k', pod, ...tenant };
        if (name === 'duration') return { labels: own, samples: [], histograms: histogramSamples(random, endMs) };
        return { labels: own, samples: floatSamples(random, endMs, name === 'requests_total'), histograms: [] };
      }),
    ),
  );
}

function times(endMs: number): readonly number[] {
  return Array.from({ length: SAMPLES }, (_, index) => endMs - (SAMPLES - 1 - index) * STEP_MS);
}

function floatSamples(random: Random, endMs: number, counter: boolean): readonly FloatSample[] {
  let value = random() * 100;
  const staleAt = random() < 0.25 ? Math.floor(random() * SAMPLES) : -1;
  return times(endMs).flatMap((timestampMs, index) => {
    if (counter) value = random() < 0.02 ? 0 : value + random() * 10;
    else value += random() * 20 - 10;
    if (random() < 0.05) return [];
    return [{ timestampMs, value: index === staleAt ? Number.NaN : value }];
  });
}

function histogramSamples(random: Random, endMs: number): readonly HistogramSample[] {
  const buckets = [0, 0, 0, 0];
  return times(endMs).map((timestampMs) => {
    for (const index of buckets.keys()) buckets[index] = (buckets[index] ?? 0) + Math.floor(random() * 5);
    return { timestampMs, buckets: [...buckets], sum: buckets.reduce((sum, bucket, index) => sum + bucket * 2 ** index * 0.75, 0) };
  });
}

const SELECTORS = [
  'x', 'y', 'requests_total', 'pressure', 'x{job="j"}', 'x{ns="a"}', 'x{ns="b"}', 'x{ns!="a"}', 'x{ns=""}', 'x{ns=~"a|"}', 'x{ns=~"a.*"}', 'requests_total{team="t"}',
  'y{team!~"t|u"}', 'duration', 'duration{pod="1"}',
  '{__name__=~"x|y"}', '{job="j"}', '{__name__=~"x|requests_total",pod="1"}', '{team="t",__name__!="duration"}', '{"x"}', '{ns="a",team="t"}', 'absent_metric',
  'x{ns="a",ns="b"}', '{__name__=~".+",pod="2",job="k"}', '{__name__=~"requests.*"}',
];
/** Questions that random ones hit too rarely: each has cost somebody its isolation, or its exactness. */
export const POINTED_QUESTIONS: readonly string[] = [
  'absent(absent_metric)', 'absent(absent_metric{pod="$1"})', 'absent((absent_metric{pod="1",job!="j"}))', 'absent(absent_metric{pod="1",pod="2"})',
  'absent(x{ns="zz"})', 'absent(x{ns="b",pod="1"})', 'absent(x)',
  'absent(sum(absent_metric{pod="1"}))', 'absent_over_time(absent_metric[5m])', 'absent_over_time(absent_metric{pod="1"}[5m] offset 1m)',
  'absent_over_time({__name__=~"x|y"}[5m])', 'absent_over_time(x{ns="b"}[5m])',
  'rate({__name__=~"requests.*"}[5m])', 'sum(rate({__name__=~"requests.*"}[5m]))', 'rate({__name__=~"x|y"}[5m])', 'count({__name__=~".+"})',
  'count by (__name__) ({__name__=~".+"})', 'sum(count_over_time({__name__=~"x"}[5m]))',
  'last_over_time({__name__=~"x|y"}[5m])', 'first_over_time({job="j"}[5m])', 'timestamp(x offset 1m)', 'timestamp((x))', 'timestamp({__name__=~"x"})',
  'timestamp({__name__=~"x|y"})', 'timestamp(-x)',
  'topk(scalar(count(x{ns="b"})), y)', 'quantile(scalar(sum(x{ns="b"})) / 1000, y)', 'count_values("ns", x)', 'x or y', '{__name__=~"x|y"} or y',
  '{__name__=~"x|y"} and y', 'label_replace({__name__=~"x|y"}, "n", "$1", "__name__", "(.*)")',
  'label_join(x, "ns", "-", "pod", "job")', 'sum by (ns) (x)', 'x * on(pod, job) group_left(ns) group by (pod, job, ns) (y)', 'x and on() y{ns="b"}',
  'x unless on() y{ns="b"}', 'vector(scalar(x{ns="b",pod="1",job="j"}))',
  'histogram_quantile(0.9, duration)', 'histogram_quantile(0.5, sum(rate(duration[5m])))', 'histogram_fraction(0, 2, duration)', 'sum({__name__=~"duration|x"})',
  'max_over_time(sum(x)[5m:1m])', 'max_over_time({__name__=~"x|y"}[5m:1m] offset 1m)',
  'sum_over_time(count({job="j"})[10m:1m] @ end())', 'predict_linear(x[5m], scalar(count(y)))', 'quantile_over_time(scalar(count(y)) / 100, {__name__=~"x"}[5m])',
  'x{ns=~".*"}', 'x{ns!="b"}', 'x{ns=""}', 'x{ns=~"a|"}', '{ns="b"}', '1 + 1', 'time() * 0', 'sort_desc(x)',
  'x # y\r or y{ns="b"}', 'x # y\n', 'SUM(x) BY (ns)', 'x OR y', 'x{"\\u006es"="b"}', '{"x","ns"=`b`}', 'sum(x) + ON() count(y)', 'x @ 0', 'x offset -1m',
  'limit_ratio(0.5, x)', 'limit_ratio(-0.5, {__name__=~"x|y"})',
  'clamp_max(y, scalar(max(x{ns="b"})))', 'round(y, scalar(count(x{ns="b"})))', 'histogram_quantile(scalar(count(x{ns="b"})) / 20, duration)',
  'bottomk by (ns) (1, {__name__=~"x|y"})', 'double_exponential_smoothing(x[5m], 0.5, 0.5)',
];

const RANGE_FUNCTIONS = [
  'rate', 'increase', 'delta', 'irate', 'idelta', 'avg_over_time', 'sum_over_time', 'count_over_time', 'last_over_time', 'first_over_time', 'max_over_time',
  'present_over_time', 'stddev_over_time', 'changes', 'resets', 'deriv',
  'absent_over_time', 'mad_over_time', 'ts_of_max_over_time',
];
const FUNCTIONS = ['abs', 'ceil', 'exp', 'timestamp', 'absent', 'sgn', 'histogram_count', 'histogram_avg', 'sort', 'ln', 'start_timestamp'];
const AGGREGATIONS = ['sum', 'count', 'avg', 'min', 'max', 'group', 'stddev', 'topk', 'quantile', 'count_values'];

/** A question, mostly one that has an answer. */
export function question(random: Random): string {
  return vector(random, 3);
}

function pick<T>(random: Random, choices: readonly T[]): T {
  const choice = choices[Math.floor(random() * choices.length)];
  if (choice === undefined) throw new Error('nothing to pick from');
  return choice;
}

function selector(random: Random): string {
  return pick(random, SELECTORS);
}

function timing(random: Random): string {
  return random() < 0.8 ? '' : pick(random, [' offset 1m', ' offset -30s', ' @ end()', ' @ start()', ' offset 2m @ end()']);
}

function labels(random: Random): string {
  return pick(random, ['()', '(ns)', '(team)', '(ns, team)', '(job)', '(pod, ns)', '(__name__)']);
}

function scalar(random: Random, depth: number): string {
  return depth <= 0 || random() < 0.5 ? pick(random, ['1', '2', '0.5', '5']) : `scalar(${vector(random, depth - 1)})`;
}

function vector(random: Random, depth: number): string {
  if (depth <= 0) return selector(random) + timing(random);
  switch (Math.floor(random() * 10)) {
    case 0:
    case 1:
      return selector(random) + timing(random);
    case 2:
    case 3:
      return ranged(random, depth);
    case 4:
      return `${pick(random, FUNCTIONS)}(${random() < 0.5 ? selector(random) + timing(random) : vector(random, depth - 1)})`;
    case 5:
    case 6:
      return aggregation(random, depth);
    case 7:
      return `(${vector(random, depth - 1)}) ${pick(random, ['and', 'or', 'unless', 'or on(pod)', 'and on(ns)', 'unless on(team)'])} (${vector(random, depth - 1)})`;
    case 8:
      return arithmetic(random, depth);
    default:
      return `label_replace(${vector(random, depth - 1)}, ${pick(random, ['"ns", "a", "", ""', '"copy", "$1", "ns", "(.*)"', '"__name__", "n", "", ""', '"copy", "$1", "__name__", "(.*)"'])})`;
  }
}

function arithmetic(random: Random, depth: number): string {
  const withScalar = random() < 0.4;
  const op = pick(random, ['+', '/', '> bool', '<', ...(withScalar ? [] : ['* on(ns, team, pod, job)', '- ignoring(pod) group_left()', '* ignoring(job) group_right(job)'])]);
  return `(${vector(random, depth - 1)}) ${op} (${withScalar ? scalar(random, depth - 1) : vector(random, depth - 1)})`;
}

function ranged(random: Random, depth: number): string {
  const range = random() < 0.75 ? `${selector(random)}[${pick(random, ['1m', '5m', '2m30s'])}]${timing(random)}` : `(${vector(random, depth - 1)})[5m:1m]${timing(random)}`;
  const name = pick(random, [...RANGE_FUNCTIONS, 'quantile_over_time', 'predict_linear']);
  if (name === 'quantile_over_time') return `${name}(${scalar(random, depth - 1)}, ${range})`;
  return name === 'predict_linear' ? `${name}(${range}, ${scalar(random, depth - 1)})` : `${name}(${range})`;
}

function aggregation(random: Random, depth: number): string {
  const op = pick(random, AGGREGATIONS);
  const param = op === 'count_values' ? '"v", ' : op === 'topk' || op === 'quantile' ? `${scalar(random, depth - 1)}, ` : '';
  const grouping = random() < 0.5 ? ` ${pick(random, ['by', 'without'])} ${labels(random)} ` : '';
  return `${op}${grouping}(${param}${vector(random, depth - 1)})`;
}

/** One to five rules, each a selector that refuses the empty string somewhere. */
export function randomRules(random: Random): readonly string[] {
  const named = ['x', 'y', 'requests_total', '{__name__=~"x|y|duration"}', '{__name__=~"re.*|pr.*"}', '{__name__!~"d.*",__name__!=""}'];
  const labelled = ['ns="a"', 'ns="b"', 'ns=~"a.*"', 'ns=~"b|c"', 'team="t"', 'team=~"t|u"', 'job="j"', 'pod="1"', 'ns="a.c"'];
  const further = ['job!="k"', 'ns!="b"', 'pod="2"', 'team=""', 'team!~"u.*"', 'ns=~"a|"', 'job=~"j|k"', 'ns!~"a|c"'];
  return Array.from({ length: 1 + Math.floor(random() * 5) }, () => {
    const more = Array.from({ length: Math.floor(random() * 3) }, () => pick(random, further));
    const [first, ...others] = random() < 0.4 ? [pick(random, named), ...more] : ['', pick(random, labelled), ...more];
    if (first === undefined || others.length === 0) return first ?? 'x';
    return first.endsWith('}') ? `${first.slice(0, -1)},${others.join(',')}}` : `${first}{${others.join(',')}}`;
  });
}
