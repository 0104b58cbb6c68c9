import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, Server, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { createTestPki, readPair } from '../../test/support/certificates.js';
import { eventually } from '../../test/support/eventually.js';
import { fetchRaw } from '../../test/support/http.js';
import type { HttpAnswer } from '../../test/support/http.js';
import { portOf } from '../../test/support/ports.js';
import { pushTarget, startPushRig, TENANT_HEADER } from '../../test/support/push-rig.js';
import type { PushRig, PushRigOptions } from '../../test/support/push-rig.js';
import { labelsOf } from '../../test/support/remote-write-messages.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import { encodeSeries } from '../remotewrite/encode.js';
import { protocolHeaders } from '../remotewrite/protocol.js';
import { pack, unpack } from '../remotewrite/snappy.js';
import { DEFAULT_PUSH_LIMITS } from './options.js';
import type { PushTarget } from '../model/desired-state.js';

/** The door before a backend that does as it is told. What the data means to a real one: test/integration/push-*.test.ts. */

interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

let backend: Server;
let received: Received[];
let reply: (response: ServerResponse) => void;
let backendUrl: string;
const rigs: PushRig[] = [];

function answering(status: number, headers: OutgoingHttpHeaders = {}, body = ''): (response: ServerResponse) => void {
  return (response) => response.writeHead(status, headers).end(body);
}

async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  const parts: AsyncIterable<Buffer> = request;
  for await (const chunk of parts) chunks.push(chunk);
  received.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks) });
  reply(response);
}

beforeEach(async () => {
  received = [];
  reply = answering(204);
  backend = createServer((request, response) => void take(request, response));
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');
  backendUrl = `http://127.0.0.1:${portOf(backend)}/api/v1/write`;
});
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig[Symbol.asyncDispose]();
  backend.close();
  backend.closeAllConnections();
});

async function door(over: Partial<PushTarget> = {}, options: Partial<PushRigOptions> = {}): Promise<PushRig> {
  const rig = await startPushRig({ targets: [pushTarget({ url: backendUrl, ...over })], ...options });
  rigs.push(rig);
  return rig;
}

const BODY = pack(encodeSeries('1', [{ labels: [{ name: '__name__', value: 'up' }], samples: [{ value: 1, timestampMs: 1 }], histograms: [], exemplars: [] }]));

async function write(rig: PushRig, over: { readonly body?: Buffer; readonly headers?: Readonly<Record<string, string>>; readonly path?: string; readonly method?: string } = {}): Promise<HttpAnswer> {
  const { body = await BODY, headers = {}, path = '/push/backend/api/v1/write', method = 'POST' } = over;
  return fetchRaw({ url: `${rig.url}${path}`, method, headers: { ...protocolHeaders('1'), 'user-agent': 'agent/1', ...headers }, body });
}

describe('the backend', () => {
  it('gets its own headers and the protocol’s, and nothing else of the sender’s', async () => {
    const rig = await door({ headers: { Authorization: 'Bearer ours', 'X-Scope-OrgID': 'org', 'Content-Type': 'text/html', 'user-agent': 'mine' } });
    await write(rig, { headers: { authorization: 'Basic theirs', cookie: 'a=b', 'retry-attempt': '3', 'x-scope-orgid': 'other' } });
    expect(received).toMatchObject([
      {
        method: 'POST',
        url: '/api/v1/write',
        headers: { authorization: 'Bearer ours', 'x-scope-orgid': 'org', ...protocolHeaders('1'), 'user-agent': 'agent/1', 'retry-attempt': '3' },
      },
    ]);
    expect(Object.keys(received[0]?.headers ?? {}).filter((name) => ['cookie', TENANT_HEADER].includes(name))).toEqual([]);
  });

  it('is reached by TLS with the CA that is configured, and only with that', async () => {
    await using dir = await createTempDir();
    const pki = await createTestPki(dir.path);
    const server = createHttpsServer(await readPair(pki.gateway), (request, response) => void take(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `https://localhost:${portOf(server)}/w`;
    expect(await write(await door({ url, caPem: await readFile(pki.serverCaFile, 'utf8') }))).toMatchObject({ status: 204 });
    expect(await write(await door({ url }))).toMatchObject({ status: 502, headers: { 'x-scrapeway-reason': 'push_backend_unreachable' } });
    server.close();
    server.closeAllConnections();
  });

  it.each<readonly [string, (response: ServerResponse) => void, number, string | undefined, OutgoingHttpHeaders]>([
    ['200', answering(200), 200, undefined, {}],
    ['204 with what was written', answering(204, { 'x-prometheus-remote-write-samples-written': '1' }), 204, undefined, { 'x-prometheus-remote-write-samples-written': '1' }],
    ['400', answering(400, {}, 'out of order'), 400, 'push_rejected', {}],
    ['409', answering(409), 409, 'push_rejected', {}],
    ['413', answering(413), 413, 'push_too_large', {}],
    ['415', answering(415), 415, 'push_unsupported', {}],
    ['422', answering(422), 422, 'push_rejected', {}],
    ['429', answering(429, { 'retry-after': '17' }), 429, 'rate_limited', { 'retry-after': '17' }],
    ['500', answering(500), 503, 'push_backend_failed', {}],
    ['503 and when to come back', answering(503, { 'retry-after': '5' }), 503, 'push_backend_failed', { 'retry-after': '5' }],
    ['401, which is ours to mend', answering(401), 502, 'push_backend_refused', {}],
    ['403, which is too', answering(403), 502, 'push_backend_refused', {}],
    ['404, which is too', answering(404), 502, 'push_backend_refused', {}],
    ['a redirect', answering(302, { location: 'http://127.0.0.1:1/' }), 502, 'push_backend_refused', {}],
    ['nothing', (response) => response.socket?.destroy(), 502, 'push_backend_unreachable', {}],
  ])('answers %s', async (_, its, status, reason, headers) => {
    reply = its;
    const answer = await write(await door());
    expect(answer).toMatchObject({ status, headers });
    expect(answer.headers['x-scrapeway-reason']).toBe(reason);
  });

  it('that hangs is not waited for longer than the deadline', async () => {
    reply = () => undefined;
    expect(await write(await door({ timeoutMs: 100 }))).toMatchObject({ status: 504, headers: { 'x-scrapeway-reason': 'push_timeout' } });
  });

  it('hears that the sender has gone', async () => {
    const ended = new Promise<void>((resolve) => {
      reply = (response) => response.once('close', resolve);
    });
    const rig = await door();
    const controller = new AbortController();
    const sent = fetchRaw({ url: `${rig.url}/push/backend/api/v1/write`, method: 'POST', headers: protocolHeaders('1'), body: await BODY, signal: controller.signal });
    await eventually(() => expect(received).toHaveLength(1));
    controller.abort();
    await expect(sent).rejects.toThrow();
    await ended;
    await eventually(async () => expect(await rig.registry.metrics()).toContain('scrapeway_push_requests_total{tenant="team-a",target="backend",result="gone"} 1'));
  });
});

describe('a push', () => {
  it.each([
    ['of a target that is not there', '/push/other/api/v1/write', 'POST', 403],
    ['of another tenant’s target', '/push/theirs/api/v1/write', 'POST', 403],
    ['to another path', '/push/backend/api/v1/query', 'POST', 403],
    ['to another door', '/pull/backend/api/v1/write', 'POST', 403],
    ['that is none', '/push/backend/api/v1/write', 'PUT', 405],
  ])('%s goes nowhere', async (_, path, method, status) => {
    const rig = await door({}, { targets: ['backend', 'theirs'].map((name) => pushTarget({ name, url: backendUrl })), tenants: { 'team-a': ['backend'], 'team-b': ['theirs'] } });
    expect(await write(rig, { path, method })).toMatchObject({ status });
    expect(received).toEqual([]);
  });

  it.each([
    ['that is not snappy', { body: Buffer.from('hello') }, 400, 'push_malformed'],
    ['that is another encoding', { headers: { 'content-encoding': 'gzip' } }, 415, 'push_unsupported'],
    ['that is JSON', { headers: { 'content-type': 'application/json' } }, 415, 'push_unsupported'],
    ['larger than its head may say', { body: Buffer.alloc(1025) }, 413, 'push_too_large'],
    ['larger than it may be, in pieces', { body: Buffer.alloc(1025), headers: { 'transfer-encoding': 'chunked' } }, 413, 'push_too_large'],
    ['that unpacks to more than it may', { body: Buffer.from([0x81, 0x80, 0x04, 0]) }, 413, 'push_too_large'],
  ])('%s is refused', async (_, over, status, reason) => {
    const rig = await door({ maxBodyBytes: 1024 });
    expect(await write(rig, over)).toMatchObject({ status, headers: { 'x-scrapeway-reason': reason } });
    expect(received).toEqual([]);
  });

  it('that comes too slowly is told so', async () => {
    const rig = await door({ timeoutMs: 100 });
    const socket = connect(Number(new URL(rig.url).port), '127.0.0.1');
    socket.write('POST /push/backend/api/v1/write HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\nContent-Length: 10\r\n\r\nabc');
    const [answer]: Buffer[] = await once(socket, 'data');
    expect(answer?.toString()).toMatch(/^HTTP\/1\.1 504 [^]*push_timeout/);
    socket.destroy();
  });

  it('is counted', async () => {
    const rig = await door();
    await write(rig);
    const metrics = await rig.registry.metrics();
    for (const line of ['requests_total{tenant="team-a",target="backend",result="ok"} 1', 'series_total{tenant="team-a",target="backend"} 1', 'samples_total{tenant="team-a",target="backend"} 1']) {
      expect(metrics).toContain(`scrapeway_push_${line}`);
    }
    expect(metrics).toContain('scrapeway_push_under_way 0');
  });
});

describe('limits', () => {
  it('of one tenant’s rate are no other’s', async () => {
    const rig = await door({}, { limits: { ...DEFAULT_PUSH_LIMITS, requestsPerSecond: 0.5 } });
    expect((await write(rig)).status).toBe(204);
    expect(await write(rig)).toMatchObject({ status: 429, headers: { 'retry-after': '1', 'x-scrapeway-reason': 'rate_limited' } });
    expect((await write(rig, { headers: { [TENANT_HEADER]: 'team-b' } })).status).toBe(204);
  });

  it('of pushes under way come free with their answers', async () => {
    const waiting: ServerResponse[] = [];
    reply = (response) => void waiting.push(response);
    const rig = await door({}, { limits: { ...DEFAULT_PUSH_LIMITS, concurrentPerTenant: 1 } });
    const first = write(rig);
    await eventually(() => expect(waiting).toHaveLength(1));
    expect(await write(rig)).toMatchObject({ status: 503, headers: { 'retry-after': '1', 'x-scrapeway-reason': 'push_busy' } });
    reply = answering(204);
    waiting[0]?.writeHead(204).end();
    expect((await first).status).toBe(204);
    expect((await write(rig)).status).toBe(204);
  });

  it('of memory count what a push would unpack to', async () => {
    const rig = await door({}, { limits: { ...DEFAULT_PUSH_LIMITS, inFlightBytes: 100_000 } });
    expect(await write(rig, { body: await pack(Buffer.alloc(40_000)) })).toMatchObject({ status: 503, headers: { 'x-scrapeway-reason': 'push_busy' } });
    expect((await write(rig)).status).toBe(204);
  });

  it('of a Pushgateway’s bodies hold for what gzip unpacks to', async () => {
    const rig = await door({ kind: 'pushgateway', maxBodyBytes: 1024 });
    const body = gzipSync(`some 1\n${' '.repeat(10_000)}`);
    expect(await write(rig, { path: '/push/backend/metrics/job/a', body, headers: { 'content-encoding': 'gzip' } })).toMatchObject({ status: 413 });
    expect(received).toEqual([]);
  });
});

describe('another configuration', () => {
  it('holds from the next push on', async () => {
    const rig = await door();
    await write(rig);
    rig.push.configure({ targets: [pushTarget({ url: backendUrl, tenantLabel: 'namespace' })], tenants: new Map([['team-a', []], ['team-b', ['backend']]]) });
    expect((await write(rig)).status).toBe(403);
    expect((await write(rig, { headers: { [TENANT_HEADER]: 'team-b' } })).status).toBe(204);
    expect(received).toHaveLength(2);
    const written = await unpack(received[1]?.body ?? Buffer.alloc(0), 1000);
    expect(written.ok ? labelsOf(1, written.value) : written).toEqual([['__name__=up', 'namespace=team-b']]);
  });
});
