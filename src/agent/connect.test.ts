import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { ClientHttp2Stream } from 'node:http2';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { Registry } from 'prom-client';
import { createTestPki, readPair } from '../../test/support/certificates.js';
import { eventually } from '../../test/support/eventually.js';
import { readAnswer, startFakeGateway } from '../../test/support/fake-gateway.js';
import type { FakeGatewayOptions, FakeTunnel, ScrapeAnswer } from '../../test/support/fake-gateway.js';
import { freePort, portOf } from '../../test/support/ports.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import type { TempDir } from '../../test/support/temp-dir.js';
import { silentLogger } from '../lib/logger.js';
import type { TargetSpec, TlsCredentials } from '../model/agent-settings.js';
import { startAgent } from './agent.js';
import type { Agent } from './agent.js';

/** CONNECT at the agent. The target is a bare TCP server: whether the bytes are TLS is nobody's business on the way. */

let dir: TempDir;
let credentials: TlsCredentials;
let gatewayOptions: FakeGatewayOptions;
const stack: AsyncDisposable[] = [];

beforeAll(async () => {
  dir = await createTempDir();
  const pki = await createTestPki(dir.join('pki'));
  const agent = await readPair(await pki.agent('site-a'));
  credentials = { certificate: agent.cert.toString(), key: agent.key.toString(), ca: await readFile(pki.serverCaFile, 'utf8') };
  gatewayOptions = { ...(await readPair(pki.gateway)), ca: await readFile(pki.agentsCaFile) };
});
afterAll(async () => {
  await dir[Symbol.asyncDispose]();
});
afterEach(async () => {
  for (const each of stack.splice(0).toReversed()) await each[Symbol.asyncDispose]();
});

interface TcpTarget {
  readonly port: number;
  /** The next connection, with its half-close kept open. */
  readonly accept: () => Promise<Socket>;
}

async function startTarget(): Promise<TcpTarget> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    sockets.push(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  let taken = 0;
  stack.push({ [Symbol.asyncDispose]: async () => void server.close(() => sockets.forEach((socket) => socket.destroy())) });
  return {
    port: portOf(server),
    accept: async () => {
      const found = await eventually(() => {
        const socket = sockets[taken];
        if (socket === undefined) throw new Error('no connection yet');
        return socket;
      });
      taken += 1;
      return found;
    },
  };
}

function spec(port: number, change: Partial<TargetSpec['target']> = {}): TargetSpec {
  return {
    target: { name: 't', scheme: 'https', host: '127.0.0.1', port, path: '/metrics', labels: {}, ...change },
    allowedPaths: ['/metrics'],
    timeoutMs: undefined,
    maxBodyBytes: undefined,
    tls: { caPem: undefined, client: undefined, serverName: undefined, insecureSkipVerify: false },
    headers: {},
  };
}

interface Site {
  readonly agent: Agent;
  readonly tunnel: FakeTunnel;
  readonly metrics: () => Promise<string>;
}

async function startSite(targets: readonly TargetSpec[], maxConcurrentScrapes = 100): Promise<Site> {
  const gateway = await startFakeGateway(gatewayOptions);
  const registry = new Registry();
  const agent = startAgent(
    {
      gateways: [{ host: '127.0.0.1', port: gateway.port, serverName: 'localhost' }],
      credentials: async () => credentials,
      targets,
      maxConcurrentScrapes,
      maxConnectionsPerTarget: 2,
      keepAlive: { intervalMs: 3500, timeoutMs: 8500 },
      reconnect: { baseMs: 10, maxMs: 50 },
      dialTimeoutMs: 5000,
    },
    { logger: silentLogger, registry },
  );
  const tunnel = await gateway.tunnel();
  await tunnel.message();
  stack.push({ [Symbol.asyncDispose]: async () => (await gateway.close(), agent.drain()) });
  return { agent, tunnel, metrics: () => registry.metrics() };
}

/** As the hub opens it. */
function open(tunnel: FakeTunnel, target = 't', timeoutMs = 5000): ClientHttp2Stream {
  const stream = tunnel.session.request({ ':method': 'CONNECT', ':authority': target, 'x-scrapeway-timeout-ms': String(timeoutMs) });
  stream.on('error', () => undefined);
  return stream;
}

async function established(stream: ClientHttp2Stream): Promise<ClientHttp2Stream> {
  const [head]: unknown[] = await once(stream, 'response');
  expect(head).toMatchObject({ ':status': 200 });
  return stream;
}

/** However it ends. */
function closed(stream: ClientHttp2Stream): Promise<void> {
  return new Promise((resolve) => {
    stream.once('close', () => resolve());
  });
}

async function refused(answer: ScrapeAnswer | Promise<ScrapeAnswer>): Promise<readonly unknown[]> {
  const { status, headers, body } = await answer;
  expect(body.toString()).toMatch(/^scrapeway: .+\n$/);
  return [status, headers['x-scrapeway-reason']];
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('a CONNECT to an https target', () => {
  it('carries bytes both ways, what was sent before the answer too', async () => {
    const target = await startTarget();
    const { tunnel, metrics } = await startSite([spec(target.port)]);
    const sent = randomBytes(2_000_000);
    const stream = open(tunnel);
    stream.end(sent);
    const answered = established(stream);
    const socket = await target.accept();
    socket.pipe(socket);
    expect((await collect(await answered)).equals(sent)).toBe(true);
    await eventually(async () => expect(await metrics()).toContain('scrapeway_agent_connects_total{outcome="ok"} 1'));
    expect(await metrics()).toContain('scrapeway_agent_connect_bytes_total{direction="to_target"} 2000000');
    expect(await metrics()).toContain('scrapeway_agent_connect_bytes_total{direction="to_client"} 2000000');
    expect(await metrics()).toContain('scrapeway_agent_scrapes_total{outcome="ok"} 0');
  });

  it('ends a direction at a time', async () => {
    const target = await startTarget();
    const { tunnel } = await startSite([spec(target.port), spec(target.port, { name: 'u' })]);
    const first = await established(open(tunnel));
    const asking = await target.accept();
    first.end('question');
    expect((await collect(asking)).toString()).toBe('question');
    asking.end('answer');
    expect((await collect(first)).toString()).toBe('answer');

    const second = await established(open(tunnel, 'u'));
    const greeting = await target.accept();
    greeting.end('greeting');
    expect((await collect(second)).toString()).toBe('greeting');
    second.end('thanks');
    expect((await collect(greeting)).toString()).toBe('thanks');
  });

  it('holds a fast target back while nobody reads', async () => {
    const target = await startTarget();
    const { tunnel } = await startSite([spec(target.port)]);
    const stream = await established(open(tunnel));
    stream.pause();
    const socket = await target.accept();
    let written = 0;
    while (socket.write(Buffer.alloc(64 * 1024)) && written < 2 ** 30) {
      written += 64 * 1024;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(written).toBeLessThan(2 ** 26);
  });

  it('is broken when the target breaks it', async () => {
    const target = await startTarget();
    const { tunnel, metrics } = await startSite([spec(target.port)]);
    const stream = await established(open(tunnel));
    (await target.accept()).resetAndDestroy();
    await closed(stream);
    expect(stream.rstCode).not.toBe(0);
    expect(await metrics()).toContain('scrapeway_agent_target_failures_total{target="t",reason="target_reset"} 1');
  });

  it('is a closed connection for the target when the client goes away, and a reset when the tunnel breaks', async () => {
    const target = await startTarget();
    const { tunnel } = await startSite([spec(target.port)]);
    const stream = await established(open(tunnel));
    const left = await target.accept();
    stream.close(8);
    expect((await collect(left)).length).toBe(0);

    const broken = await established(open(tunnel));
    const cut = await target.accept();
    cut.resume();
    // close(2) would end it in order first
    broken.destroy(new Error('broken'));
    const [error]: unknown[] = await once(cut, 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET' });
  });

  it('is closed at the target when the whole tunnel is lost', async () => {
    const target = await startTarget();
    const { tunnel } = await startSite([spec(target.port)]);
    await established(open(tunnel));
    const socket = await target.accept();
    const over = new Promise<void>((resolve) => {
      socket.once('end', resolve).once('error', () => resolve());
    });
    socket.resume();
    tunnel.socket.destroy();
    await over;
  });
});

describe('a CONNECT is refused', () => {
  it('for a target that is not https', async () => {
    const target = await startTarget();
    const { tunnel } = await startSite([spec(target.port, { scheme: 'http' })]);
    expect(await refused(readAnswer(open(tunnel)))).toEqual([403, 'agent_denied']);
  });

  it('for what is no target of this agent', async () => {
    const { tunnel } = await startSite([spec(1)]);
    expect(await refused(readAnswer(open(tunnel, '127.0.0.1:22')))).toEqual([404, 'target_unknown']);
  });

  it.each([
    ['does not listen', { host: '127.0.0.1' }, [502, 'target_refused']],
    ['has no address', { host: 'no-such-host.invalid' }, [502, 'target_dns']],
  ] as const)('because the target %s', async (_, change, expected) => {
    const { tunnel, metrics } = await startSite([spec(await freePort(), change)]);
    expect(await refused(readAnswer(open(tunnel)))).toEqual(expected);
    expect(await metrics()).toContain(`scrapeway_agent_connects_total{outcome="${expected[1]}"} 1`);
  });

  it('over the connections that a target may have, and over all that the agent may have', async () => {
    const target = await startTarget();
    const { tunnel } = await startSite([spec(target.port), spec(target.port, { name: 'u' })], 3);
    await established(open(tunnel));
    await established(open(tunnel));
    expect(await refused(readAnswer(open(tunnel)))).toEqual([503, 'agent_overloaded']);
    await established(open(tunnel, 'u'));
    expect(await refused(readAnswer(open(tunnel, 'u')))).toEqual([503, 'agent_overloaded']);
    expect((await tunnel.scrape({ ':authority': 't' })).headers['x-scrapeway-reason']).toBe('agent_overloaded');
  });
});

describe('an open CONNECT', () => {
  it('is cut when its target goes, or is dialled differently', async () => {
    const target = await startTarget();
    const { agent, tunnel } = await startSite([spec(target.port), spec(target.port, { name: 'u' })]);
    const gone = await established(open(tunnel));
    const kept = await established(open(tunnel, 'u'));
    agent.setTargets([spec(target.port, { scheme: 'http' }), spec(target.port, { name: 'u' })]);
    await closed(gone);
    expect(kept.destroyed).toBe(false);
  });

  it('holds up no drain once it is quiet', async () => {
    const target = await startTarget();
    const { agent, tunnel } = await startSite([spec(target.port)]);
    const stream = await established(open(tunnel));
    await agent.drain();
    await eventually(() => expect(stream.destroyed).toBe(true));
  });
});
