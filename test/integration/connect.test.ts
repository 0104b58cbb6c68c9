import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { startAgent } from '../support/agent.js';
import { createTestPki, readPair } from '../support/certificates.js';
import { eventually } from '../support/eventually.js';
import { startExporter, textAnswer } from '../support/exporter.js';
import type { Exporter } from '../support/exporter.js';
import { portOf } from '../support/ports.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningScrapeway } from '../support/scrapeway.js';
import { createTempDir } from '../support/temp-dir.js';
import type { TempDir } from '../support/temp-dir.js';
import { PASSWORD, startWorld } from '../support/world.js';
import type { World } from '../support/world.js';

/**
 * The third door: CONNECT, TLS from Prometheus to the exporter. Site-a has an exporter with a certificate of its own (`secure`), a
 * bare TCP server that says what it is told (`bytes`; that its URL is https is all that the agent knows), and `web`, which is http.
 */

let dir: TempDir;
let exporterCa: Buffer;
let secure: Exporter;
let bytesServer: Server;
let world: World;
/** Connections to `bytes`, the oldest first. */
const accepted: Socket[] = [];
const opened: { destroy(): void }[] = [];

beforeAll(async () => {
  dir = await createTempDir();
  const exporterPki = await createTestPki(dir.join('exporter-pki'));
  exporterCa = await readFile(exporterPki.serverCaFile);
  secure = await startExporter({ tls: await readPair(exporterPki.gateway) });
  bytesServer = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    accepted.push(socket);
  });
  bytesServer.listen(0, '127.0.0.1');
  await once(bytesServer, 'listening');
  world = await startWorld({
    targetsA: [
      { name: 'secure', url: `https://127.0.0.1:${secure.port}/metrics` },
      // the gateway's own name is localhost too: at the site it is another host
      { name: 'bytes', url: `https://localhost:${portOf(bytesServer)}/` },
    ],
  });
});
afterEach(() => {
  for (const each of [...opened.splice(0), ...accepted.splice(0)]) each.destroy();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  bytesServer.close();
  await secure.close();
  await dir[Symbol.asyncDispose]();
});

const BASIC = `Basic ${Buffer.from(`team-a:${PASSWORD}`).toString('base64')}`;
const asTeamA = { 'proxy-authorization': BASIC };

interface Tunnelled {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly socket: Socket;
}

/** HTTP/1.1 CONNECT, as Prometheus does it. */
function connect(authority: string, headers: Readonly<Record<string, string>> = asTeamA): Promise<Tunnelled> {
  const { tls } = world.request(undefined, '/');
  const request = httpsRequest({ host: 'localhost', port: world.gateway.ports.scrape, method: 'CONNECT', path: authority, headers: { host: authority, ...headers }, agent: false, ...tls });
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.on('connect', (answer, socket, head) => {
      socket.on('error', () => undefined);
      if (head.length > 0) socket.unshift(head);
      opened.push(socket);
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, socket });
    });
    request.end();
  });
}

async function openHttp2(): Promise<ClientHttp2Session> {
  const session = connectHttp2(world.gateway.scrapeUrl, { ...world.request(undefined, '/').tls, ALPNProtocols: ['h2'] });
  session.on('error', () => undefined);
  opened.push(session);
  await once(session, 'remoteSettings');
  return session;
}

async function connectByHttp2(authority: string): Promise<ClientHttp2Stream> {
  const stream = (await openHttp2()).request({ ':method': 'CONNECT', ':authority': authority, ...asTeamA });
  stream.on('error', () => undefined);
  const [head]: unknown[] = await once(stream, 'response');
  expect(head).toMatchObject({ ':status': 200 });
  return stream;
}

function bytesAddress(): string {
  return `localhost:${portOf(bytesServer)}`;
}

/** The target's end of the connection that was opened last. */
function targetEnd(): Promise<Socket> {
  return eventually(() => {
    const socket = accepted.at(-1);
    if (socket === undefined) throw new Error('nobody has connected');
    return socket;
  });
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** However it ends. */
function over(stream: Socket | ClientHttp2Stream): Promise<void> {
  return new Promise((resolve) => {
    stream.once('close', () => resolve());
    stream.once('end', () => resolve());
    stream.resume();
  });
}

async function auditLines(): Promise<readonly Record<string, unknown>[]> {
  const text = await readFile(world.gateway.accessLogFile, 'utf8');
  return text.trim().split('\n').map((line): Record<string, unknown> => JSON.parse(line));
}

async function metricSum(metric: Promise<ReadonlyMap<string, number>>): Promise<number> {
  return [...(await metric).values()].reduce((sum, value) => sum + value, 0);
}

describe('a real Prometheus with scheme https and proxy_url', () => {
  it('scrapes an exporter whose certificate it checks itself; what is not for it is Forbidden; a connection is kept', async () => {
    const caFile = dir.join('bundle.crt');
    await writeFile(caFile, Buffer.concat([exporterCa, await readFile(world.pki.serverCaFile)]));
    const proxyUrl = (credentials: string): string => world.gateway.scrapeUrl.replace('https://', `https://${credentials}`);
    const job = (name: string, target: string, more: object = {}): object => ({
      job_name: name,
      scheme: 'https',
      proxy_url: proxyUrl(`team-a:${encodeURIComponent(PASSWORD)}@`),
      tls_config: { ca_file: caFile },
      static_configs: [{ targets: [target] }],
      ...more,
    });
    const { cert_file, key_file }: Record<string, unknown> = { ...Object(world.teamB['tls_config']) };
    await using prometheus = await startPrometheus({
      config: {
        global: { scrape_interval: '1s', scrape_timeout: '1s' },
        scrape_configs: [
          job('address', `127.0.0.1:${secure.port}`),
          job('name', 'secure.site-a.scrapeway:443', { tls_config: { ca_file: caFile, server_name: 'localhost' } }),
          job('untrusted', `127.0.0.1:${secure.port}`, { tls_config: { ca_file: world.pki.serverCaFile } }),
          job('http-only', `127.0.0.1:${world.siteA.exporter.port}`),
          job('foreign', 'web.site-b.scrapeway:443'),
          job('of-team-b', `127.0.0.1:${secure.port}`, { proxy_url: proxyUrl(''), tls_config: { ca_file: caFile, cert_file, key_file } }),
        ],
      },
    });
    await eventually(
      async () => {
        const health = Object.fromEntries((await prometheus.targets()).map((target) => [target.scrapePool, `${target.health} ${target.lastError}`.trim()]));
        expect(health).toEqual({
          address: 'up',
          name: 'up',
          untrusted: expect.stringMatching(/^down .*certificate signed by unknown authority/),
          'http-only': expect.stringMatching(/^down .*Forbidden$/),
          foreign: expect.stringMatching(/^down .*Forbidden$/),
          'of-team-b': expect.stringMatching(/^down .*Forbidden$/),
        });
      },
      { timeoutMs: 30_000, intervalMs: 250 },
    );
    const scrapes = secure.requests.length;
    await eventually(() => expect(secure.requests.length).toBeGreaterThan(scrapes + 4), { timeoutMs: 20_000 });
    expect(new Set(secure.requests.map(({ headers }) => headers.host))).toEqual(new Set([`127.0.0.1:${secure.port}`, 'secure.site-a.scrapeway:443']));
    // one each for `address` and `name`, however often they scraped (that of `untrusted` is never open for long)
    await eventually(async () => expect(await metricSum(world.gateway.metric('scrapeway_hub_connects_open'))).toBeLessThanOrEqual(3));
    expect(await metricSum(world.gateway.metric('scrapeway_hub_scrapes_total'))).toBe(0);
  });
});

describe('a CONNECT carries', () => {
  it('a whole TLS session, for longer than its deadline to be established', async () => {
    secure.behave({ kind: 'drip', body: Buffer.alloc(30, 'x'), pieceBytes: 1, everyMs: 40 });
    const { status, headers, socket } = await connect(`127.0.0.1:${secure.port}`, { ...asTeamA, 'x-prometheus-scrape-timeout-seconds': '1' });
    expect([status, headers['x-scrapeway-reason']]).toEqual([200, undefined]);
    const inner = connectTls({ socket, ca: exporterCa, servername: 'localhost' });
    inner.write('GET /metrics HTTP/1.1\r\nhost: x\r\nauthorization: Bearer of-the-exporter\r\nconnection: close\r\n\r\n');
    expect((await collect(inner)).toString()).toMatch(/x{30}$/);
    expect(secure.requests.at(-1)).toMatchObject({ headers: { host: 'x', authorization: 'Bearer of-the-exporter' }, outcome: 'complete' });
    expect(Object.keys(secure.requests.at(-1)?.headers ?? {}).filter((name) => name.startsWith('x-'))).toEqual([]);
    secure.behave(textAnswer());
  });

  it('20 MB each way, byte for byte, and the audit line has them', async () => {
    const sent = randomBytes(20 * 2 ** 20);
    const { socket } = await connect(bytesAddress());
    const target = await targetEnd();
    target.pipe(target);
    const received = createHash('sha256');
    let bytes = 0;
    socket.write(sent);
    for await (const chunk of socket) {
      received.update(chunk);
      bytes += chunk.length;
      if (bytes >= sent.length) break;
    }
    expect(bytes).toBe(sent.length);
    expect(received.digest('hex')).toBe(createHash('sha256').update(sent).digest('hex'));
    socket.destroy();
    const line = await eventually(async () => {
      const found = (await auditLines()).findLast(({ authority, bytes_in: bytesIn }) => authority === bytesAddress() && Number(bytesIn) > 0);
      expect(found).toBeDefined();
      return found;
    });
    expect(line).toMatchObject({ door: 'connect', tenant: 'team-a', agent: 'site-a', target: 'bytes', decision: 'allow', method: 'CONNECT', status: 200, bytes_in: sent.length, bytes_out: sent.length });
    const begun = (await auditLines()).findLast(({ type, authority }) => type === 'DownstreamTunnelSuccessfullyEstablished' && authority === bytesAddress());
    expect(begun).toMatchObject({ door: 'connect', tenant: 'team-a', target: 'bytes', bytes_in: 0 });
  });

  it('as much as the reader takes: a fast target is held back', async () => {
    const { socket } = await connect(bytesAddress());
    socket.pause();
    const target = await targetEnd();
    const piece = Buffer.alloc(2 ** 20);
    let written = 0;
    while (written < 2 ** 30) {
      written += piece.length;
      if (!target.write(piece) && !(await Promise.race([once(target, 'drain').then(() => true), patience()]))) break;
    }
    expect(written).toBeLessThan(64 * 2 ** 20);
  });
});

/** A drain that takes this long does not come. */
async function patience(): Promise<boolean> {
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return false;
}

describe('over HTTP/2', () => {
  it('a CONNECT ends a direction at a time', async () => {
    const stream = await connectByHttp2(bytesAddress());
    const target = await targetEnd();
    stream.end('question');
    expect((await collect(target)).toString()).toBe('question');
    target.end('answer');
    expect((await collect(stream)).toString()).toBe('answer');
  });

  it('several share a connection, and none ends with another', async () => {
    const session = await openHttp2();
    const open = async (): Promise<readonly [ClientHttp2Stream, Socket]> => {
      const before = accepted.length;
      const stream = session.request({ ':method': 'CONNECT', ':authority': bytesAddress(), ...asTeamA });
      stream.on('error', () => undefined);
      await once(stream, 'response');
      await eventually(() => expect(accepted).toHaveLength(before + 1));
      return [stream, await targetEnd()];
    };
    const [first, firstEnd] = await open();
    const [second, secondEnd] = await open();
    first.close(8);
    await over(firstEnd);
    secondEnd.pipe(secondEnd);
    second.end('still here');
    expect((await collect(second)).toString()).toBe('still here');
  });
});

describe('an end on one side', () => {
  it('a client that disappears is felt at the target', async () => {
    const { socket } = await connect(bytesAddress());
    const target = await targetEnd();
    socket.destroy();
    await over(target);
  });

  it('a target that closes, or breaks, is felt at the client', async () => {
    for (const end of [(socket: Socket) => socket.end(), (socket: Socket) => socket.resetAndDestroy()]) {
      accepted.length = 0;
      const { socket } = await connect(bytesAddress());
      end(await targetEnd());
      await over(socket);
    }
  });
});

describe('a CONNECT is refused', () => {
  it.each([
    ['to a foreign target', 'web.site-b.scrapeway:443', 'target_forbidden'],
    ['to a target that does not exist', 'nothing.site-a.scrapeway:443', 'target_forbidden'],
    ['to an address that is no target', '127.0.0.1:22', 'target_forbidden'],
  ])('%s: with the reason on the answer', async (_, authority, reason) => {
    const { status, headers, socket } = await connect(authority);
    expect([status, headers['x-scrapeway-reason']]).toEqual([403, reason]);
    expect((await collect(socket)).toString()).toBe('scrapeway: no such target, or not for this tenant\n');
  });

  it('to a target that is not https: the agent\'s last word', async () => {
    const { status, headers, socket } = await connect('web.site-a.scrapeway:80');
    expect([status, headers['x-scrapeway-reason']]).toEqual([403, 'agent_denied']);
    expect((await collect(socket)).toString()).toBe("scrapeway: not on the agent's allow-list\n");
  });

  it('without Proxy-Authorization, whatever Authorization says', async () => {
    const { status, headers } = await connect(bytesAddress(), { authorization: BASIC });
    expect([status, headers['x-scrapeway-reason'], headers['proxy-authenticate']]).toEqual([407, 'proxy_no_credentials', expect.stringContaining('Basic')]);
  });

  it('and nothing else is upgraded', async () => {
    const answer = await world.ask('team-a', '/scrape/site-a/web', { headers: { connection: 'upgrade', upgrade: 'websocket' } });
    expect(answer.status).toBe(403);
  });
});

// last: they end what the others need
describe('open CONNECTs', () => {
  it('end at once with an agent that is killed, at both ends, and the next is refused with its reason', async () => {
    const { socket } = await connect(bytesAddress());
    const target = await targetEnd();
    world.siteA.agent.process.signal('SIGKILL');
    await Promise.all([over(socket), over(target)]);
    const { status, headers } = await connect(bytesAddress(), { ...asTeamA, 'x-prometheus-scrape-timeout-seconds': '1' });
    expect([status, headers['x-scrapeway-reason']]).toEqual([503, 'agent_away']);
  });

  it('do not hold up an agent or a gateway that stops', async () => {
    const again = (): Promise<RunningScrapeway> =>
      startAgent({ dir: world.dir.path, pki: world.pki, name: 'site-a', gatewayPort: world.gateway.ports.agents, targets: [{ name: 'bytes', url: `https://${bytesAddress()}/` }] });
    for (const stop of ['agent', 'gateway'] as const) {
      await using agent = await again();
      await agent.waitUntilReady();
      const { status, socket } = await connect(bytesAddress());
      expect(status).toBe(200);
      const startedMs = performance.now();
      await Promise.all([over(socket), stop === 'agent' ? agent.stop() : world.gateway.stop()]);
      // half of the time after which both would stop regardless (drainTimeout)
      expect(performance.now() - startedMs).toBeLessThan(15_000);
    }
  });
});
