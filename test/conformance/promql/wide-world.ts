import { seeded } from './generate.js';
import type { Random } from './generate.js';
import type { Exemplar, FloatSample, HistogramSample, Series } from './remote-write.js';

/**
 * A world of what real servers have beside plain series: names and labels of any characters, series that begin late, end early, pause or are marked as ended,
 * names that are histograms here and floats there, exemplars; with policies whose rules overlap and deny, and questions of every kind.
 */

const STEP_MS = 15_000;
const SAMPLES = 100;
const TENANTS: readonly Readonly<Record<string, string>>[] = [
  { ns: 'a' }, { ns: 'b' }, { ns: 'a', 'team.name': 't' }, { ns: 'b', 'team.name': 'ü' }, { 'team.name': 't' }, { ns: 'a|b' }, { ns: 'a.b', 'team.name': 'u' }, { ns: 'a\nb' }, { ns: 'A' }, {}, { ns: '"a"', 'team.name': 't' }, { ns: 'a\\' },
];
const NAMES = ['x', 'y', 'my.metric', 'requests_total', 'both', 'native', 'sum', 'target_info', 'rest:ratio'];

/** The same for the same seed, but for the time that it ends at. */
export function wideWorld(endMs: number, seed: number): readonly Series[] {
  const random = seeded(seed);
  return TENANTS.flatMap((tenant) =>
    NAMES.flatMap((name) =>
      ['1', '2', '3'].filter(() => random() < 0.6).map((pod): Series => {
        const labels = { __name__: name, job: random() < 0.6 ? 'j' : 'k', pod, ...(random() < 0.3 && { 'a b': 'c' }), ...tenant };
        const times = lifeOf(random, endMs);
        const isNative = name === 'native' || (name === 'both' && random() < 0.5);
        if (isNative) return { labels, samples: [], histograms: histograms(random, times) };
        const counts = name === 'requests_total';
        return { labels, samples: floats(random, times, counts), histograms: [], exemplars: counts ? exemplars(random, times, pod) : [] };
      }),
    ),
  );
}

/** When it was scraped: not always from the beginning, not always to the end, and some have a pause. */
function lifeOf(random: Random, endMs: number): readonly number[] {
  const born = random() < 0.3 ? Math.floor(random() * SAMPLES * 0.7) : 0;
  const dies = random() < 0.3 ? Math.floor(SAMPLES * (0.5 + random() * 0.5)) : SAMPLES;
  const pause = random() < 0.2 ? Math.floor(random() * SAMPLES) : SAMPLES;
  const offsetMs = Math.floor(random() * STEP_MS);
  const all = Array.from({ length: SAMPLES }, (_, index) => endMs - (SAMPLES - 1 - index) * STEP_MS - offsetMs);
  return all.filter((_, index) => index >= born && index < dies && (index < pause || index > pause + 25));
}

function floats(random: Random, times: readonly number[], counts: boolean): readonly FloatSample[] {
  let value = random() * 100;
  const ends = random() < 0.4;
  return times.map((timestampMs, index) => {
    value = counts ? (random() < 0.02 ? 0 : value + random() * 10) : value + random() * 20 - 10;
    // A mark at the end of a life, now and then one within.
    const isEnd = (ends && index === times.length - 1) || random() < 0.01;
    return { timestampMs, value: isEnd ? Number.NaN : value };
  });
}

function histograms(random: Random, times: readonly number[]): readonly HistogramSample[] {
  const buckets = [0, 0, 0, 0];
  return times.map((timestampMs) => {
    for (const index of buckets.keys()) buckets[index] = (buckets[index] ?? 0) + Math.floor(random() * 5);
    return { timestampMs, buckets: [...buckets], sum: buckets.reduce((sum, bucket, index) => sum + bucket * 2 ** index * 0.75, 0) };
  });
}

function exemplars(random: Random, times: readonly number[], pod: string): readonly Exemplar[] {
  return times.filter(() => random() < 0.05).map((timestampMs) => ({ labels: { trace_id: `${pod}-${Math.floor(random() * 1e9)}` }, timestampMs, value: random() }));
}

function pick<T>(random: Random, choices: readonly T[]): T {
  const choice = choices[Math.floor(random() * choices.length)];
  if (choice === undefined) throw new Error('nothing to pick from');
  return choice;
}

const RULE_NAMES = ['x', 'y', '{"my.metric"}', 'both', 'native', 'requests_total', '{__name__=~"x|y|both"}', '{__name__=~"re.*|my.*"}', '{__name__!~"x|native",__name__!=""}', '{__name__=~".+"}', '{__name__=~"[a-m].*"}', '{__name__!=""}'];
const RULE_LABELS = ['ns="a"', 'ns="b"', 'ns=~"a.*"', 'ns=~"a|b"', 'ns="a|b"', 'ns=~".+"', '"team.name"="t"', '"team.name"=~"t|u"', 'job="j"', 'pod="1"', 'pod=~"1|2"', 'ns!=""', 'ns="a\\nb"', 'ns="\\"a\\""', 'ns="a\\\\"', '"a b"="c"', 'ns=~"(?i)a"'];
const RULE_FURTHER = ['job!="k"', 'ns!="b"', 'ns!~"a.*"', 'ns=~".*"', 'ns=~"a|"', '"team.name"=""', '"team.name"!~"u|ü"', 'pod!="3"', '"a b"=""', 'job=~"j|k"', 'ns=""', 'pod=~".+"', 'ns!~""'];

/** Two to seven rules, each of which refuses the empty string somewhere; many overlap. */
export function wideRules(random: Random): readonly string[] {
  return Array.from({ length: 1 + Math.floor(random() * 7) }, () => {
    const further = Array.from({ length: Math.floor(random() * 3) }, () => pick(random, RULE_FURTHER));
    if (random() < 0.3) return withMatchers(pick(random, RULE_NAMES), further);
    const own = [pick(random, RULE_LABELS), ...further];
    return random() < 0.4 ? withMatchers(pick(random, RULE_NAMES), own) : `{${own.join(',')}}`;
  });
}

function withMatchers(selector: string, matchers: readonly string[]): string {
  if (matchers.length === 0) return selector;
  return selector.endsWith('}') ? `${selector.slice(0, -1)},${matchers.join(',')}}` : `${selector}{${matchers.join(',')}}`;
}

const SELECTORS = [...NAMES.map((name) => (name === 'my.metric' ? '{"my.metric"}' : name)), 'native{pod="1"}', '{"my.metric","team.name"="t"}', 'both{ns=~"a.*"}', '{__name__=~"x|y|both"}', '{__name__=~"my.*|re.*"}', '{job="j"}', '{job="j",__name__!~"native|both"}', '{"team.name"=~"t|ü"}', '{__name__!="",pod="2"}', 'missing', 'missing{pod="1"}'];

/** A selector: a name, or a word about several, with matchers of all kinds. */
export function wideSelector(random: Random): string {
  return withMatchers(pick(random, SELECTORS), Array.from({ length: Math.floor(random() * 2.5) }, () => pick(random, [...RULE_LABELS, ...RULE_FURTHER])));
}

const TIMING = ['', '', '', '', ' offset 1m', ' offset -30s', ' @ end()', ' @ start()', ' offset 2m @ end()', ' offset 1m30s @ start()'];
const OF_RANGES = [
  'rate', 'increase', 'delta', 'irate', 'idelta', 'avg_over_time', 'sum_over_time', 'count_over_time', 'last_over_time', 'first_over_time', 'max_over_time', 'min_over_time', 'present_over_time', 'stddev_over_time', 'stdvar_over_time', 'changes', 'resets', 'deriv', 'absent_over_time', 'mad_over_time',
  'ts_of_max_over_time', 'ts_of_first_over_time', 'ts_of_last_over_time',
];
const OF_VECTORS = ['abs', 'timestamp', 'absent', 'histogram_count', 'histogram_sum', 'histogram_avg', 'histogram_stddev', 'sort', 'sgn', 'start_timestamp', '-', 'scalar_back', 'minute'];
const GROUPINGS = ['()', '(ns)', '("team.name")', '(ns, "team.name")', '(job)', '(pod, ns)', '(__name__)', '(__name__, pod)', '("a b")'];
const REPLACEMENTS = ['"ns", "a", "", ""', '"copy", "$1", "ns", "(.*)"', '"__name__", "n", "", ""', '"copy", "$1", "__name__", "(.*)"', '"team.name", "$1-$2", "pod", "(.)(.*)"', '"pod", "", "", ""', '"__name__", "", "", ""', '"ns", "$1", "__name__", "(.+)"'];

/** A question, mostly one that has an answer. */
export function wideQuestion(random: Random, depth = 3): string {
  if (depth <= 0) return wideSelector(random) + pick(random, TIMING);
  const inner = (): string => wideQuestion(random, depth - 1);
  switch (Math.floor(random() * 11)) {
    case 0:
      return wideSelector(random) + pick(random, [...TIMING, ' smoothed']);
    case 1:
    case 2:
    case 3:
      return overTime(random, depth);
    case 4:
      return ofVector(pick(random, OF_VECTORS), random() < 0.6 ? wideSelector(random) + pick(random, TIMING) : inner());
    case 5:
    case 6:
      return aggregated(random, depth);
    case 7:
      return `(${inner()}) ${pick(random, ['and', 'or', 'unless', 'or on (pod)', 'and on (ns)', 'unless on ("team.name")', 'and ignoring (pod)', 'or ignoring (ns)', 'unless ignoring (job)'])} (${inner()})`;
    case 8:
      return arithmetic(random, inner);
    case 9:
      return random() < 0.7 ? `label_replace(${inner()}, ${pick(random, REPLACEMENTS)})` : `label_join(${inner()}, ${pick(random, ['"ns", "-", "pod", "job"', '"copy", ",", "__name__", "ns"', '"__name__", "_", "job", "pod"'])})`;
    default:
      return `histogram_quantile(${random() < 0.5 ? '0.9' : `scalar(count(${wideSelector(random)})) / 50`}, ${random() < 0.5 ? 'native' : inner()})`;
  }
}

function ofVector(name: string, vector: string): string {
  return name === '-' ? `-(${vector})` : name === 'scalar_back' ? `vector(scalar(${vector}))` : `${name}(${vector})`;
}

function overTime(random: Random, depth: number): string {
  const range = random() < 0.7 ? `${wideSelector(random)}[${pick(random, ['1m', '5m', '2m30s', '20m'])}]` : `(${wideQuestion(random, depth - 1)})[${pick(random, ['5m:1m', '10m:30s', '5m:'])}]`;
  const timed = range + pick(random, TIMING);
  switch (Math.floor(random() * 12)) {
    case 0:
      return `quantile_over_time(scalar(count(${wideSelector(random)})) / 100, ${timed})`;
    case 1:
      return `predict_linear(${timed}, 60)`;
    case 2:
      return `double_exponential_smoothing(${timed}, 0.5, 0.5)`;
    case 3:
      return `${pick(random, ['rate', 'increase', 'delta'])}(${wideSelector(random)}[${pick(random, ['1m', '5m', '(2m + 30s)'])}] ${pick(random, ['smoothed', 'anchored'])})`;
    default:
      return `${pick(random, OF_RANGES)}(${timed})`;
  }
}

function aggregated(random: Random, depth: number): string {
  const op = pick(random, ['sum', 'count', 'avg', 'min', 'max', 'group', 'stddev', 'stdvar', 'topk', 'bottomk', 'quantile', 'count_values', 'limit_ratio', 'limitk']);
  const grouping = random() < 0.5 ? ` ${pick(random, ['by', 'without'])} ${pick(random, GROUPINGS)} ` : '';
  const picks = op === 'topk' || op === 'bottomk' || op === 'limitk';
  const parameter = op === 'count_values' ? `"${pick(random, ['v', 'ns', 'pod'])}", ` : picks ? `${pick(random, ['1', '3', `scalar(count(${wideSelector(random)})) % 5`])}, ` : op === 'quantile' || op === 'limit_ratio' ? '0.5, ' : '';
  // What picks by value is asked of values that no two series have in common: which of two equals it takes, nobody promises.
  return `${op}${grouping}(${parameter}${picks ? wideSelector(random) + pick(random, TIMING) : wideQuestion(random, depth - 1)})`;
}

function arithmetic(random: Random, inner: () => string): string {
  if (random() < 0.4) return `(${inner()}) ${pick(random, ['+', '*', '/', '>', '> bool', '^', '%'])} ${pick(random, ['2', 'scalar(count(x))', `scalar(sum(${wideSelector(random)}))`])}`;
  return `(${inner()}) ${pick(random, ['+', '/', '<', '> bool', '* on (ns, "team.name", pod, job, "a b")', '- ignoring (pod) group_left ()', '* ignoring (job) group_right (job)', '* on (pod, job) group_left (ns)', 'atan2', '== bool', '+ fill (0)', '- on (pod, job, ns, "team.name", "a b") fill_left (1)', '/ ignoring (pod) fill_right (2)'])} (${inner()})`;
}
