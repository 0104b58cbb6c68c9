import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { REASON_HEADER } from '../../src/model/reasons.js';
import { decodeSeries } from '../../src/remotewrite/decode.js';
import { pack, unpack } from '../../src/remotewrite/snappy.js';
import { FieldCursor } from '../../src/lib/wire.js';
import { decodeFrame } from '../../src/remoteread/chunks.js';
import { FrameReader } from '../../src/remoteread/frames.js';
import { encodeReadRequest, REMOTE_READ_HEADERS, STREAMED_CONTENT_TYPE } from '../../src/remoteread/request.js';
import type { ReadQuery, ResponseType } from '../../src/remoteread/request.js';
import { decodeLabel } from '../../src/remotewrite/decode.js';
import { remoteWrite } from '../conformance/promql/remote-write.js';
import type { Series } from '../conformance/promql/remote-write.js';
import { fetchJson } from '../support/http.js';
import type { HttpAnswer } from '../support/http.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import { queryState, startQueryDoor, TENANT_HEADER } from '../support/query-door.js';
import type { QueryDoor } from '../support/query-door.js';

/**
 * Remote read before a real Prometheus that holds everybody's series, one of whose external labels is the one that tells tenants apart.
 * A Prometheus that reads through the door must answer as one that reads from a server with the own series only.
 */

const END = Math.floor(Date.now() / 60_000) * 60;
const MINUTES = 200; // several chunks
const START = END - MINUTES * 60;
const FOREIGN = /foreign|424242/;

function series(labels: Readonly<Record<string, string>>, value: (minute: number) => number): Series {
  return { labels, samples: Array.from({ length: MINUTES }, (_, minute) => ({ timestampMs: (START + 60 * minute) * 1000, value: value(minute) })), histograms: [] };
}

const OWN: readonly Series[] = [
  series({ __name__: 'x', ns: 'a', pod: '1' }, (minute) => minute),
  series({ __name__: 'x', ns: 'a', pod: '2' }, (minute) => 2 * minute),
  series({ __name__: 'y', ns: 'a', pod: '1', job: 'k' }, () => 7),
  series({ __name__: 'ended', ns: 'a' }, (minute) => (minute === 100 ? Number.NaN : minute)),
  { labels: { __name__: 'native', ns: 'a' }, samples: [], histograms: Array.from({ length: MINUTES }, (_, minute) => ({ timestampMs: (START + 60 * minute) * 1000, buckets: [minute, 2 * minute], sum: minute })) },
];
const FOREIGN_SERIES: readonly Series[] = [
  series({ __name__: 'x', ns: 'b', pod: 'foreign' }, () => 424242),
  series({ __name__: 'x', pod: 'foreign' }, () => 424242),
  series({ __name__: 'secret', token: 'foreign' }, () => 424242),
  series({ __name__: 'foreign_metric', ns: 'b' }, () => 424242),
];

const TENANTS = [
  { name: 'label', query: [{ backends: undefined, metrics: ['.*'], labels: { ns: 'a' } }] },
  { name: 'union', query: [{ backends: undefined, metrics: ['x{ns="a",pod="1"}', '{ns="a",pod=~".+"}', 'y{job="k"}', 'native{ns="a"}', 'ended{ns="a",pod=""}'], labels: {} }] },
  { name: 'nothing', query: [{ backends: undefined, metrics: [], labels: {} }] },
  { name: 'small', query: [{ backends: undefined, metrics: ['.*'], labels: { ns: 'a' } }], limits: { maxResponseBytes: 300, maxRangeMs: 86_400_000, maxBranches: 2 } },
];
const EXTERNAL = { global: { external_labels: { ns: 'a', cluster: 'eu' } } };

let shared: RunningPrometheus;
let own: RunningPrometheus;
let door: QueryDoor;

async function load(all: readonly Series[]): Promise<RunningPrometheus> {
  const server = await startPrometheus({ config: EXTERNAL, args: ['--web.enable-remote-write-receiver'] });
  await remoteWrite(server.url, all);
  return server;
}

beforeAll(async () => {
  [shared, own] = await Promise.all([load([...OWN, ...FOREIGN_SERIES]), load(OWN)]);
  door = await startQueryDoor(queryState([{ name: 'main', url: shared.url }, { name: 'vm', url: shared.url, union: 'extra_filters' }], TENANTS));
});
afterAll(async () => {
  await door[Symbol.asyncDispose]();
  await Promise.all([shared.stop(), own.stop()]);
});

interface Asked {
  readonly queries?: readonly ReadQuery[];
  readonly type?: ResponseType;
  readonly body?: Buffer;
  readonly backend?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const WHOLE = { startMs: START * 1000, endMs: END * 1000 };
const everything: ReadQuery = { ...WHOLE, matchers: [{ name: '__name__', op: '=~', value: '.+' }] };

async function read(tenant: string, { queries = [everything], type = 'samples', body, backend = 'main', headers = {} }: Asked = {}): Promise<HttpAnswer> {
  const sent = body ?? (await pack(encodeReadRequest({ queries, responseTypes: [type] })));
  return door.ask(tenant, `/query/${backend}/api/v1/read`, { method: 'POST', headers: { ...REMOTE_READ_HEADERS, 'content-length': `${sent.length}`, ...headers }, body: sent });
}

/** Name and pod of each series, result by result. */
async function seriesOf(answer: HttpAnswer): Promise<readonly (readonly string[])[]> {
  const message = await unpack(answer.body, 1e8);
  if (!message.ok) throw new Error(message.error);
  const cursor = new FieldCursor(message.value).enter(0, message.value.length);
  const results: string[][] = [];
  while (cursor.next()) {
    const result = cursor.inside();
    const found: string[] = [];
    while (result.next()) found.push(nameOf(decodeSeries(result.inside()).labels));
    results.push(found);
  }
  return results;
}

function nameOf(labels: readonly { readonly name: string; readonly value: string }[]): string {
  return labels.flatMap(({ name, value }) => (name === '__name__' || name === 'pod' ? [value] : [])).join('/');
}

function streamed(answer: HttpAnswer): readonly string[] {
  const frames = new FrameReader();
  frames.add(answer.body);
  const names: string[] = [];
  while (frames.next()) {
    const decoded = decodeFrame(frames.frame);
    if (!decoded.ok) throw new Error(decoded.error);
    for (const { labels } of decoded.value) {
      const cursor = new FieldCursor(labels).enter(0, labels.length);
      const list = [];
      while (cursor.next()) list.push(decodeLabel(cursor.inside()));
      names.push(nameOf(list));
    }
  }
  expect(frames.isEmpty).toBe(true);
  return names;
}

const OWN_NAMES = ['ended', 'native', 'x/1', 'x/2', 'y/1'];

describe('a Prometheus that reads through the door', () => {
  const QUERIES = [
    'x', 'sum(x)', 'rate(x[10m])', 'x{ns="a"}', 'x{ns="b"}', 'x{ns=""}', 'x{ns!="a"}', '{__name__=~".+"}', '{ns=~".*",__name__!=""}', 'x{cluster="eu"}', 'x{cluster="us"}', 'x{pod=~"1|foreign"}',
    'secret', 'count({__name__=~".+"}) by (ns)', 'histogram_quantile(0.9, rate(native[30m]))', 'native', 'histogram_count(native)', 'ended', 'ended offset 30m', 'count_over_time(ended[3h])', 'x * on(pod) group_left y',
    'absent(secret)', 'topk(1, x)', 'max_over_time(sum(x)[1h:1m])', 'x @ start()', 'y{job="k"} or x',
  ];
  let throughDoor: RunningPrometheus;
  let direct: RunningPrometheus;
  let throughUnion: RunningPrometheus;

  beforeAll(async () => {
    const reader = (url: string, headers: Readonly<Record<string, string>>): Promise<RunningPrometheus> => startPrometheus({ config: { remote_read: [{ url, read_recent: true, headers }] } });
    [throughDoor, throughUnion, direct] = await Promise.all([
      reader(`${door.url}/query/main/api/v1/read`, { [TENANT_HEADER]: 'label' }),
      reader(`${door.url}/query/main/api/v1/read`, { [TENANT_HEADER]: 'union' }),
      reader(`${own.url}/api/v1/read`, {}),
    ]);
  });
  afterAll(async () => {
    await Promise.all([throughDoor.stop(), throughUnion.stop(), direct.stop()]);
  });

  async function range(server: RunningPrometheus, query: string): Promise<unknown> {
    const { data } = await fetchJson<{ readonly data: { readonly result: readonly unknown[] } }>({ url: `${server.url}/api/v1/query_range?query=${encodeURIComponent(query)}&start=${START + 3600}&end=${END}&step=300` });
    return data.result.map((one) => JSON.stringify(one)).sort();
  }

  it('has before it a server that does hold what is foreign', async () => {
    expect(await range(shared, 'secret')).toHaveLength(1);
  });

  it.each(QUERIES)('says of %j what it would say of a server without the rest', async (query) => {
    const wanted = await range(direct, query);
    expect(await range(throughDoor, query)).toEqual(wanted);
    expect(await range(throughUnion, query)).toEqual(wanted);
    expect(JSON.stringify(wanted)).not.toMatch(FOREIGN);
  });
});

describe.each(['label', 'union'])('the tenant "%s"', (tenant) => {
  it('gets its series once and in order, as samples', async () => {
    const answer = await read(tenant);
    expect(answer.headers).toMatchObject({ 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy' });
    expect(await seriesOf(answer)).toEqual([OWN_NAMES]);
  });

  it('gets them as streamed chunks', async () => {
    const answer = await read(tenant, { type: 'streamed_chunks' });
    expect(answer.headers['content-type']).toContain(STREAMED_CONTENT_TYPE);
    expect([...new Set(streamed(answer))]).toEqual(OWN_NAMES);
  });

  it('gets one result for each of its queries, however many they are made into', async () => {
    const about = (name: string): ReadQuery => ({ ...WHOLE, matchers: [{ name: '__name__', op: '=', value: name }] });
    const queries = [about('y'), about('secret'), everything, about('x')];
    expect(await seriesOf(await read(tenant, { queries }))).toEqual([['y/1'], [], OWN_NAMES, ['x/1', 'x/2']]);
    expect([...new Set(streamed(await read(tenant, { queries, type: 'streamed_chunks' })))].toSorted()).toEqual(OWN_NAMES);
  });

  it.each([
    ['no matchers at all', []],
    ['an empty equality', [{ name: 'ns', op: '=', value: '' } as const]],
    ['an external label', [{ name: 'ns', op: '=', value: 'a' } as const]],
    ["another's label", [{ name: 'ns', op: '=', value: 'b' } as const]],
    ['everything but its own', [{ name: 'ns', op: '!=', value: 'a' } as const]],
    ["another's metric", [{ name: '__name__', op: '=', value: 'secret' } as const]],
    ['the empty metric', [{ name: '__name__', op: '=', value: '' } as const]],
    ['a regex with an anchor', [{ name: 'ns', op: '=~', value: 'a|^b$|' } as const]],
  ])('with %s sees nothing foreign', async (_, matchers) => {
    const queries = [{ ...WHOLE, matchers }];
    const answers = [...(await seriesOf(await read(tenant, { queries }))).flat(), ...streamed(await read(tenant, { queries, type: 'streamed_chunks' }))];
    expect(answers.filter((name) => !OWN_NAMES.includes(name))).toEqual([]);
  });
});

it('nothing is what a tenant gets to whom nothing is allowed, without that anybody is asked', async () => {
  expect(await seriesOf(await read('nothing', { queries: [everything, everything] }))).toEqual([[], []]);
  expect(streamed(await read('nothing', { type: 'streamed_chunks' }))).toEqual([]);
});

describe('a request is refused', () => {
  const bomb = Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]), Buffer.alloc(1000, 0xfe)]);
  it.each<readonly [string, string, Asked, number, string]>([
    ['that is no block of Snappy', 'label', { body: Buffer.from('garbage') }, 400, 'query_malformed'],
    ['that says it unpacks to 4 GiB', 'label', { body: bomb }, 422, 'query_over_limit'],
    ['without a body', 'label', { body: Buffer.alloc(0) }, 400, 'query_malformed'],
    ['that is not packed', 'label', { headers: { 'content-encoding': 'identity' } }, 400, 'query_malformed'],
    ['of another type', 'label', { headers: { 'content-type': 'application/json' } }, 400, 'query_malformed'],
    ['larger than any', 'label', { body: Buffer.alloc(4_000_000) }, 422, 'query_over_limit'],
    ['with 10,000 queries', 'label', { queries: Array.from({ length: 10_000 }, () => everything) }, 422, 'query_over_limit'],
    ['with a regex that is none', 'label', { queries: [{ ...WHOLE, matchers: [{ name: 'a', op: '=~', value: '(' }] }] }, 400, 'query_invalid'],
    ['with a regex of another language', 'label', { queries: [{ ...WHOLE, matchers: [{ name: 'a', op: '=~', value: '(?=a)' }] }] }, 400, 'query_invalid'],
    ['over all time', 'label', { queries: [{ ...everything, startMs: -(2 ** 53), endMs: 2 ** 53 }] }, 422, 'query_over_limit'],
    ['at a backend whose rules stand beside the query', 'label', { backend: 'vm' }, 422, 'query_unenforceable'],
    ['whose answer is too large', 'small', { queries: [everything] }, 422, 'query_over_limit'],
  ])('%s', async (_, tenant, asked, status, reason) => {
    const answer = await read(tenant, asked);
    expect([answer.status, answer.headers[REASON_HEADER]]).toEqual([status, reason]);
  });

  it('by GET', async () => {
    expect((await door.ask('label', '/query/main/api/v1/read')).status).toBe(405);
  });
});
