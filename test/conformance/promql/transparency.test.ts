import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { enforce } from '../../../src/promql/enforce/enforce.js';
import { ALL_FEATURES } from '../../../src/promql/features.js';
import type { RunningPrometheus } from '../../support/prometheus.js';
import { seeded } from './generate.js';
import { ask, canonical, isAllowed, policyOf, startWith } from './transparency-rig.js';
import { POINTED_QUESTIONS, question, randomRules, world } from './world.js';

/**
 * What correct means: the rewritten query over all series answers what the original answers on a server that holds the allowed
 * series only. Random questions with a fixed seed, asked at an instant and over a range, histograms and staleness included.
 */

const SEED = 7;
const RANDOM_QUESTIONS = 300;
const RANDOM_POLICIES = [1, 2, 3, 4].map((seed) => randomRules(seeded(seed)));

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
