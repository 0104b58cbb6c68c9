import { describe, expect, it } from '@jest/globals';
import type { BackendGroup } from '../../src/model/desired-state.js';
import { REASON_HEADER } from '../../src/model/reasons.js';
import { remoteWrite } from '../conformance/promql/remote-write.js';
import { fetchRaw } from '../support/http.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import { queryState, startQueryDoor } from '../support/query-door.js';

/** A subquery without a step has the servers' own, which is asked for, since it is in nobody's answer. */

const END = Math.floor(Date.now() / 60_000) * 60;
const QUERIES = ['count_over_time(avg(x)[10m:])', 'max_over_time(stddev(x)[5m:] offset 1m)', 'avg_over_time(max_over_time(avg(x)[3m:])[5m:30s])'];

async function server(interval: string, clusters: Readonly<Record<string, number>>): Promise<RunningPrometheus> {
  const started = await startPrometheus({ config: { global: { evaluation_interval: interval } }, args: ['--web.enable-remote-write-receiver'] });
  await remoteWrite(started.url, Object.entries(clusters).map(([cluster, factor]) => ({ labels: { __name__: 'x', cluster }, samples: Array.from({ length: 80 }, (_, index) => ({ timestampMs: (END - 15 * index) * 1000, value: index * factor })), histograms: [] })));
  return started;
}

describe('a subquery without a step, of what several backends give', () => {
  it('has the step that all of them have, and none where they differ', async () => {
    const [eu, us, slow, whole] = await Promise.all([server('20s', { eu: 1 }), server('20s', { us: 3 }), server('40s', { ap: 1 }), server('20s', { eu: 1, us: 3 })]);
    const state = queryState(Object.entries({ eu, us, slow }).map(([name, { url }]) => ({ name, url })), [{ name: 't', query: [{ backends: undefined, metrics: ['x'], labels: {} }] }]);
    const group = (name: string, members: readonly string[]): BackendGroup => ({ name, members, disjointBy: ['cluster'], onFailure: 'fail' });
    await using door = await startQueryDoor({ ...state, backendGroups: [group('same', ['eu', 'us']), group('different', ['eu', 'slow'])] });
    const json = ({ body }: { readonly body: Buffer }): Readonly<Record<string, unknown>> => JSON.parse(body.toString('utf8'));
    for (const query of QUERIES) {
      const form = { query, start: `${END - 120}`, end: `${END}`, step: '60' };
      const expected = await fetchRaw({ url: whole.url, target: `/api/v1/query_range?${new URLSearchParams(form).toString()}` });
      expect(json(await door.post('t', '/query/same/api/v1/query_range', form))).toEqual(json(expected));
      const refused = await door.post('t', '/query/different/api/v1/query_range', form);
      expect([refused.headers[REASON_HEADER], json(refused)['error']]).toEqual(['query_not_distributable', expect.stringContaining('not the same in all backends')]);
    }
    await Promise.all([eu, us, slow, whole].map((one) => one.stop()));
  });
});
