import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { createTestPki, readPair } from '../../test/support/certificates.js';
import { startFakeGateway } from '../../test/support/fake-gateway.js';
import type { FakeGateway, FakeTunnel } from '../../test/support/fake-gateway.js';
import { freePort, portOf } from '../../test/support/ports.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import { silentLogger } from '../lib/logger.js';
import type { ServiceSpec } from '../model/agent-settings.js';
import { serviceAuthority } from '../tunnel/services.js';
import { startAgent } from './agent.js';
import type { Agent } from './agent.js';

/** What reaches a service of an agent, and what does not, whatever the gateway asks for. */

const stack = new AsyncDisposableStack();
let server: Server;
let gateway: FakeGateway;
let tunnel: FakeTunnel;
let agent: Agent;
let onRequest: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
let requests = 0;
const registry = new Registry();

beforeAll(async () => {
  const dir = stack.use(await createTempDir());
  const pki = await createTestPki(dir.join('pki'));
  const pair = await readPair(await pki.agent('site-a'));
  const ca = await readFile(pki.serverCaFile, 'utf8');
  server = createServer((request, response) => {
    requests += 1;
    onRequest(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  gateway = await startFakeGateway({ ...(await readPair(pki.gateway)), ca: await readFile(pki.agentsCaFile) });
  const service = (name: string, port: number, change: Partial<ServiceSpec> = {}): ServiceSpec => ({
    target: { name, scheme: 'http', host: '127.0.0.1', port, path: '/prom/', labels: {} },
    allow: [{ methods: ['GET', 'POST'], path: '/api/v1/query' }, { methods: ['GET'], path: '/api/v1/label/*' }, { methods: ['DELETE'], path: '/groups/*' }],
    timeoutMs: undefined,
    maxBodyBytes: undefined,
    maxRequestBytes: 1_000_000,
    tls: { caPem: undefined, client: undefined, serverName: undefined, insecureSkipVerify: false },
    headers: { authorization: 'Bearer of-the-agent' },
    ...change,
  });
  agent = startAgent(
    {
      gateways: [{ host: '127.0.0.1', port: gateway.port, serverName: 'localhost' }],
      credentials: async () => ({ certificate: pair.cert.toString(), key: pair.key.toString(), ca }),
      targets: [],
      services: [service('prometheus', portOf(server)), service('gone', await freePort()), service('quick', portOf(server), { timeoutMs: 150 })],
      maxConcurrentScrapes: 100,
      maxConnectionsPerTarget: 10,
      keepAlive: { intervalMs: 3500, timeoutMs: 8500 },
      reconnect: { baseMs: 10, maxMs: 50 },
      dialTimeoutMs: 5000,
    },
    { logger: silentLogger, registry },
  );
  tunnel = await gateway.tunnel();
});
afterAll(async () => {
  await gateway.close();
  await agent.drain();
  server.close();
  server.closeAllConnections();
  await stack.disposeAsync();
});

interface Answer {
  readonly status: number;
  readonly reason: string | undefined;
  readonly body: string;
}

async function ask(headers: Readonly<Record<string, string>>, body?: Buffer): Promise<Answer> {
  const stream = tunnel.session.request({ ':authority': serviceAuthority('prometheus'), ':path': '/api/v1/query', ...headers }, { endStream: body === undefined });
  stream.on('error', () => undefined);
  if (body !== undefined) stream.end(body);
  const [head]: readonly { readonly [name: string]: unknown }[] = await once(stream, 'response');
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(Buffer.from(part));
  const reason = head?.['x-scrapeway-reason'];
  return { status: Number(head?.[':status']), reason: typeof reason === 'string' ? reason : undefined, body: Buffer.concat(parts).toString() };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(Buffer.from(part));
  return Buffer.concat(parts).toString();
}

describe('a request to a service', () => {
  it('arrives with its method, path, query, body and length, and with the credentials of the agent in place of its own', async () => {
    const seen = Promise.withResolvers<unknown>();
    onRequest = (request, response) => {
      const { method, url, headers } = request;
      void (async () => {
        seen.resolve([method, url, headers.authorization, headers['x-scope-orgid'], headers['content-length'], headers.host, await textOf(request)]);
        response.writeHead(422, { 'content-type': 'application/json', 'x-scrapeway-reason': 'agent_away' }).end('{"status":"error"}');
      })();
    };
    const body = Buffer.from('query=up');
    const answer = await ask({ ':method': 'POST', ':path': '/api/v1/query?x=%22', authorization: 'Bearer of-the-gateway', 'x-scope-orgid': 'one', 'content-length': `${body.length}` }, body);
    expect(await seen.promise).toEqual(['POST', '/prom/api/v1/query?x=%22', 'Bearer of-the-agent', 'one', '8', `127.0.0.1:${portOf(server)}`, 'query=up']);
    // a service cannot speak for the agent
    expect(answer).toEqual({ status: 422, reason: undefined, body: '{"status":"error"}' });
  });

  it.each([
    ['a method that the rule does not name', { ':method': 'DELETE' }],
    ['a path without a rule', { ':path': '/api/v1/admin/tsdb/delete_series', ':method': 'POST' }],
    ['a path that climbs out of a prefix', { ':path': '/api/v1/label/../query_exemplars' }],
    ['an encoded one', { ':path': '/api/v1/label/%2e%2e/query_exemplars' }],
    ['an encoded slash', { ':path': '/api/v1/label/x%2f..%2fadmin' }],
    ['a path that only begins as one does', { ':path': '/api/v1/query_range' }],
    ['a method in lower case', { ':method': 'get' }],
    ['another method', { ':method': 'PATCH' }],
  ])('is refused for %s', async (_case, headers) => {
    const before = requests;
    onRequest = (_request, response) => response.end('reached');
    expect(await ask({ ':method': 'GET', ...headers })).toMatchObject({ status: 403, reason: 'agent_denied' });
    expect(requests).toBe(before);
  });

  it.each([
    ['service_unknown', 404, { ':authority': serviceAuthority('other') }],
    ['service_unknown', 404, { ':authority': '.service.' }],
    ['target_unknown', 404, { ':authority': 'prometheus' }],
    ['target_refused', 502, { ':authority': serviceAuthority('gone') }],
  ])('fails with %s', async (reason, status, headers) => {
    expect(await ask({ ':method': 'GET', ...headers })).toMatchObject({ status, reason });
  });

  it('cannot be made with CONNECT', async () => {
    const stream = tunnel.session.request({ ':method': 'CONNECT', ':authority': serviceAuthority('prometheus') }, { endStream: false });
    stream.on('error', () => undefined);
    const [head]: readonly { readonly [name: string]: unknown }[] = await once(stream, 'response');
    expect(head?.['x-scrapeway-reason']).toBe('target_unknown');
    stream.destroy();
  });

  it('fails with a reason when the service takes too long', async () => {
    onRequest = () => undefined;
    expect(await ask({ ':method': 'GET', ':authority': serviceAuthority('quick') })).toMatchObject({ status: 504, reason: 'target_timeout' });
  });

  it.each([
    ['that says its length', { 'content-length': '1000001' }],
    ['that does not', {}],
  ])('fails when its body is over the limit, a request %s; what of it has arrived is no whole request', async (_case, headers) => {
    let ended = false;
    onRequest = (request) => {
      request.on('end', () => {
        ended = true;
      });
      request.resume();
    };
    expect(await ask({ ':method': 'POST', ...headers }, Buffer.alloc(1_000_001))).toMatchObject({ status: 413, reason: 'service_request_too_large' });
    expect(ended).toBe(false);
  });

  it('waits for a service that reads late', async () => {
    onRequest = (request, response) => {
      setTimeout(() => void textOf(request).then((body) => response.end(`${body.length}`)), 100);
    };
    const body = Buffer.alloc(900_000, 'x');
    const stream = tunnel.session.request({ ':method': 'POST', ':authority': serviceAuthority('prometheus'), ':path': '/api/v1/query' }, { endStream: false });
    stream.end(body);
    let answer = '';
    for await (const part of stream) answer += Buffer.from(part).toString();
    expect(answer).toBe('900000');
  });

  it('is answered though the service has not read its body', async () => {
    onRequest = (_request, response) => response.writeHead(400).end('no');
    expect(await ask({ ':method': 'POST' }, Buffer.alloc(900_000))).toMatchObject({ status: 400, body: 'no' });
  });

  it('ends at the service when the gateway gives it up', async () => {
    const closed = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    onRequest = (request) => {
      request.once('close', () => closed.resolve());
      arrived.resolve();
    };
    const stream = tunnel.session.request({ ':method': 'GET', ':authority': serviceAuthority('prometheus'), ':path': '/api/v1/query' });
    stream.on('error', () => undefined);
    await arrived.promise;
    stream.close(8);
    await closed.promise;
    expect(await registry.metrics()).toContain('scrapeway_agent_service_requests_total{service="prometheus",outcome="cancelled"} 1');
  });

  it('may have no body and change something', async () => {
    onRequest = (request, response) => response.writeHead(202).end(`${request.method} ${request.url}`);
    expect(await ask({ ':method': 'DELETE', ':path': '/groups/x' })).toEqual({ status: 202, reason: undefined, body: 'DELETE /prom/groups/x' });
  });
});

describe('what an agent registers', () => {
  it('has no services in it', async () => {
    expect(await tunnel.message()).toEqual({ type: 'targets', revision: expect.any(Number), targets: [] });
  });
});
