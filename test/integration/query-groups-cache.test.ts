import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BackendGroup } from '../../src/model/desired-state.js';
import { load } from '../conformance/promql/group-rig.js';
import type { Series } from '../conformance/promql/remote-write.js';
import type { HttpAnswer } from '../support/http.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import { queryState, startQueryDoor } from '../support/query-door.js';
import type { QueryDoor } from '../support/query-door.js';

/** What the members of a group have answered is kept for each of them, and never what was said in place of one that was missing. */

const END = Math.floor(Date.now() / 60_000) * 60;
const QUERIES = ['x', 'sum(x)', 'avg by (pod) (x)', 'stddev(x) / max(x)', 'max_over_time(stddev(x)[5m:1m])'];

function site(cluster: string, factor: number): readonly Series[] {
  return ['1', '2'].map((pod) => ({
    labels: { __name__: 'x', pod, cluster },
    samples: Array.from({ length: 61 }, (_, minute) => ({ timestampMs: (END - 3600 + 60 * minute) * 1000, value: factor * minute * Number(pod) })),
    histograms: [],
  }));
}

describe('a group with a cache', () => {
  let servers: readonly RunningPrometheus[];
  let cached: QueryDoor;
  let plain: QueryDoor;

  beforeAll(async () => {
    servers = await Promise.all([load(site('eu', 1)), load(site('us', 10))]);
    const state = queryState(servers.map(({ url }, index) => ({ name: `m${index}`, url })), [{ name: 't', query: [{ backends: ['world'], metrics: ['x'], labels: {} }] }]);
    const backendGroups: readonly BackendGroup[] = [{ name: 'world', members: ['m0', 'm1'], disjointBy: ['cluster'], onFailure: 'warn' }];
    cached = await startQueryDoor({ ...state, backendGroups }, { maxBytes: 10_000_000, settleMs: 1 });
    plain = await startQueryDoor({ ...state, backendGroups });
  });
  afterAll(async () => {
    await Promise.all([cached[Symbol.asyncDispose](), plain[Symbol.asyncDispose]()]);
    await Promise.all(servers.map((server) => server.stop()));
  });

  const ask = async (door: QueryDoor, query: string, fromMinute: number, toMinute: number): Promise<HttpAnswer> =>
    door.post('t', '/query/world/api/v1/query_range', { query, start: `${END - 3600 + fromMinute * 60}`, end: `${END - 3600 + toMinute * 60}`, step: '60' });
  const json = ({ body }: HttpAnswer): Readonly<Record<string, unknown>> => JSON.parse(body.toString('utf8'));
  const count = async (result: string): Promise<number> => (await cached.registry.getSingleMetric('scrapeway_query_cache_requests_total')?.get())?.values.find(({ labels }) => labels['result'] === result)?.value ?? 0;

  it.each(QUERIES)('answers %s as without, of ranges that begin, go on and are known', async (query) => {
    for (const [from, to] of [[10, 20], [12, 30], [12, 30]] as const) expect(json(await ask(cached, query, from, to))).toEqual(json(await ask(plain, query, from, to)));
  });

  it('has asked each member for what was not known only', async () => {
    const before = [await count('miss'), await count('partial'), await count('hit')];
    for (const [from, to] of [[10, 20], [12, 30], [12, 30]] as const) await ask(cached, 'sum by (pod) (x + 1)', from, to);
    expect([await count('miss'), await count('partial'), await count('hit')]).toEqual(before.map((number) => number + 2));
  });

  it('keeps nothing of an answer about which a member has said something', async () => {
    const before = await count('miss');
    for (let times = 0; times < 2; times += 1) expect(json(await ask(cached, 'sum(rate(x[5m]))', 10, 20))['infos']).toEqual([expect.stringContaining('might not be a counter')]);
    expect(await count('miss')).toBe(before + 4);
  });

  it('gives out what is known of a member that has gone, and does not take the others for all', async () => {
    const known = json(await ask(cached, 'max(x)', 10, 20));
    await servers[1]?.stop();
    expect(json(await ask(cached, 'max(x)', 10, 20))).toEqual(known);
    for (let times = 0; times < 2; times += 1) expect(json(await ask(cached, 'min(x)', 10, 20))['warnings']).toEqual(['the answer is not complete: backend "m1" has not answered']);
  });
});
