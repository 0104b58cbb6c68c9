import { describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { createLineFilter } from '../../src/agent/filter/line-filter.js';
import { compileFilter } from '../../src/agent/filter/metric-filter.js';
import { mustCompileRelabel } from '../../src/relabel/relabel.js';
import type { RelabelConfig } from '../../src/model/relabel-config.js';
import { startExporter, textAnswer } from '../support/exporter.js';
import { fetchJson } from '../support/http.js';
import { startPrometheus } from '../support/prometheus.js';
import { createTempDir } from '../support/temp-dir.js';

/** Our relabelling against a real Prometheus: random labels, random rules, the same result, dropped targets included. */

const JOBS = 60;
const TARGETS = 25;
const MAX_RULES = 6;

/** Mulberry32: the same numbers in each run. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = randomOf(20_261_121);
function pick<T>(values: readonly T[]): T {
  const value = values[Math.floor(random() * values.length)];
  if (value === undefined) throw new Error('nothing to pick from');
  return value;
}
const chance = (probability: number): boolean => random() < probability;

const VALUES = ['', 'foo', 'bar', 'foobar', 'a-b', 'x1y2', '42', 'ÄÖü', 'straße', 'with space', 'line\nbreak', '日本', 'a;b', '$1', 'FOO'];
const NAMES = ['a', 'b', 'c', 'd', '__meta_e', '__meta_f'];
const WRITABLE = ['a', 'b', 'c', 'd', 'n1', 'n2', '__tmp'];
const REGEXES = ['(.*)', 'foo', 'foo.*', '.*bar', '(foo|bar)+', '(\\w+)-(\\w+)', '(?i)FOO', '[^;]*;?(.*)', '(\\d+)?.*', '(?P<first>.)(.*)', '', '.+', '\\p{L}+', '(a|b)?(.*)', 'x|', 'foo)|(bar'];
const REPLACEMENTS = ['$1', '$2', '${1}_$2', 'const', '', '$0', '$$1', '${first}', '$first-x', '$1x', '${2}x$9', 'a$'];
/** Onto names that cannot meet: of two labels with one name Prometheus takes either. */
const MAPS = [
  ['([a-d])', 'm_$1'],
  ['__meta_(.+)', '$1'],
  ['(.)', 'y_${1}'],
  ['(m_.*)', 'k_$1'],
] as const;

function randomRule(): RelabelConfig {
  const source = { source_labels: Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick([...NAMES, 'n1', 'missing'])), ...(chance(0.3) && { separator: pick(['', ',', '--', '\n']) }) };
  switch (pick(['replace', 'replace', 'replace', 'keep', 'drop', 'equal', 'hashmod', 'labelmap', 'labeldrop', 'labelkeep', 'case'])) {
    case 'keep':
      return { ...source, regex: pick(['.*', '(.|\\n)*', '[^4]*', '.*;.*|foo']), action: 'keep' };
    case 'drop':
      return { ...source, regex: pick(['foo.*', 'bar', '42;?.*']), action: 'drop' };
    case 'equal':
      return { source_labels: [pick(NAMES)], target_label: pick(WRITABLE), action: pick(['dropequal', 'dropequal', 'keepequal']) };
    case 'hashmod':
      return { ...source, target_label: pick(WRITABLE), modulus: pick([1, 2, 7, 1000, 4294967296, Number.MAX_SAFE_INTEGER]), action: 'hashmod' };
    case 'labelmap': {
      const [regex, replacement] = pick(MAPS);
      return { regex, replacement, action: 'labelmap' };
    }
    case 'labeldrop':
      return { regex: pick(['a', '[ab]', 'm_.*', 'n\\d', '.']), action: 'labeldrop' };
    case 'labelkeep':
      return { regex: pick(['__.*|[a-c]|job', '_.*|job|.', '__.*|m_.*']), action: 'labelkeep' };
    case 'case':
      return { ...source, target_label: pick(WRITABLE), action: pick(['lowercase', 'uppercase', 'Uppercase']) };
    default:
      return { ...source, ...(chance(0.8) && { regex: pick(REGEXES) }), target_label: pick([...WRITABLE, 'r_$1', '${1}', 'r_${2}_x']), ...(chance(0.8) && { replacement: pick(REPLACEMENTS) }) };
  }
}

interface Answer {
  readonly data: {
    readonly activeTargets: readonly { readonly scrapePool: string; readonly discoveredLabels: Readonly<Record<string, string>>; readonly labels: Readonly<Record<string, string>> }[];
    readonly droppedTargets: readonly { readonly scrapePool: string; readonly discoveredLabels: Readonly<Record<string, string>> }[];
  };
}

/** What Prometheus shows of a target that stays: without its steering labels, with an instance. */
function shown(labels: ReadonlyMap<string, string>): Record<string, string> {
  return { instance: labels.get('__address__') ?? '', ...Object.fromEntries([...labels].filter(([name]) => !name.startsWith('__'))) };
}

/** Where implementations differ: nothing to look at, names beyond ASCII, templates that are hardly any, letters that change their number. */
const ODD_RULES: readonly (readonly RelabelConfig[])[] = [
  [{ regex: 'x', action: 'keep' }],
  [{ regex: '', action: 'keep' }],
  [{ regex: '', action: 'drop' }],
  [{ source_labels: [], regex: '.+', action: 'drop' }],
  [{ target_label: 'n', modulus: 8, action: 'hashmod' }],
  [{ source_labels: ['a', 'missing', 'b'], separator: '', target_label: 'n', modulus: Number.MAX_SAFE_INTEGER, action: 'hashmod' }],
  [{ target_label: 'a', action: 'lowercase' }],
  [{ target_label: 'a', action: 'keepequal' }],
  [{ target_label: 'a', action: 'dropequal' }],
  [{ source_labels: ['a', 'b'], target_label: 'both', action: 'keepequal' }],
  [{ source_labels: ['a', 'b'], target_label: 'both', action: 'dropequal' }],
  [{ source_labels: ['a', 'a', 'a'], separator: '$1', target_label: 'n' }],
  [{ source_labels: ['lä bel', '日本'], target_label: 'ünï.cödé/x', separator: '→' }],
  [{ regex: '(lä) (bel)', replacement: '$2 ${1}', action: 'labelmap' }],
  [{ regex: '\\p{Han}+|l.*', action: 'labeldrop' }],
  [{ regex: '__.*|job|[^a-z]*', action: 'labelkeep' }],
  [{ source_labels: ['a'], target_label: '${1} of $1' }],
  [{ source_labels: ['a'], regex: '(?P<x>.)(?P<y>.*)', target_label: 'n', replacement: '${y}${x}$y$x $yx ${yx} ${x ${} $ $. $$ $$$1 ${01} ${1}' }],
  [{ source_labels: ['a'], regex: '(a)|(b)|.*', target_label: 'n$1$2', replacement: '[$1|$2]' }],
  [{ source_labels: ['a'], target_label: '$2', replacement: 'x' }],
  [{ source_labels: ['a'], regex: '(?i)(STRASSE|straße|ſ|K)', target_label: 'n', replacement: 'folded' }],
  [{ source_labels: ['a'], regex: '\\w+|\\d|\\s\\b', target_label: 'n', replacement: 'ascii' }],
  [{ source_labels: ['a'], regex: '^$|^a.*$', target_label: 'n', replacement: 'anchors' }],
  [{ source_labels: ['a'], regex: '(?-s:.*)', target_label: 'n', replacement: 'one line' }],
  [{ source_labels: ['a'], regex: '(?U)(.+)(.*)', target_label: 'n', replacement: '$1' }],
  [{ source_labels: ['a'], regex: 'x*', target_label: 'n', replacement: 'perhaps' }],
  [{ source_labels: ['a'], target_label: 'a', action: 'lowercase' }, { source_labels: ['a'], target_label: 'n', action: 'uppercase' }],
  [{ source_labels: ['a'], target_label: 'n', action: 'uppercase' }, { source_labels: ['n'], target_label: 'm', action: 'lowercase' }],
  [{ source_labels: ['a'], target_label: '__tmp' }, { source_labels: ['__tmp', '__tmp'], target_label: '__tmp' }, { source_labels: ['__tmp'], target_label: 'n' }],
  [{ source_labels: ['a'], target_label: '__tmp' }, { regex: '__t(.*)', replacement: 'm_$1', action: 'labelmap' }, { regex: 'm_.*', replacement: '$0_', action: 'labelmap' }],
  [{ target_label: 'a', replacement: '' }, { source_labels: ['a'], regex: '', target_label: 'a', replacement: 'again' }],
  [{ source_labels: ['__address__'], regex: '(.*):(\\d+)', target_label: '__address__', replacement: '${1}:9$2' }, { source_labels: ['__address__'], target_label: 'instance' }],
  [{ target_label: 'job', replacement: '' }],
  [{ source_labels: ['job', '__scheme__', '__metrics_path__'], target_label: 'n' }],
];
const ODD_VALUES = ['', 'a', 'ab', 'b', '$1', '${1}', 'İstanbul', 'ΑΣ ὈΔΥΣΣΕΎΣ', 'ǅ ŉ ﬁ ß ẞ ſ µ ÿ ᾳ ᾼ', 'K Ω Å', 'a\nb', '\u{1D400}\u{10400}', 'e\u0301', '  ', 'STRASSE', '日本', 'x'.repeat(2000)];

interface Job {
  readonly name: string;
  readonly rules: readonly RelabelConfig[];
}

/** Compares what a real Prometheus makes of all targets in all jobs with what ours makes of them. How many stay, and how many are dropped. */
async function compare(jobs: readonly Job[], groups: readonly object[]): Promise<{ readonly active: number; readonly dropped: number }> {
  await using dir = await createTempDir();
  await writeFile(dir.join('targets.json'), JSON.stringify(groups));
  await using prometheus = await startPrometheus({
    config: {
      global: { scrape_interval: '1h' },
      scrape_configs: jobs.map(({ name, rules }) => ({ job_name: name, relabel_configs: rules, file_sd_configs: [{ files: [dir.join('targets.json')] }] })),
    },
  });
  const { data } = await prometheus.process.until(
    'all targets are there',
    async () => {
      const answer = await fetchJson<Answer>({ url: `${prometheus.url}/api/v1/targets` });
      expect(answer.data.activeTargets.length + answer.data.droppedTargets.length).toBe(jobs.length * groups.length);
      return answer;
    },
    { timeoutMs: 30_000 },
  );
  const rulesOf = new Map(jobs.map(({ name, rules }) => [name, rules]));
  const check = (pool: string, discovered: Readonly<Record<string, string>>, theirs: Readonly<Record<string, string>> | undefined): void => {
    const rules = rulesOf.get(pool) ?? [];
    const result = mustCompileRelabel(rules)(new Map(Object.entries(discovered)));
    // by a labelmap Prometheus makes labels without a name, that nobody could ask for; ours makes none
    const named = theirs && Object.fromEntries(Object.entries(theirs).filter(([name]) => name !== ''));
    expect({ rules, discovered, result: result && shown(result) }).toEqual({ rules, discovered, result: named });
  };
  for (const { scrapePool, discoveredLabels, labels } of data.activeTargets) check(scrapePool, discoveredLabels, labels);
  for (const { scrapePool, discoveredLabels } of data.droppedTargets) check(scrapePool, discoveredLabels, undefined);
  return { active: data.activeTargets.length, dropped: data.droppedTargets.length };
}

describe('relabelling', () => {
  it(`gives what a real Prometheus gives, for ${JOBS * TARGETS} targets under random rules`, async () => {
    const jobs = Array.from({ length: JOBS }, (_, index) => ({ name: `job-${index}`, rules: Array.from({ length: 1 + Math.floor(random() * MAX_RULES) }, randomRule) }));
    const groups = Array.from({ length: TARGETS }, (_, index) => ({
      targets: [`127.0.0.1:${index + 1}`],
      labels: Object.fromEntries(NAMES.filter(() => chance(0.8)).map((name) => [name, pick(VALUES)])),
    }));
    const { active, dropped } = await compare(jobs, groups);
    expect(active).toBeGreaterThan(JOBS * TARGETS * 0.2);
    expect(dropped).toBeGreaterThan(JOBS * TARGETS * 0.1);
  });

  it('gives what a real Prometheus gives, where rules and labels are odd', async () => {
    const jobs = ODD_RULES.map((rules, index) => ({ name: `odd-${index}`, rules }));
    const groups = ODD_VALUES.map((value, index) => ({
      targets: [`127.0.0.1:${index + 1}`],
      labels: { a: value, b: ODD_VALUES[(index * 7) % ODD_VALUES.length], both: index % 2 === 0 ? `${value};${ODD_VALUES[(index * 7) % ODD_VALUES.length]}` : value, 'lä bel': value, 日本: 'x', 'dot.ted': 'y' },
    }));
    const { active, dropped } = await compare(jobs, groups);
    expect([active > 300, dropped > 50]).toEqual([true, true]);
  });
});

const FILTERS = 30;

function randomExposition(): string {
  const lines = ['requests_total', 'go_goroutines', 'latency_bucket', 'foo', 'a:b:rate'].flatMap((name) => [
    `# HELP ${name} Some help.`,
    `# TYPE ${name} untyped`,
    ...Array.from({ length: 8 }, (_, index) => {
      const labels = ['a', 'b', 'le'].filter(() => chance(0.7)).map((label) => `${label}=${JSON.stringify(pick(VALUES))}`);
      return `${name}{${['n="' + index + '"', ...labels].join(chance(0.5) ? ',' : ' , ')}} ${index}${chance(0.2) ? '.5' : ''}`;
    }),
  ]);
  return `${lines.join('\n')}\n{"utf.8 name","lä bel"="x"} 1\nplain 1\n`;
}

/** Rules that keep series apart: of two that become one, Prometheus keeps either. */
function randomMetricRule(): RelabelConfig {
  return pick<() => RelabelConfig>([
    () => ({ source_labels: ['__name__'], regex: pick(['go_.*', 'foo', '.*_bucket', 'utf.*']), action: 'drop' }),
    () => ({ source_labels: ['__name__', 'n'], regex: pick(['.*;[0-5]?', '[^g].*', '.*']), action: 'keep' }),
    () => ({ regex: pick(['a', 'b|le', 'l.*']), action: 'labeldrop' }),
    () => ({ regex: '__name__|n|a|job|instance', action: 'labelkeep' }),
    () => ({ source_labels: ['__name__'], regex: '(foo|requests)(.*)', target_label: '__name__', replacement: pick(['new_$1$2', 'x.$1$2']) }),
    () => ({ source_labels: ['a', 'b'], target_label: pick(['c', 'd é']) }),
    () => ({ source_labels: ['n'], target_label: 'shard', modulus: 3, action: 'hashmod' }),
    () => ({ regex: '(a|b)', replacement: 'm_$1', action: 'labelmap' }),
    () => ({ source_labels: ['a'], target_label: 'a', action: 'uppercase' }),
  ])();
}

describe('a metric filter', () => {
  it(`lets Prometheus see what its own metric_relabel_configs would leave, for ${FILTERS} sets of rules`, async () => {
    await using exporter = await startExporter();
    const jobs = Array.from({ length: FILTERS }, (_, index) => {
      const rules = Array.from({ length: 1 + Math.floor(random() * 4) }, randomMetricRule);
      const text = randomExposition();
      const filter = createLineFilter(compileFilter({ relabelConfigs: rules, sampleLimit: undefined }));
      exporter.behave(textAnswer(text), `/raw/${index}`);
      exporter.behave(textAnswer(String(filter.push(Buffer.from(text))) + String(filter.end())), `/filtered/${index}`);
      return { rules, text };
    });
    const targets = [{ targets: [`127.0.0.1:${exporter.port}`] }];
    await using prometheus = await startPrometheus({
      config: {
        global: { scrape_interval: '1s' },
        scrape_configs: jobs.flatMap(({ rules }, index) => [
          { job_name: `raw-${index}`, metrics_path: `/raw/${index}`, metric_relabel_configs: rules, static_configs: targets },
          { job_name: `filtered-${index}`, metrics_path: `/filtered/${index}`, static_configs: targets },
        ]),
      },
    });
    const series = async (job: string): Promise<string[]> => {
      const samples = await prometheus.query(`{job="${job}",__name__!~"up|scrape_.*"}`);
      return samples.map(({ metric: { job: _job, instance: _instance, ...labels }, value }) => JSON.stringify([Object.entries(labels).toSorted(), value?.[1]])).toSorted();
    };
    await prometheus.waitForUp(2 * FILTERS, 60_000);
    let kept = 0;
    for (const [index, { rules, text }] of jobs.entries()) {
      const [raw, filtered] = [await series(`raw-${index}`), await series(`filtered-${index}`)];
      expect({ rules, text, series: filtered }).toEqual({ rules, text, series: raw });
      kept += raw.length;
    }
    expect(kept).toBeGreaterThan(FILTERS * 5);
  });
});
