import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { request } from 'undici';
import { enforce } from '../../../src/promql/enforce/enforce.js';
import { compilePolicy } from '../../../src/promql/enforce/policy.js';
import type { Policy } from '../../../src/promql/enforce/policy.js';
import { ALL_FEATURES } from '../../../src/promql/features.js';
import { startPrometheus } from '../../support/prometheus.js';
import type { RunningPrometheus } from '../../support/prometheus.js';
import { seeded } from './generate.js';
import { remoteWrite } from './remote-write.js';
import type { Series } from './remote-write.js';
import { POINTED_QUESTIONS, question, randomRules, world } from './world.js';

/**
 * What correct means: the rewritten query over all series answers what the original answers on a server that holds the allowed
 * series only. Random questions with a fixed seed, asked at an instant and over a range, histograms and staleness included.
 */

const SEED = 7;
const RANDOM_QUESTIONS = 300;
const RANDOM_POLICIES = [1, 2, 3, 4].map((seed) => randomRules(seeded(seed)));
const FLAGS = '--enable-feature=promql-experimental-functions';

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data?: { readonly resultType: string; readonly result: unknown };
}

function policyOf(selectors: readonly string[]): Policy {
  const compiled = compilePolicy(selectors.map((selector) => ({ metric: { kind: 'selector', selector }, labels: [] })));
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.error));
  return compiled.value;
}

function isAllowed({ rules }: Policy, { labels }: Series): boolean {
  return rules.some((rule) => rule.every(({ matcher, accepts }) => accepts(labels[matcher.name] ?? '')));
}

async function startWith(series: readonly Series[]): Promise<RunningPrometheus> {
  const server = await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver', FLAGS] });
  await remoteWrite(server.url, series);
  return server;
}

async function ask(server: RunningPrometheus, path: string, parameters: Readonly<Record<string, string>>): Promise<Answer> {
  const { body } = await request(`${server.url}/api/v1/${path}`, {
    method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams(parameters).toString(),
  });
  const answer: Answer = JSON.parse(await body.text());
  return answer;
}

/** With series in one order, and numbers short enough for sums to be equal whatever the order of the summands was. */
function canonical({ status, data }: Answer): unknown {
  if (data === undefined) return { status };
  const result = rounded(data.result);
  return { status, type: data.resultType, result: Array.isArray(result) && data.resultType !== 'scalar' ? result.map((item) => JSON.stringify(item)).sort() : result };
}

function rounded(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(rounded);
  if (typeof value === 'string') return /^-?[\d.]+(?:e[+-]?\d+)?$/.test(value) ? tidy(Number(value)) : value;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, rounded(item)]));
}

function tidy(value: number): string {
  return Math.abs(value) < 1e-9 ? '0' : value.toPrecision(9);
}

describe('transparency', () => {
  const end = Math.floor(Date.now() / 60_000) * 60;
  const series = world(end * 1000, SEED);
  let all: RunningPrometheus;

  beforeAll(async () => {
    all = await startWith(series);
  });
  afterAll(async () => {
    await all.stop();
  });

  it.each([
    { rules: ['{ns="a"}'], refusals: 0 },
    { rules: ['{ns="a"}', '{ns=~"b|a.c"}'], refusals: 0 },
    { rules: ['x', '{__name__=~"req.*"}'], refusals: 0 },
    { rules: ['{ns="a"}', '{team="t"}'], refusals: 0 },
    { rules: ['x{ns="a"}', '{__name__=~"requests.*|duration",ns!="a",team=~".+"}', 'y'], refusals: 0.1 },
    { rules: ['{ns=~"a.*",job!="k"}', '{team="u",pod="1"}', 'pressure{ns=""}'], refusals: 0.1 },
    { rules: ['nothing_of_this_name'], refusals: 0 },
    ...RANDOM_POLICIES.map((rules) => ({ rules, refusals: 0.3 })),
  ])('under $rules', async ({ rules, refusals }) => {
    const policy = policyOf(rules);
    const random = seeded(SEED);
    const differences: string[] = [];
    let refused = 0;
    let answered = 0;
    await using own = await startWith(series.filter((one) => isAllowed(policy, one)));
    const questions = [...POINTED_QUESTIONS, ...Array.from({ length: RANDOM_QUESTIONS }, () => question(random))];
    for (const [index, query] of questions.entries()) {
      const result = enforce(query, policy, { features: ALL_FEATURES });
      if (!result.ok) {
        if (result.error.reason !== 'too_many_branches' && result.error.reason !== 'too_large') differences.push(`${query}: ${result.error.message}`);
        refused += 1;
        continue;
      }
      const [path, times] = index % 3 === 0
        ? ['query_range', { start: `${end - 600}`, end: `${end}`, step: '60' }]
        : ['query', { time: `${end - 30 * (index % 11)}` }];
      const [through, direct] = await Promise.all([ask(all, path, { query: result.value.query, ...times }), ask(own, path, { query, ...times })]);
      const [got, wanted] = [canonical(through), canonical(direct)];
      if (JSON.stringify(got) !== JSON.stringify(wanted)) {
        differences.push([`${path} ${query}`, `→ ${result.value.query}`, JSON.stringify(got), through.error, JSON.stringify(wanted), direct.error].join('\n  '));
      }
      if (JSON.stringify(direct.data?.result ?? []) !== '[]') answered += 1;
    }
    expect(differences).toEqual([]);
    expect(refused / questions.length).toBeLessThanOrEqual(refusals);
    expect(answered).toBeGreaterThan(rules.includes('nothing_of_this_name') ? 5 : questions.length / 4);
  });
});
