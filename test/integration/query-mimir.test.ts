import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { REASON_HEADER } from '../../src/model/reasons.js';
import { encodeReadRequest, REMOTE_READ_HEADERS } from '../../src/remoteread/request.js';
import { pack } from '../../src/remotewrite/snappy.js';
import { portOf } from '../support/ports.js';
import { queryState, startQueryDoor } from '../support/query-door.js';
import type { QueryDoor } from '../support/query-door.js';

/** Rules in a header: what a Mimir would be sent, which enforces them itself. */

const HEADER = 'x-prom-label-policy';
const asked: { readonly path: string; readonly form: string; readonly policies: readonly string[] }[] = [];

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString('latin1');
}

async function record(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const form = await bodyOf(request);
  asked.push({ path: request.url ?? '', form: new URLSearchParams(form).get('query') ?? '', policies: request.headersDistinct[HEADER] ?? [] });
  response.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"success","data":{"resultType":"matrix","result":[]}}');
}

const server = createServer((request, response) => {
  void record(request, response);
});
let door: QueryDoor;

const NOW = Math.floor(Date.now() / 60_000) * 60;
const RANGE = `start=${NOW - 7200}&end=${NOW - 3600}&step=60`;
const grant = (metrics: readonly string[], ns: string) => [{ backends: undefined, metrics, labels: { ns } }];

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${portOf(server)}`;
  const state = queryState(
    [{ name: 'main', url, union: 'policy_header', headers: { 'X-Scope-OrgID': 'shop|bank' } }, { name: 'one', url, union: 'policy_header', headers: { 'x-scope-orgid': 'shop' } }],
    [{ name: 'two-rules', query: grant(['x', '{pod=~"ä, .+"}'], 'a') }, { name: 'other', query: grant(['x'], 'b') }, { name: 'nothing', query: grant([], 'a') }, { name: 'verbose', query: grant(Array.from({ length: 2000 }, (_, number) => `metric_number_${number}`), 'a') }],
  );
  door = await startQueryDoor(state, { maxBytes: 1e6 });
});
afterAll(async () => {
  await door[Symbol.asyncDispose]();
  server.close();
  server.closeAllConnections();
});
beforeEach(() => {
  asked.length = 0;
});

const RULES = ['{__name__="x",ns="a"}', '{pod=~"ä, .+",ns="a"}'];

function decoded(policies: readonly string[]): readonly string[] {
  return policies.flatMap((line) => line.split(',')).map((policy) => decodeURIComponent(policy.trim()));
}

describe('each request has all rules for each of the tenants of Mimir', () => {
  it.each([
    'query?query=up', `query_range?query=up&${RANGE}`, 'query_exemplars?query=x', 'series?match[]=x', 'labels', 'label/ns/values', 'rules', 'alerts', 'metadata', 'targets', 'search/label_names',
  ])('%s', async (path) => {
    await door.ask('two-rules', `/query/main/api/v1/${path}`, { headers: { [HEADER]: 'shop:%7B%7D', 'x-scope-orgid': 'foreign' } });
    expect(asked.length).toBeGreaterThan(0);
    for (const { policies } of asked) expect(decoded(policies)).toEqual(['shop', 'bank'].flatMap((tenant) => RULES.map((rule) => `${tenant}:${rule}`)));
  });

  it('read', async () => {
    const body = await pack(encodeReadRequest({ queries: [{ startMs: 0, endMs: 1, matchers: [] }], responseTypes: ['samples'] }));
    await door.ask('two-rules', '/query/one/api/v1/read', { method: 'POST', headers: { ...REMOTE_READ_HEADERS, 'content-length': `${body.length}` }, body });
    expect(asked.map(({ policies }) => decoded(policies))).toEqual([RULES.map((rule) => `shop:${rule}`)]);
  });
});

it('a query leaves as it was understood', async () => {
  await door.post('two-rules', '/query/one/api/v1/query', { query: 'rate({__name__=~"a|b"}[5m]) # and so on' });
  expect(asked.map(({ form }) => form)).toEqual(['rate({__name__=~"a|b"}[5m])']);
});

it('no rules are a rule that allows nothing, never no header', async () => {
  await door.ask('nothing', '/query/one/api/v1/query?query=up');
  expect(asked.map(({ policies }) => decoded(policies))).toEqual([['shop:{__scrapeway_denied__="1",__scrapeway_denied__="2"}']]);
});

it('rules that fit into no header are an error that says so', async () => {
  const answer = await door.ask('verbose', '/query/one/api/v1/query?query=up');
  expect([answer.status, answer.headers[REASON_HEADER], asked.length]).toEqual([422, 'query_over_limit', 0]);
});

it('what is kept of one set of rules is not given to another', async () => {
  for (const tenant of ['two-rules', 'two-rules', 'other']) await door.ask(tenant, `/query/one/api/v1/query_range?query=up&${RANGE}`);
  expect(asked.map(({ policies }) => policies.length > 0 && decoded(policies)[0])).toEqual([`shop:${RULES[0]}`, 'shop:{__name__="x",ns="b"}']);
  door.service.setState(queryState([{ name: 'one', url: `http://127.0.0.1:${portOf(server)}`, union: 'policy_header', headers: { 'x-scope-orgid': 'shop' } }], [{ name: 'other', query: grant(['y'], 'b') }]));
  await door.ask('other', `/query/one/api/v1/query_range?query=up&${RANGE}`);
  expect(asked).toHaveLength(3);
});
