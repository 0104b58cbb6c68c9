import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { Pool } from 'undici';
import { pack, unpack } from '../../../src/remotewrite/snappy.js';
import { REMOTE_READ_HEADERS } from '../../../src/remoteread/request.js';
import { fetchRaw } from '../../support/http.js';
import type { HttpAnswer, HttpRequest } from '../../support/http.js';
import { exchangeRaw } from '../../support/raw-tls.js';
import { PASSWORD } from '../../support/world.js';
import { HTTP2 } from './http2.js';
import type { Http2Attack } from './http2.js';
import { MESSAGES } from './messages.js';
import { createOracle } from './oracle.js';
import type { Oracle } from './oracle.js';
import { FAMILIES } from './promql.js';
import { REQUESTS } from './requests.js';
import { CANARY, setStage, TENANTS } from './stage.js';
import type { Stage } from './stage.js';
import { WIRE } from './wire.js';

/**
 * Whatever a tenant asks, nothing of another's is in the answer, and nothing has reached the backend that is not held to the tenant's label. Where the answer is one, it
 * is that of a server without the others' data.
 */

let stage: Stage;
let oracle: Oracle;
/** For what is asked as HTTP libraries ask it: connections that stay open. */
let pool: Pool;

beforeAll(async () => {
  stage = await setStage();
  oracle = createOracle(stage.shared.url);
  const { tls = {} } = stage.world.request(undefined, '/');
  pool = new Pool(`https://127.0.0.1:${stage.world.gateway.ports.scrape}`, { connections: 2, connect: { ca: [tls.ca ?? ''].flat().map(String), servername: 'localhost' } });
}, 90_000);
afterAll(async () => {
  await pool.close();
  await stage[Symbol.asyncDispose]();
});

const basic = (tenant: string): string => `Basic ${Buffer.from(`${tenant}:${PASSWORD}`).toString('base64')}`;

async function send(tenant: string, path: string, more: Partial<HttpRequest> = {}): Promise<HttpAnswer> {
  return fetchRaw({ ...stage.world.request(undefined, '/'), target: `/query/main${path}`, ...more, headers: { authorization: basic(tenant), ...more.headers } });
}

/** All that a client gets to see of an answer. */
async function visible({ status, statusMessage, rawHeaders, headers, body, trailers }: HttpAnswer): Promise<string> {
  const unpacked = headers['content-encoding'] === 'snappy' ? await unpack(body, 1e8) : undefined;
  return [status, statusMessage, ...rawHeaders, JSON.stringify(trailers), body.toString('latin1'), unpacked?.ok === true ? unpacked.value.toString('latin1') : ''].join('\n');
}

async function expectNothingForeign(answer: string): Promise<void> {
  expect(answer).not.toMatch(CANARY);
  expect(await oracle.faults(stage.seen.take())).toEqual([]);
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const title = (text: string): string => (text.length > 100 ? `${JSON.stringify(text.slice(0, 100))}… (${text.length})` : JSON.stringify(text));

interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

async function query(tenant: string, endpoint: string, form: string): Promise<Answer> {
  const { statusCode, statusText, headers, body } = await pool.request({ method: 'POST', path: `/query/main/api/v1/${endpoint}`, headers: { ...FORM, authorization: basic(tenant), host: 'localhost' }, body: form });
  return { status: statusCode, head: `${statusText} ${JSON.stringify(headers)}`, body: await body.text() };
}

/** Of a successful answer; in one order, and without what is no part of the result. */
function resultOf(body: string): unknown {
  const { status, data }: { readonly status: string; readonly data?: { readonly resultType: string; readonly result: unknown } } = JSON.parse(body);
  if (status !== 'success' || data === undefined) return undefined;
  const { resultType, result } = data;
  const isList = Array.isArray(result) && (resultType === 'vector' || resultType === 'matrix');
  return { resultType, result: isList ? result.map((item) => JSON.stringify(item)).sort() : result };
}

describe('before the gateway stands', () => {
  it('a server that does tell everything', async () => {
    expect((await stage.shared.query('count({__name__=~".+"})')).length).toBe(1);
    for (const path of ['query?query=secret', 'metadata', 'rules', 'targets', 'status/config', 'label/token/values', `query_exemplars?query=requests_total&start=${stage.endS}&end=9e9`]) {
      expect((await fetchRaw({ url: `${stage.shared.url}/api/v1/${path}` })).body.toString()).toMatch(CANARY);
    }
  });

  it('an oracle that sees what is open', async () => {
    const asked = (url: string) => ({ method: 'GET', url, headers: {}, body: Buffer.alloc(0) });
    for (const url of ['/api/v1/query?query=secret', '/api/v1/query?query=x{ns="a"}+or+secret', '/api/v1/query?query=topk(scalar(secret),x{ns="a"})', '/api/v1/series', '/api/v1/series?match[]=x{ns="a"}&match[]=x', '/api/v1/status/config', '/api/v1/query?query=1&query=secret']) {
      expect(await oracle.faults([asked(encodeURI(decodeURI(url)))])).toHaveLength(1);
    }
    expect(await oracle.faults([asked('/api/v1/query?query=x%7Bns%3D%22a%22%7D')])).toEqual([]);
  });
});

describe.each(FAMILIES)('queries: $name', ({ queries }) => {
  it.each(queries.map((text) => ({ text, title: title(text) })))('$title', async ({ text }) => {
    const { endS } = stage;
    const evaluations = [
      ['query', { time: `${endS}` }],
      ['query_range', { start: `${endS - 600}`, end: `${endS}`, step: '60' }],
    ] as const;
    await Promise.all(TENANTS.map(async (tenant, index) => {
      const [endpoint, times] = evaluations[(index + text.length) % 2] ?? evaluations[0];
      const form = new URLSearchParams({ query: text, ...times }).toString();
      const through = await query(tenant, endpoint, form);
      expect(`${through.head}\n${through.body}`).not.toMatch(CANARY);
      if (through.status !== 200) return;
      const direct = await fetchRaw({ url: `${stage.own.url}/api/v1/${endpoint}`, method: 'POST', headers: FORM, body: form });
      expect(resultOf(through.body)).toEqual(resultOf(direct.body.toString()));
    }));
    expect(await oracle.faults(stage.seen.take())).toEqual([]);
  });
});

describe.each(REQUESTS)('requests: $family', ({ attacks }) => {
  it.each(attacks.map((attack) => ({ ...attack, title: title(attack.title) })))('$title', async ({ method, path, headers, body }) => {
    const tenant = TENANTS[path.length % TENANTS.length] ?? 'label';
    const more = { ...(method !== undefined && { method }), ...(headers !== undefined && { headers }), ...(body !== undefined && { body }) };
    let answer: string;
    try {
      answer = await visible(await send(tenant, path, { ...more, timeoutMs: 10_000 }));
    } catch (error) {
      // Node refuses to write it, or Envoy ends the connection: no answer at all.
      answer = String(error);
      expect(answer).not.toMatch(/Timeout/);
    }
    await expectNothingForeign(answer);
  });
});

describe('bytes', () => {
  it.each(WIRE.map((bytes) => ({ bytes, title: title(bytes) })))('$title', async ({ bytes }) => {
    const { tls } = stage.world.request(undefined, '/');
    const written = bytes.replaceAll('AUTH', `Authorization: ${basic('label')}\r\n`);
    // A connection that is cut is no answer either.
    await expectNothingForeign(await exchangeRaw({ host: '127.0.0.1', port: stage.world.gateway.ports.scrape, ...tls }, written, 400).catch(String));
  });
});

describe('by HTTP/2', () => {
  let session: ClientHttp2Session;
  beforeAll(() => {
    const { tls } = stage.world.request(undefined, '/');
    session = connect(`https://127.0.0.1:${stage.world.gateway.ports.scrape}`, { ...tls });
    session.on('error', () => undefined);
  });
  afterAll(() => session.destroy());

  /** A stream that is reset has no answer but its error; some of these Node itself does not send. */
  async function exchange({ headers, body }: Http2Attack): Promise<string> {
    try {
      const stream = session.request({ ':method': 'GET', ':authority': 'localhost', authorization: basic('label'), ...headers }, { endStream: body === undefined });
      if (body !== undefined) stream.end(body);
      let seen = '';
      stream.on('response', (head) => (seen += JSON.stringify(head)));
      stream.on('data', (chunk: Buffer) => (seen += chunk.toString('latin1')));
      stream.setTimeout(5000, () => stream.close());
      const failure = await new Promise<string>((resolve) => stream.on('error', (error: Error) => resolve(error.message)).on('close', () => resolve('')));
      return seen + failure;
    } catch (error) {
      return String(error);
    }
  }

  it.each(HTTP2)('$title', async (attack) => {
    const { tls } = stage.world.request(undefined, '/');
    if (session.destroyed || session.closed) {
      session = connect(`https://127.0.0.1:${stage.world.gateway.ports.scrape}`, { ...tls });
      session.on('error', () => undefined);
    }
    await expectNothingForeign(await exchange(attack));
  });
});

describe('remote reads', () => {
  async function read(tenant: string, body: Buffer): Promise<HttpAnswer> {
    return send(tenant, '/api/v1/read', { method: 'POST', headers: { ...REMOTE_READ_HEADERS, 'content-length': `${body.length}` }, body });
  }

  it.each(MESSAGES)('$title', async ({ message }) => {
    for (const tenant of TENANTS) await expectNothingForeign(await visible(await read(tenant, await pack(message))));
  });

  it.each([
    ['packed as something that it is not', Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0])],
    ['that would be gigabytes', Buffer.concat([Buffer.from([0x80, 0x80, 0x80, 0x80, 0x08]), Buffer.alloc(100)])],
    ['that is longer than it says', Buffer.from([0x01, 0x08, 0x61, 0x62, 0x63])],
    ['that is not packed', Buffer.from('0a040a020801', 'hex')],
    ['that is nothing', Buffer.alloc(0)],
  ])('one %s', async (_title, body) => {
    const answer = await read('label', body);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    await expectNothingForeign(await visible(answer));
  });
});

it('after all that, the server has lost nothing, and its own owner sees what is hers', async () => {
  expect(await stage.shared.query(`count(secret @ ${stage.endS})`)).toMatchObject([{ value: [expect.anything(), '2'] }]);
  const answer = await stage.world.ask('team-b', `/query/main/api/v1/query?query=secret&time=${stage.endS}`);
  expect(answer.body.toString()).toMatch(CANARY);
  expect((await fetchRaw({ url: `${stage.shared.url}/-/ready` })).status).toBe(200);
});
