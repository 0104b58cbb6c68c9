import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BackendGroup } from '../../../src/model/desired-state.js';
import type { RunningPrometheus } from '../../support/prometheus.js';
import { queryState, startQueryDoor } from '../../support/query-door.js';
import type { QueryDoor } from '../../support/query-door.js';
import { seeded } from './generate.js';
import { compareAll, load } from './group-rig.js';
import { CLUSTERS, EXPERIMENTAL_QUESTIONS, GROUP_QUESTIONS, groupQuestion, groupWorld } from './group-world.js';
import type { Series } from './remote-write.js';
import { POINTED_QUESTIONS, question, world } from './world.js';

/**
 * What a group of three real servers says must be what one server with all of their series says: of a corpus and of random questions
 * with a fixed seed, at a moment and over a range; where each member has series of its own, and where some series are in two of them.
 */

const SEED = 11;
const RANDOM_QUESTIONS = 70;
const END = Math.floor(Date.now() / 60_000) * 60;
const FOREIGN: Series = { labels: { __name__: 'x', ns: 'b', pod: '1', cluster: 'eu' }, samples: [{ timestampMs: END * 1000, value: 1e9 }], histograms: [] };

/** A server with all of them, and one for each part, behind the door as `disjoint` (the first three) and `overlapping`. */
async function start(all: readonly Series[], parts: readonly (readonly Series[])[], group: Pick<BackendGroup, 'disjointBy'> & { readonly metrics: string; readonly members: number }): Promise<{ readonly whole: RunningPrometheus; readonly members: readonly RunningPrometheus[]; readonly door: QueryDoor }> {
  const whole = await load(all);
  const members = await Promise.all(parts.map((series) => load(series)));
  const names = members.map((_, index) => `m${index}`);
  const state = queryState(members.map(({ url }, index) => ({ name: `m${index}`, url, features: ['promql-experimental-functions'] })), [{ name: 't', query: [{ backends: ['disjoint', 'overlapping'], metrics: [group.metrics], labels: {} }] }]);
  const backendGroups: readonly BackendGroup[] = [
    { name: 'disjoint', members: names.slice(0, group.members), disjointBy: group.disjointBy, onFailure: 'fail' },
    { name: 'overlapping', members: names.slice(group.members), disjointBy: [], onFailure: 'fail' },
  ];
  return { whole, members, door: await startQueryDoor({ ...state, backendGroups }) };
}

async function stop({ whole, members, door }: Awaited<ReturnType<typeof start>>): Promise<void> {
  await door[Symbol.asyncDispose]();
  await Promise.all([whole, ...members].map((server) => server.stop()));
}

describe('a group of three clusters, beside one server that has everything', () => {
  const all = groupWorld(END * 1000, SEED);
  let sides: Awaited<ReturnType<typeof start>>;

  beforeAll(async () => {
    const random = seeded(SEED);
    const own = CLUSTERS.map((cluster) => all.filter(({ labels }) => labels.cluster === cluster));
    const shared = CLUSTERS.map((_, index) => all.filter((__, at) => at % 3 === index || random() < 0.3));
    sides = await start(all, [...own, ...shared].map((series) => [...series, FOREIGN]), { disjointBy: ['cluster'], metrics: '{ns="a"}', members: 3 });
  });
  afterAll(async () => {
    await stop(sides);
  });

  it.each(['disjoint', 'overlapping'])('says of the corpus the same, %s', async (group) => {
    const questions = [...GROUP_QUESTIONS, ...EXPERIMENTAL_QUESTIONS];
    const { differences, answered, refused } = await compareAll({ ...sides, group, endSeconds: END }, questions);
    expect([differences, refused]).toEqual([[], []]);
    expect(answered / questions.length).toBeGreaterThan(0.8);
  });

  it.each(['disjoint', 'overlapping'])('says of random questions the same, %s', async (group) => {
    const random = seeded(SEED);
    const { differences, answered, refused } = await compareAll({ ...sides, group, endSeconds: END }, Array.from({ length: RANDOM_QUESTIONS }, () => groupQuestion(random)));
    expect([differences, refused]).toEqual([[], []]);
    expect(answered / RANDOM_QUESTIONS).toBeGreaterThan(0.5);
  });
});

describe('a group in a world with native histograms, subqueries and all modifiers', () => {
  // Of the pod p1 the world has two series with the same labels.
  const all = world(END * 1000, SEED).filter(({ labels }) => labels.pod !== 'p1');
  let sides: Awaited<ReturnType<typeof start>>;

  beforeAll(async () => {
    const random = seeded(SEED);
    const own = ['1', '2'].map((pod) => all.filter(({ labels }) => labels.pod === pod));
    const shared = [0, 1].map((index) => all.filter((_, at) => at % 2 === index || random() < 0.3));
    sides = await start(all, [...own, ...shared], { disjointBy: ['pod'], metrics: '{__name__=~".+"}', members: 2 });
  });
  afterAll(async () => {
    await stop(sides);
  });

  it.each(['disjoint', 'overlapping'])('says the same or refuses, %s', async (group) => {
    const random = seeded(SEED);
    // Of equal values `topk` takes any.
    const queries = [...POINTED_QUESTIONS, ...Array.from({ length: RANDOM_QUESTIONS }, () => question(random))].filter((query) => !/topk|bottomk/.test(query));
    const { differences, answered } = await compareAll({ ...sides, group, endSeconds: END }, queries);
    expect(differences).toEqual([]);
    expect(answered / queries.length).toBeGreaterThan(0.3);
  });
});
