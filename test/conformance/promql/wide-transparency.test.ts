import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FieldCursor } from '../../../src/lib/wire.js';
import { enforce } from '../../../src/promql/enforce/enforce.js';
import { ALL_FEATURES } from '../../../src/promql/features.js';
import { parse } from '../../../src/promql/parse.js';
import { matchersOf } from '../../../src/promql/ast.js';
import { encodeReadRequest, REMOTE_READ_HEADERS } from '../../../src/remoteread/request.js';
import { pack, unpack } from '../../../src/remotewrite/snappy.js';
import { fetchRaw } from '../../support/http.js';
import type { RunningPrometheus } from '../../support/prometheus.js';
import { queryState, startQueryDoor, TENANT_HEADER } from '../../support/query-door.js';
import { seeded } from './generate.js';
import type { Random } from './generate.js';
import { areClose, ask, byLabels, isAllowed, policyOf, startWith } from './transparency-rig.js';
import type { Answer } from './transparency-rig.js';
import { wideQuestion, wideRules, wideSelector, wideWorld } from './wide-world.js';

/**
 * The same as transparency.test.ts in a wider world, and for all endpoints that are about series: what the door says of all is what a server says that holds the
 * allowed series only. A few random cases each time; `TRANSPARENCY=<first seed>,<seeds>,<policies>,<questions>` for as many as there is time for.
 */

const [SEED = 21, SEEDS = 1, POLICIES = 4, QUESTIONS = 120] = (process.env['TRANSPARENCY'] ?? '').split(',').flatMap((text) => (text === '' ? [] : [Number(text)]));
const SELECTIONS = Math.ceil(QUESTIONS / 8);
/** Reasons for which a question may be refused, and its share of all at most. */
const MAY_REFUSE: ReadonlySet<string> = new Set(['too_many_branches', 'too_large', 'unsplittable']);
const MAX_REFUSED = 0.5;
const MAX_SHOWN = 5;
/**
 * What a server says of `rate({__name__=~"x|y"}[5m])` where two names have series of equal labels, whenever these were. The union of the rules' branches fails so
 * where the two are there at the same time, and is answered where they are not (docs/query.md, "Where it is not quite the same").
 */
const ONE_LABELSET = 'vector cannot contain metrics with the same labelset';

const END_S = Math.floor(Date.now() / 60_000) * 60;

async function differenceOfQuery(all: RunningPrometheus, own: RunningPrometheus, { query, rewritten, index }: { readonly query: string; readonly rewritten: string; readonly index: number }): Promise<{ readonly difference: string | undefined; readonly isAnswered: boolean }> {
  const [path, times] = index % 3 === 0
    ? ['query_range', { start: `${END_S - 900}`, end: `${END_S}`, step: '45' }] as const
    : ['query', { time: `${END_S - 40 * (index % 17)}` }] as const;
  const [through, direct] = await Promise.all([ask(all, path, { query: rewritten, ...times }), ask(own, path, { query, ...times })]);
  const isSame = areClose(byLabels(through), byLabels(direct)) || (direct.error === ONE_LABELSET && through.status === 'success');
  const shown = (answer: Answer): string => JSON.stringify(answer).slice(0, 2000);
  const difference = isSame ? undefined : [`${path} ${query}`, `→ ${rewritten}`, shown(through), shown(direct)].join('\n  ');
  return { difference, isAnswered: JSON.stringify(direct.data?.result ?? []) !== '[]' };
}

/** One question about selectors to both, each answer in one order. */
type Selection = (base: string, headers: Readonly<Record<string, string>>) => Promise<readonly string[]>;

function listed(path: string): Selection {
  return async (base, headers) => {
    const { status, body } = await fetchRaw({ url: `${base}/api/v1/${path}`, headers });
    if (status !== 200) return [`status ${status}`];
    const { data }: { readonly data: readonly unknown[] } = JSON.parse(body.toString());
    return data.map((item) => JSON.stringify(item)).sort();
  };
}

function federated(parameters: string): Selection {
  return async (base, headers) => {
    const { body } = await fetchRaw({ url: `${base}/federate?${parameters}`, headers });
    return body.toString().split('\n').filter((line) => line !== '' && !line.startsWith('#')).sort();
  };
}

/** The series' messages, as they are. */
function readBy(selector: string): Selection {
  const parsed = parse(selector);
  if (!parsed.ok || parsed.value.kind !== 'vector') throw new Error(selector);
  const matchers = matchersOf(parsed.value);
  return async (base, headers) => {
    const body = await pack(encodeReadRequest({ queries: [{ startMs: (END_S - 1200) * 1000, endMs: END_S * 1000, matchers }], responseTypes: ['samples'] }));
    const answer = await fetchRaw({ url: `${base}/api/v1/read`, method: 'POST', headers: { ...REMOTE_READ_HEADERS, ...headers, 'content-length': `${body.length}` }, body });
    const message = await unpack(answer.body, 1e8);
    if (!message.ok) return [`status ${answer.status}`];
    const results = new FieldCursor(message.value).enter(0, message.value.length);
    const series: string[] = [];
    while (results.next()) {
      const result = results.inside();
      while (result.next()) series.push(message.value.toString('latin1', result.start, result.end));
    }
    return series.sort();
  };
}

function selections(random: Random): ReadonlyMap<string, Selection> {
  const one = wideSelector(random);
  const two = random() < 0.5 ? [one] : [one, wideSelector(random)];
  const match = two.map((selector) => `match[]=${encodeURIComponent(selector)}`).join('&');
  const window = `start=${END_S - 1500}&end=${END_S}`;
  return new Map<string, Selection>([
    [`series ${two.join(' ')}`, listed(`series?${match}&${window}`)],
    [`labels ${two.join(' ')}`, listed(`labels?${match}&${window}`)],
    ['labels', listed(`labels?${window}`)],
    ...['ns', '__name__', 'U__team_2e_name', 'pod'].map((label) => [`values of ${label} ${two.join(' ')}`, listed(`label/${label}/values?${match}&${window}`)] as const),
    ['values', listed(`label/ns/values?${window}`)],
    [`federate ${two.join(' ')}`, federated(match)],
    [`exemplars ${one}`, listed(`query_exemplars?query=${encodeURIComponent(`rate(${one}[5m])`)}&${window}`)],
    [`read ${one}`, readBy(one)],
  ]);
}

async function differenceOfSelection(title: string, selection: Selection, door: string, own: string): Promise<string | undefined> {
  // Federation is of now: the two may be asked in different moments, of which one is the last of a series.
  for (let attempt = 0; ; attempt += 1) {
    const [got, wanted] = await Promise.all([selection(door, { [TENANT_HEADER]: 't' }), selection(own, {})]);
    if (JSON.stringify(got) === JSON.stringify(wanted)) return undefined;
    const isRefused = got[0] === 'status 422';
    if (isRefused) return undefined;
    if (attempt === 2) return `${title}\n  ${JSON.stringify(got).slice(0, 2000)}\n  ${JSON.stringify(wanted).slice(0, 2000)}`;
  }
}

describe.each(Array.from({ length: SEEDS }, (_, index) => SEED + index))('transparency in a wide world, seed %i', (seed) => {
  const series = wideWorld(END_S * 1000, seed);
  const random = seeded(seed);
  const policies = Array.from({ length: POLICIES }, () => wideRules(random));
  let all: RunningPrometheus;

  beforeAll(async () => {
    all = await startWith(series);
  });
  afterAll(async () => {
    await all.stop();
  });

  it.each(policies.map((rules) => ({ rules })))('under $rules', async ({ rules }) => {
    const policy = policyOf(rules);
    await using own = await startWith(series.filter((one) => isAllowed(policy, one)));
    const differences: string[] = [];
    let [refused, answered] = [0, 0];
    for (let index = 0; index < QUESTIONS; index += 1) {
      const query = wideQuestion(random);
      const enforced = enforce(query, policy, { features: ALL_FEATURES });
      if (!enforced.ok) {
        refused += 1;
        if (!MAY_REFUSE.has(enforced.error.reason)) differences.push(`${query}: ${enforced.error.reason}: ${enforced.error.message}`);
        continue;
      }
      const { difference, isAnswered } = await differenceOfQuery(all, own, { query, rewritten: enforced.value.query, index });
      if (difference !== undefined) differences.push(difference);
      if (isAnswered) answered += 1;
    }
    await using door = await startQueryDoor(queryState([{ name: 'main', url: all.url }], [{ name: 't', query: [{ backends: undefined, metrics: rules, labels: {} }] }]));
    for (let index = 0; index < SELECTIONS; index += 1) {
      for (const [title, selection] of selections(random)) {
        const difference = await differenceOfSelection(title, selection, `${door.url}/query/main`, own.url);
        if (difference !== undefined) differences.push(difference);
      }
    }
    expect(differences.slice(0, MAX_SHOWN)).toEqual([]);
    expect(refused / QUESTIONS).toBeLessThan(MAX_REFUSED);
    // Some policies allow next to nothing.
    expect(answered).toBeGreaterThan(0);
  }, 600_000);
});
