import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { Registry } from 'prom-client';
import { createTestPki, readPair } from '../../test/support/certificates.js';
import type { TestPki } from '../../test/support/certificates.js';
import { eventually } from '../../test/support/eventually.js';
import { startExporter, textAnswer } from '../../test/support/exporter.js';
import type { Behaviour, Exporter } from '../../test/support/exporter.js';
import { startFaultProxy } from '../../test/support/fault-proxy.js';
import type { FaultProxy } from '../../test/support/fault-proxy.js';
import { startFakeGateway } from '../../test/support/fake-gateway.js';
import type { FakeGateway, FakeTunnel } from '../../test/support/fake-gateway.js';
import { freePort } from '../../test/support/ports.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import type { TempDir } from '../../test/support/temp-dir.js';
import { silentLogger } from '../lib/logger.js';
import { startAgent } from './agent.js';
import type { Agent } from './agent.js';
import type { TargetSpec, TlsCredentials } from '../model/agent-settings.js';
import type { AgentOptions } from './options.js';

let dir: TempDir;
let pki: TestPki;
let credentials: TlsCredentials;
let server: { readonly cert: Buffer; readonly key: Buffer; readonly ca: Buffer };

beforeAll(async () => {
  dir = await createTempDir();
  pki = await createTestPki(dir.join('pki'));
  const agent = await readPair(await pki.agent('site-a'));
  credentials = { certificate: agent.cert.toString(), key: agent.key.toString(), ca: await readFile(pki.serverCaFile, 'utf8') };
  server = { ...(await readPair(pki.gateway)), ca: await readFile(pki.agentsCaFile) };
});
afterAll(async () => {
  await dir[Symbol.asyncDispose]();
});

/** A target named `t`; `change` for what the test is about. */
function spec(port: number, change: Partial<TargetSpec> = {}): TargetSpec {
  return {
    target: { name: 't', scheme: 'http', host: '127.0.0.1', port, path: '/metrics', labels: {} },
    allowedPaths: ['/metrics'],
    timeoutMs: undefined,
    maxBodyBytes: undefined,
    tls: { caPem: undefined, client: undefined, serverName: undefined, insecureSkipVerify: false },
    headers: {},
    ...change,
  };
}

interface Site extends AsyncDisposable {
  readonly gateway: FakeGateway;
  readonly agent: Agent;
  readonly tunnel: FakeTunnel;
  readonly metrics: () => Promise<string>;
}

/** `between` may put something between agent and gateway: it gets the gateway's port, and returns the one to dial. */
async function startSite(targets: readonly TargetSpec[], change: Partial<AgentOptions> = {}, between = async (port: number): Promise<number> => port): Promise<Site> {
  const gateway = await startFakeGateway(server);
  const registry = new Registry();
  const agent = startAgent(
    {
      gateways: [{ host: '127.0.0.1', port: await between(gateway.port), serverName: 'localhost' }],
      credentials: async () => credentials,
      targets,
      maxConcurrentScrapes: 100,
      maxConnectionsPerTarget: 10,
      keepAlive: { intervalMs: 3500, timeoutMs: 8500 },
      reconnect: { baseMs: 10, maxMs: 50 },
      dialTimeoutMs: 5000,
      ...change,
    },
    { logger: silentLogger, registry },
  );
  const tunnel = await gateway.tunnel();
  await tunnel.message(); // the first registration
  return {
    gateway,
    agent,
    tunnel,
    metrics: () => registry.metrics(),
    [Symbol.asyncDispose]: async () => {
      // the gateway first: a drain would wait for the scrapes that a test left hanging
      await gateway.close();
      await agent.drain();
    },
  };
}

/** A site with one exporter. */
async function startSiteWith(behaviour: Behaviour, change: Partial<TargetSpec> = {}): Promise<Site & { readonly exporter: Exporter }> {
  const exporter = await startExporter({ behaviour });
  const site = await startSite([spec(exporter.port, change)]);
  return {
    ...site,
    exporter,
    [Symbol.asyncDispose]: async () => {
      await site[Symbol.asyncDispose]();
      await exporter.close();
    },
  };
}

const target = { ':authority': 't' };

describe('a scrape passes through unchanged', () => {
  it.each<[string, Behaviour & { kind: 'answer' }]>([
    ['text', { kind: 'answer', headers: { 'content-type': 'text/plain; version=0.0.4', 'x-own': 'yes' }, body: Buffer.from('a 1\n') }],
    ['gzip', { kind: 'answer', headers: { 'content-encoding': 'gzip' }, body: gzipSync(randomBytes(6000)) }],
    ['every byte value, chunked', { kind: 'answer', body: Buffer.from(Array.from({ length: 256 }, (_, i) => i)), chunked: true }],
    ['an empty body', { kind: 'answer', body: Buffer.alloc(0) }],
    ['an error of the target', { kind: 'answer', status: 500, body: Buffer.from('broken') }],
    ['a redirect, not followed', { kind: 'answer', status: 302, headers: { location: 'http://127.0.0.1:1/' }, body: Buffer.alloc(0) }],
    ['5 MB', { kind: 'answer', body: randomBytes(5_000_000) }],
  ])('%s', async (_, behaviour) => {
    await using site = await startSiteWith(behaviour);
    const answer = await site.tunnel.scrape(target);
    expect(answer.status).toBe(behaviour.status ?? 200);
    expect(answer.body.equals(behaviour.body)).toBe(true);
    for (const [name, value] of Object.entries(behaviour.headers ?? {})) expect(answer.headers[name]).toBe(value);
    expect(answer.headers['transfer-encoding']).toBeUndefined();
    expect(answer.headers.connection).toBeUndefined();
  });

  it('HEAD has the headers and no body', async () => {
    await using site = await startSiteWith({ kind: 'answer', body: Buffer.from('12345') });
    const answer = await site.tunnel.scrape({ ...target, ':method': 'HEAD' });
    expect([answer.status, answer.headers['content-length'], answer.body.length]).toEqual([200, '5', 0]);
    expect(site.exporter.requests[0]?.method).toBe('HEAD');
  });

  it('trailers that the target announced', async () => {
    await using site = await startSiteWith({ kind: 'answer', headers: { trailer: 'x-sum' }, body: Buffer.from('a 1\n'), trailers: { 'x-sum': '7' } });
    const answer = await site.tunnel.scrape(target);
    expect([answer.body.toString(), answer.trailers?.['x-sum']]).toEqual(['a 1\n', '7']);
  });

  it('the client\'s headers reach the target, but for hop-by-hop and internal ones; the time-out is what is left', async () => {
    await using site = await startSiteWith(textAnswer(), { headers: { 'X-Site': 'own' } });
    await site.tunnel.scrape({ ...target, ':path': '/metrics?a=1&b=%2F', accept: 'x/y', authorization: 'Bearer exporter', 'x-site': 'spoofed', 'x-scrapeway-tenant': 'a', te: 'trailers', 'x-prometheus-scrape-timeout-seconds': '10', 'x-scrapeway-timeout-ms': '4000' });
    const [request] = site.exporter.requests;
    expect(request?.url).toBe('/metrics?a=1&b=%2F');
    expect(request?.headers).toMatchObject({ accept: 'x/y', authorization: 'Bearer exporter', 'x-site': 'own', host: `127.0.0.1:${site.exporter.port}` });
    expect(request?.headers).not.toHaveProperty('te');
    expect(Object.keys(request?.headers ?? {}).filter((name) => name.startsWith('x-scrapeway'))).toEqual([]);
    expect(Number(request?.headers['x-prometheus-scrape-timeout-seconds'])).toBeCloseTo(3.8, 1);
  });

  it('an exporter cannot speak in our name', async () => {
    await using site = await startSiteWith({ kind: 'answer', headers: { 'X-Scrapeway-Reason': 'agent_away' }, body: Buffer.from('') });
    expect((await site.tunnel.scrape(target)).headers).not.toHaveProperty('x-scrapeway-reason');
  });
});

describe('a target that fails gives one reason', () => {
  it.each([
    ['resets', { kind: 'reset' }, 502, 'target_reset'],
    ['answers garbage', { kind: 'garbage', bytes: Buffer.from('SSH-2.0-OpenSSH\r\n') }, 502, 'target_garbage'],
    ['answers a header with a control character', { kind: 'garbage', bytes: Buffer.from('HTTP/1.1 200 OK\r\nx: a\u0001b\r\n\r\n') }, 502, 'target_garbage'],
    ['hangs', { kind: 'hang' }, 504, 'target_timeout'],
  ] satisfies [string, Behaviour, number, string][])('that %s', async (_, behaviour, status, reason) => {
    await using site = await startSiteWith(behaviour);
    const answer = await site.tunnel.scrape({ ...target, 'x-scrapeway-timeout-ms': reason === 'target_timeout' ? '300' : '30000' });
    expect([answer.status, answer.headers['x-scrapeway-reason']]).toEqual([status, reason]);
    expect(answer.body.toString()).toMatch(/^scrapeway: .*\n$/);
    expect(await site.metrics()).toContain(`scrapeway_agent_target_failures_total{target="t",reason="${reason}"} 1`);
  });

  it('that refuses', async () => {
    await using site = await startSite([spec(await freePort())]);
    expect((await site.tunnel.scrape(target)).headers['x-scrapeway-reason']).toBe('target_refused');
  });

  it.each([
    ['a name that does not resolve', { host: 'no-such-host.invalid' }, 'target_dns'],
    ['TLS to a server without it', { scheme: 'https' }, 'target_tls'],
  ] as const)('with %s', async (_, change, reason) => {
    const exporter = await startExporter();
    await using site = await startSite([spec(exporter.port, { target: { ...spec(exporter.port).target, ...change } })]);
    expect((await site.tunnel.scrape(target)).headers['x-scrapeway-reason']).toBe(reason);
    await exporter.close();
  });

  it('with a certificate of a CA that the target\'s settings do not name, and none when they do', async () => {
    const exporter = await startExporter({ tls: server });
    const https = { ...spec(exporter.port).target, scheme: 'https', host: 'localhost' } as const;
    const trusting = { caPem: credentials.ca, client: undefined, serverName: undefined, insecureSkipVerify: false };
    await using site = await startSite([spec(exporter.port, { target: https }), spec(exporter.port, { target: { ...https, name: 'trusted' }, tls: trusting })]);
    expect((await site.tunnel.scrape(target)).headers['x-scrapeway-reason']).toBe('target_tls');
    expect((await site.tunnel.scrape({ ':authority': 'trusted' })).status).toBe(200);
    await exporter.close();
  });

  it.each([
    ['breaks off', { kind: 'break-off', body: randomBytes(100_000), afterBytes: 50_000 }],
    ['is too slow for the deadline', { kind: 'drip', body: randomBytes(100_000), pieceBytes: 100, everyMs: 50 }],
  ] satisfies [string, Behaviour][])('in the middle of the body that %s: the stream is reset, never ended', async (_, behaviour) => {
    await using site = await startSiteWith(behaviour);
    await expect(site.tunnel.scrape({ ...target, 'x-scrapeway-timeout-ms': '400' })).rejects.toThrow(/NGHTTP2_INTERNAL_ERROR/);
  });

  it('over the size limit: told before the body where the length is known, reset in the body where not', async () => {
    await using known = await startSiteWith({ kind: 'answer', body: randomBytes(2000) }, { maxBodyBytes: 1000 });
    expect((await known.tunnel.scrape(target)).headers['x-scrapeway-reason']).toBe('target_too_large');
    await using unknown = await startSiteWith({ kind: 'flood' }, { maxBodyBytes: 1_000_000 });
    await expect(unknown.tunnel.scrape(target)).rejects.toThrow(/NGHTTP2_INTERNAL_ERROR/);
    await eventually(() => expect(unknown.exporter.requests[0]?.outcome).toBe('cancelled'));
  });
});

describe('the agent has the last word', () => {
  it.each([
    ['a target that is not in its file', { ':authority': 'other' }, 'target_unknown'],
    ['a path that is not listed', { ...target, ':path': '/debug/pprof' }, 'agent_denied'],
    ['a path that climbs out', { ...target, ':path': '/metrics/../admin' }, 'agent_denied'],
    ['POST', { ...target, ':method': 'POST' }, 'agent_denied'],
  ])('refuses %s without dialling', async (_, headers, reason) => {
    await using site = await startSiteWith(textAnswer());
    expect((await site.tunnel.scrape(headers)).headers['x-scrapeway-reason']).toBe(reason);
    expect(site.exporter.requests).toEqual([]);
  });

  it('refuses an absolute URL as path: a malformed request (RFC 9113 §8.3.1), without dialling', async () => {
    await using site = await startSiteWith(textAnswer(), { allowedPaths: ['*'] });
    await expect(site.tunnel.scrape({ ...target, ':path': 'http://other/metrics' })).rejects.toThrow(/NGHTTP2_PROTOCOL_ERROR/);
    expect(site.exporter.requests).toEqual([]);
    expect((await site.tunnel.scrape(target)).status).toBe(200);
  });

  it('refuses more scrapes at once than it may have', async () => {
    const exporter = await startExporter({ behaviour: { kind: 'hang' } });
    await using site = await startSite([spec(exporter.port)], { maxConcurrentScrapes: 2 });
    const hanging = [site.tunnel.open(target), site.tunnel.open(target)];
    for (const stream of hanging) stream.on('error', () => undefined);
    await eventually(() => expect(exporter.requests).toHaveLength(2));
    expect((await site.tunnel.scrape(target)).headers['x-scrapeway-reason']).toBe('agent_overloaded');
    for (const stream of hanging) stream.close(8);
    await exporter.close();
  });
});

describe('the gateway goes away in the middle', () => {
  it('a reset of the stream ends the request at the target', async () => {
    await using site = await startSiteWith({ kind: 'hang' });
    const stream = site.tunnel.open(target);
    stream.on('error', () => undefined);
    await eventually(() => expect(site.exporter.requests).toHaveLength(1));
    stream.close(8);
    await eventually(() => expect(site.exporter.requests[0]?.outcome).toBe('cancelled'));
    await eventually(async () => expect(await site.metrics()).toContain('scrapeway_agent_scrapes_total{outcome="cancelled"} 1'));
  });

  it('an endless body stops at the reader\'s window, and ends with the tunnel', async () => {
    await using site = await startSiteWith({ kind: 'flood' });
    const stream = site.tunnel.open(target);
    stream.on('error', () => undefined);
    await once(stream, 'response');
    stream.pause();
    let before = -1;
    await eventually(
      () => {
        const sent = site.exporter.requests[0]?.sentBytes ?? 0;
        const moved = sent !== before;
        before = sent;
        if (moved) throw new Error('still moving');
      },
      { intervalMs: 200 },
    );
    expect(before).toBeLessThan(16 * 1024 * 1024);
    site.tunnel.socket.destroy();
    await eventually(() => expect(site.exporter.requests[0]?.outcome).toBe('cancelled'));
  });
});

describe('the tunnel', () => {
  it('is opened with a handshake that carries no name', async () => {
    await using site = await startSiteWith(textAnswer());
    expect(site.gateway.handshakes[0]).toMatch(/^GET \/tunnel HTTP\/1\.1\r\n.*upgrade: scrapeway-tunnel\r\n/is);
    expect(site.gateway.handshakes[0]).not.toContain('site-a');
  });

  it('registers targets, and again when they change; connections of unchanged targets stay', async () => {
    await using site = await startSiteWith(textAnswer());
    expect(site.agent.connectedGateways()).toBe(0);
    site.tunnel.say({ type: 'registered', revision: 1, accepted: 1, faults: [] });
    await eventually(() => expect(site.agent.connectedGateways()).toBe(1));
    site.agent.setTargets([spec(site.exporter.port), spec(site.exporter.port, { target: { ...spec(1).target, name: 'two' } })]);
    expect(await site.tunnel.message()).toMatchObject({ type: 'targets', revision: 2, targets: [{ name: 't' }, { name: 'two' }] });
  });

  it('comes back after it was cut, with the same instance', async () => {
    await using site = await startSiteWith(textAnswer());
    site.tunnel.socket.destroy();
    const again = await site.gateway.tunnel();
    expect(await again.message()).toMatchObject({ type: 'targets', revision: 1 });
    const instances = site.gateway.handshakes.map((head) => /tunnel-instance: (\S+)/.exec(head)?.[1]);
    expect(instances[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(instances[1]).toBe(instances[0]);
    expect((await again.scrape(target)).status).toBe(200);
  });

  it('that goes silent is given up and dialled again', async () => {
    const exporter = await startExporter();
    const network = Promise.withResolvers<FaultProxy>();
    const between = async (port: number): Promise<number> => {
      network.resolve(await startFaultProxy({ port }));
      return (await network.promise).port;
    };
    await using site = await startSite([spec(exporter.port)], { keepAlive: { intervalMs: 50, timeoutMs: 150 } }, between);
    await using proxy = await network.promise;
    proxy.silence();
    await eventually(async () => expect(await site.metrics()).toContain('cause="keepalive"} 1'));
    proxy.resume();
    const again = await site.gateway.tunnel();
    expect((await again.scrape(target)).status).toBe(200);
    await exporter.close();
  });

  it('drains once, however often it is told to', async () => {
    await using site = await startSiteWith(textAnswer());
    const drained = [site.agent.drain(), site.agent.drain()];
    expect(await site.tunnel.message()).toEqual({ type: 'draining' });
    expect(await site.tunnel.message()).toBeUndefined();
    await Promise.all(drained);
  });

  it('drains: says so, finishes what is in flight, closes', async () => {
    await using site = await startSiteWith({ kind: 'drip', body: Buffer.from('0123456789'), pieceBytes: 1, everyMs: 10 });
    const answer = site.tunnel.scrape(target);
    await eventually(() => expect(site.exporter.requests).toHaveLength(1));
    const drained = site.agent.drain();
    expect(await site.tunnel.message()).toEqual({ type: 'draining' });
    // the control stream's end is the tunnel's end for the hub: never before the last scrape's
    const controlEnd = site.tunnel.message();
    expect(await Promise.race([answer.then(() => 'answered'), controlEnd.then(() => 'control ended')])).toBe('answered');
    expect((await answer).body.toString()).toBe('0123456789');
    await drained;
    expect(site.tunnel.socket.destroyed).toBe(true);
  });

  it.each([
    ['HTTP/1.1 403 Forbidden\r\nx-scrapeway-reason: agent_unknown\r\ncontent-length: 0\r\n\r\n', 'agent_unknown'],
    ['HTTP/1.1 409 Conflict\r\nx-scrapeway-reason: agent_conflict\r\n\r\n', 'agent_conflict'],
    ['HTTP/1.1 200 OK\r\n\r\n', 'protocol'],
    ['x'.repeat(20_000), 'protocol'],
  ])('that is refused is tried again, and counted: %s', async (response, cause) => {
    const exporter = await startExporter();
    await using site = await startSite([spec(exporter.port)]);
    site.gateway.refuseWith(response);
    site.tunnel.socket.destroy();
    await eventually(async () => expect(await site.metrics()).toContain(`cause="${cause}"}`));
    site.gateway.refuseWith(undefined);
    expect((await (await site.gateway.tunnel()).scrape(target)).status).toBe(200);
    await exporter.close();
  });
});
