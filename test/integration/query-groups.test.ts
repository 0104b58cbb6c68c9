import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BackendGroup, QueryGrant } from '../../src/model/desired-state.js';
import { REASON_HEADER } from '../../src/model/reasons.js';
import { FieldCursor } from '../../src/lib/wire.js';
import { encodeReadRequest, REMOTE_READ_HEADERS } from '../../src/remoteread/request.js';
import type { ResponseType } from '../../src/remoteread/request.js';
import { decodeSeries } from '../../src/remotewrite/decode.js';
import { pack, unpack } from '../../src/remotewrite/snappy.js';
import { remoteWrite } from '../conformance/promql/remote-write.js';
import type { Series } from '../conformance/promql/remote-write.js';
import { fetchRaw } from '../support/http.js';
import type { HttpAnswer } from '../support/http.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import { queryState, startQueryDoor } from '../support/query-door.js';
import type { QueryDoor } from '../support/query-door.js';

/** A group of two real servers, beside one that holds the allowed series of both: what the group says must be what that one says. */

const END = Math.floor(Date.now() / 60_000) * 60;
const GRANT: readonly QueryGrant[] = [{ backends: ['world', 'lenient', 'overlapping', 'broken-promise'], metrics: ['.*'], labels: { ns: 'a' } }];

function series(labels: Readonly<Record<string, string>>, value: (minute: number) => number): Series {
  return { labels, samples: Array.from({ length: 31 }, (_, index) => ({ timestampMs: (END - 1800 + 60 * index) * 1000, value: value(index) })), histograms: [] };
}

function site(cluster: string, factor: number): readonly Series[] {
  return [
    series({ __name__: 'x', ns: 'a', pod: '1', cluster }, (minute) => factor * minute),
    series({ __name__: 'x', ns: 'a', pod: '2', cluster }, (minute) => 3 * factor * minute),
    series({ __name__: 'y', ns: 'a', pod: '1', cluster }, () => 7 * factor),
    series({ __name__: `only_${cluster}`, ns: 'a', pod: '1', cluster }, () => factor),
    series({ __name__: 'buckets', ns: 'a', le: '1', cluster }, (minute) => factor * minute),
    series({ __name__: 'buckets', ns: 'a', le: '+Inf', cluster }, (minute) => 2 * factor * minute),
  ];
}
const FOREIGN: readonly Series[] = [series({ __name__: 'x', ns: 'b', pod: 'foreign', cluster: 'eu' }, () => 424242)];
/** A series that was in one member until it was in the other, with a time in both. */
function moved(from: number, to: number): Series {
  const all = series({ __name__: 'moved', ns: 'm' }, (minute) => minute);
  return { ...all, samples: all.samples.slice(from, to) };
}
const [EU, US] = [site('eu', 1), site('us', 10)];

const QUERIES = [
  'x', '{ns="a"}', 'x{cluster="us"}', 'only_us', 'nothing', '1 + 1', 'vector(3)', '"text"', 'rate(x[5m])', 'x > 100', 'avg_over_time(rate(x[5m])[10m:1m])', 'sum(x)', 'sum by (pod) (rate(x[5m]))', 'count(x)',
  'count_values("v", y)', 'min(x)', 'max by (pod) (x)', 'group(x)', 'sort(x)', 'sort_desc(x)', 'avg by (cluster) (x)', 'sum(avg by (cluster) (x))', 'sum by (cluster) (x) / count by (cluster) (x)', 'x / on (cluster, pod) y',
  'x unless on (cluster, pod) y', 'histogram_quantile(0.9, sum by (le, cluster) (rate(buckets[5m])))', 'label_replace(x, "to", "$1", "pod", "(.*)")', 'topk by (cluster) (1, x)', 'max(x * 0 / 0)',
];

async function load(all: readonly Series[]): Promise<RunningPrometheus> {
  const server = await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver'] });
  await remoteWrite(server.url, all);
  return server;
}

function json(answer: HttpAnswer): Readonly<Record<string, unknown>> {
  return JSON.parse(answer.body.toString('utf8'));
}

/** Vectors of one server have no order, unless the query asks for one. */
function unordered(answer: HttpAnswer, query: string): unknown {
  const data: { readonly resultType?: string; readonly result?: readonly unknown[] } = JSON.parse(answer.body.toString('utf8')).data ?? {};
  const { result } = data;
  return Array.isArray(result) && data.resultType !== 'scalar' && data.resultType !== 'string' && !query.startsWith('sort') ? { ...data, result: result.map((item) => JSON.stringify(item)).toSorted() } : data;
}

describe('a group of backends', () => {
  let eu: RunningPrometheus;
  let us: RunningPrometheus;
  let whole: RunningPrometheus;
  let door: QueryDoor;

  beforeAll(async () => {
    [eu, us, whole] = await Promise.all([load([...EU, ...FOREIGN, moved(0, 20)]), load([...US, ...FOREIGN, moved(15, 31)]), load([...EU, ...US])]);
    const state = queryState([{ name: 'eu', url: eu.url }, { name: 'us', url: us.url }, { name: 'eu-too', url: eu.url }], [{ name: 't', query: GRANT }, { name: 'mover', query: [{ backends: ['patched', 'world'], metrics: ['moved'], labels: { ns: 'm' } }] }]);
    const groups: readonly BackendGroup[] = [
      { name: 'world', members: ['eu', 'us'], disjointBy: ['cluster'], onFailure: 'fail' },
      { name: 'lenient', members: ['eu', 'us'], disjointBy: ['cluster'], onFailure: 'warn' },
      { name: 'patched', members: ['eu', 'us'], disjointBy: [], onFailure: 'fail' },
      { name: 'overlapping', members: ['eu', 'eu-too'], disjointBy: [], onFailure: 'fail' },
      { name: 'broken-promise', members: ['eu', 'eu-too'], disjointBy: ['cluster'], onFailure: 'fail' },
    ];
    door = await startQueryDoor({ ...state, backendGroups: groups });
  });
  afterAll(async () => {
    await door[Symbol.asyncDispose]();
    await Promise.all([eu.stop(), us.stop(), whole.stop()]);
  });

  it.each(QUERIES)('answers %s as one server would, at a moment and over a range', async (query) => {
    for (const [endpoint, times] of [['query', { time: `${END}` }], ['query_range', { start: `${END - 1200}`, end: `${END}`, step: '60' }]] as const) {
      const form = new URLSearchParams({ query, ...times }).toString();
      const expected = await fetchRaw({ url: whole.url, target: `/api/v1/${endpoint}?${form}` });
      const answer = await door.post('t', `/query/world/api/v1/${endpoint}`, { query, ...times });
      expect(answer.status).toBe(expected.status);
      expect(unordered(answer, query)).toEqual(unordered(expected, query));
    }
  });

  it.each(['quantile_over_time(scalar(sum(y)), x[5m])', 'max_over_time(avg(x offset (2 * step()))[10m:1m])'])('refuses %s, which can be had neither from the members nor from their answers', async (query) => {
    const answer = await door.post('t', '/query/world/api/v1/query', { query });
    expect([answer.status, answer.headers[REASON_HEADER]]).toEqual([422, 'query_not_distributable']);
  });

  it.each(['/series?match[]=x', '/series?match[]={ns="a"}&match[]=y', '/labels', '/label/__name__/values', '/label/cluster/values', '/label/pod/values?match[]=x', '/labels?limit=2', '/query_exemplars?query=x&start=0&end=1', '/metadata', '/rules', '/alerts'])('unites %s', async (path) => {
    const expected = json(await fetchRaw({ url: whole.url, target: `/api/v1${encodeURI(path)}` }));
    expect(json(await door.ask('t', `/query/world/api/v1${encodeURI(path)}`)).data).toEqual(expected.data);
  });

  it('takes series that two members have as one, and says so where they were promised not to', async () => {
    const ask = async (group: string, query: string): Promise<HttpAnswer> => door.post('t', `/query/${group}/api/v1/query`, { query, time: `${END}` });
    const expected = await fetchRaw({ url: eu.url, target: `/api/v1/query?query=${encodeURIComponent('x{ns="a"}')}&time=${END}` });
    expect(unordered(await ask('overlapping', 'x'), 'x')).toEqual(unordered(expected, 'x'));
    expect(unordered(await ask('overlapping', 'sum(x)'), 'x')).toEqual({ resultType: 'vector', result: [JSON.stringify({ metric: {}, value: [END, '120'] })] });
    expect((await ask('broken-promise', 'stddev(x)')).headers[REASON_HEADER]).toBe('query_not_distributable');
    expect((await ask('broken-promise', 'x')).headers[REASON_HEADER]).toBe('query_not_distributable');
  });

  it('limits the whole, not its parts', async () => {
    const answer = json(await door.post('t', '/query/world/api/v1/query', { query: 'sum by (pod) (x)', time: `${END}`, limit: '1' }));
    expect(answer.data).toEqual({ resultType: 'vector', result: [{ metric: { pod: '1' }, value: [END, '330'] }] });
  });

  it('federates what one server would, and says what is in two members once', async () => {
    const samples = (answer: HttpAnswer): readonly string[] => answer.body.toString('utf8').split('\n').toSorted();
    const expected = await fetchRaw({ url: whole.url, target: `/federate?${new URLSearchParams({ 'match[]': '{ns="a"}' }).toString()}` });
    const answer = await door.ask('t', '/query/world/federate?match[]={__name__=~".%2B"}');
    expect([answer.status, answer.headers['content-type'], samples(answer)]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8', samples(expected)]);
    expect(answer.body.toString('utf8').match(/^# TYPE \w+/gm)).toEqual(['buckets', 'only_eu', 'only_us', 'x', 'y'].map((name) => `# TYPE ${name}`));
    const alone = await fetchRaw({ url: eu.url, target: `/federate?${new URLSearchParams({ 'match[]': 'x{ns="a"}' }).toString()}` });
    expect(samples(await door.ask('t', '/query/overlapping/federate?match[]=x'))).toEqual(samples(alone));
    expect((await door.ask('t', '/query/broken-promise/federate?match[]=x')).headers[REASON_HEADER]).toBe('query_not_distributable');
  });

  describe('read from afar', () => {
    const WHOLE_TIME = { startMs: (END - 3600) * 1000, endMs: END * 1000 };

    async function read(tenant: string, group: string, names: readonly string[], responseTypes: readonly [ResponseType, ...ResponseType[]] = ['streamed_chunks', 'samples']): Promise<HttpAnswer> {
      const body = await pack(encodeReadRequest({ queries: names.map((value) => ({ ...WHOLE_TIME, matchers: [{ name: '__name__', op: '=~', value }] })), responseTypes }));
      return door.ask(tenant, `/query/${group}/api/v1/read`, { method: 'POST', headers: { ...REMOTE_READ_HEADERS, 'content-length': `${body.length}` }, body });
    }

    /** Of each result, the series with their minutes. */
    async function results({ body }: HttpAnswer): Promise<readonly (readonly string[])[]> {
      const message = await unpack(body, 1e6);
      if (!message.ok) throw new Error(message.error);
      const cursor = new FieldCursor(message.value).enter(0, message.value.length);
      const all: string[][] = [];
      while (cursor.next()) {
        const found: string[] = [];
        for (const result = cursor.inside(); result.next();) {
          const { labels, samples } = decodeSeries(result.inside());
          const minutes = samples.map(({ timestampMs }) => (timestampMs / 1000 - END + 1800) / 60);
          found.push(`${labels.map(({ value }) => value).join(' ')} ${minutes[0]}-${minutes.at(-1)}: ${minutes.length}`);
        }
        all.push(found);
      }
      return all;
    }

    it('has the series of all members, a result for each query', async () => {
      const answer = await read('t', 'world', ['only_.*', 'nothing', 'y']);
      expect(answer.headers['content-type']).toBe('application/x-protobuf');
      expect(await results(answer)).toEqual([['only_eu eu a 1 0-30: 31', 'only_us us a 1 0-30: 31'], [], ['y eu a 1 0-30: 31', 'y us a 1 0-30: 31']]);
      expect(await results(await read('t', 'overlapping', ['y']))).toEqual([['y eu a 1 0-30: 31']]);
    });

    it('puts what members have of one series one after the other', async () => {
      expect(await results(await read('mover', 'patched', ['moved']))).toEqual([['moved m 0-30: 31']]);
    });

    it('refuses what breaks the promise, and who takes chunks only', async () => {
      expect((await read('mover', 'world', ['moved'])).headers[REASON_HEADER]).toBe('query_not_distributable');
      expect((await read('t', 'world', ['x'], ['streamed_chunks'])).headers[REASON_HEADER]).toBe('query_not_distributable');
    });
  });

  it('gives what is wrong with a query as an error, also where failures are warnings', async () => {
    const answer = await door.post('t', '/query/lenient/api/v1/query', { query: 'x{ns="a"} / on (cluster) x{ns="a"}' });
    expect([answer.status, json(answer).errorType]).toEqual([422, 'execution']);
  });

  it('is not seen by a tenant that was given its members only, and gives no right to them', async () => {
    expect((await door.post('t', '/query/eu/api/v1/query', { query: 'x' })).headers[REASON_HEADER]).toBe('query_no_backend');
  });

  describe('of which one member has gone', () => {
    beforeAll(async () => {
      await us.stop();
    });

    it('fails by default', async () => {
      const answer = await door.post('t', '/query/world/api/v1/query', { query: 'sum(x)' });
      expect([answer.status, answer.headers[REASON_HEADER]]).toEqual([503, 'query_backend_away']);
    });

    it('fails to be read from afar, where the others would have to be taken for all', async () => {
      const body = await pack(encodeReadRequest({ queries: [{ startMs: (END - 3600) * 1000, endMs: END * 1000, matchers: [{ name: '__name__', op: '=', value: 'x' }] }], responseTypes: ['samples'] }));
      const answer = await door.ask('t', '/query/lenient/api/v1/read', { method: 'POST', headers: { ...REMOTE_READ_HEADERS, 'content-length': `${body.length}` }, body });
      expect([answer.status, answer.headers[REASON_HEADER]]).toEqual([503, 'query_backend_away']);
    });

    it('evaluates over what the others say, and federates it, with a warning', async () => {
      const warning = 'the answer is not complete: backend "us" has not answered';
      expect(json(await door.post('t', '/query/lenient/api/v1/query', { query: 'avg(x) - min(x)', time: `${END}` }))).toEqual({ status: 'success', data: { resultType: 'vector', result: [{ metric: {}, value: [END, '30'] }] }, warnings: [warning] });
      expect((await door.ask('t', '/query/lenient/federate?match[]=only_eu')).body.toString('utf8')).toMatch(new RegExp(`^# ${warning}\n# TYPE only_eu untyped\nonly_eu\\{`));
    });

    it('answers of the others with a warning, where it may', async () => {
      const answer = json(await door.post('t', '/query/lenient/api/v1/query', { query: 'sum(x)', time: `${END}` }));
      expect(answer).toEqual({ status: 'success', data: { resultType: 'vector', result: [{ metric: {}, value: [END, '120'] }] }, warnings: ['the answer is not complete: backend "us" has not answered'] });
    });
  });
});
