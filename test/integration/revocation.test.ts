import 'reflect-metadata';
import { createHash, createPrivateKey, webcrypto, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { X509CrlGenerator } from '@peculiar/x509';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { issueLeaf } from '../../src/pki/certificate.js';
import type { KeyPairPem } from '../../src/pki/certificate.js';
import { dialConnect } from '../support/dial-connect.js';
import { eventually } from '../support/eventually.js';
import { textAnswer } from '../support/exporter.js';
import { portOf } from '../support/ports.js';
import type { ConfigFile } from '../support/scrapeway.js';
import { startWorld, worldTenants } from '../support/world.js';
import type { World } from '../support/world.js';

/**
 * Whatever is revoked: a second later nothing of it is under way any more, on no door, and nothing new begins. What others have under
 * way goes on.
 */

const IN_FLIGHT = 100;
/** Of them, at each door; an agent opens no more than eight tunnels to one target. */
const BY_CONNECT = 6;
const BY_PROXY = 47;
const REVOKED_WITHIN_MS = 1000;
const KEY = 'a-key-of-team-a-for-one-service';
const LONG = { 'x-prometheus-scrape-timeout-seconds': '60' };
const WEB_A = '/scrape/site-a/web';
const DOORS = { path: WEB_A, proxy: 'http://web.site-a.scrapeway/metrics', connect: 'raw.site-a.scrapeway:443' } as const;
const URI = 'spiffe://scrapeway/tenant/team-a';
const DNS = 'job-7.team-a.example';

let world: World;
/** At the end of every CONNECT: says nothing. */
let raw: Server;
const accepted = new Set<Socket>();
/** Of team-a, with two names; only the first is a credential. */
let certificate: KeyPairPem;

/** team-a comes by key and by certificate. */
async function tenants(): Promise<readonly ConfigFile[]> {
  const [teamA, teamB] = await worldTenants();
  return [{ ...teamA, credentials: [...[teamA?.['credentials']].flat(), { bearer: { sha256: createHash('sha256').update(KEY).digest('hex') } }, { certificate: { uri: URI } }] }, { ...teamB }];
}

beforeAll(async () => {
  raw = createServer((socket) => {
    socket.on('error', () => undefined);
    accepted.add(socket);
  });
  raw.listen(0, '127.0.0.1');
  await once(raw, 'listening');
  world = await startWorld({ gateway: { tenants: await tenants() }, targetsA: [{ name: 'raw', url: `https://127.0.0.1:${portOf(raw)}/` }] });
  const authority = { certificatePem: await readFile(world.pki.clientsCaFile, 'utf8'), privateKeyPem: await readFile(world.pki.clientsCaFile.replace(/\.crt$/, '.key'), 'utf8') };
  certificate = await issueLeaf(authority, { commonName: 'job 7', sans: [{ type: 'uri', value: URI }, { type: 'dns', value: DNS }], usage: 'client', days: 1 });
}, 90_000);
afterEach(() => {
  for (const socket of accepted) socket.destroy();
});
afterAll(async () => {
  for (const socket of accepted) socket.destroy();
  raw.close();
  await world[Symbol.asyncDispose]();
});

type Shown = 'key' | 'certificate';
type DoorName = keyof typeof DOORS;

/** A client with one of team-a's credentials. */
function client(shown: Shown) {
  const { tls } = world.request(undefined, '/');
  const own = shown === 'certificate' ? { ...tls, cert: certificate.certificatePem, key: certificate.privateKeyPem } : tls;
  const headers = (door: DoorName): Record<string, string> => ({ ...LONG, ...(shown === 'key' && { [door === 'path' ? 'authorization' : 'proxy-authorization']: `Bearer ${KEY}` }) });

  /** `200 whole`, or the refusal. An answer that breaks off rejects. */
  async function scrape(door: 'path' | 'proxy', timeoutMs = 60_000): Promise<string> {
    const { status, headers: head } = await world.ask(undefined, DOORS[door], { timeoutMs, headers: headers(door), ...(own !== undefined && { tls: own }) });
    return status === 200 ? '200 whole' : `${status} ${String(head['x-scrapeway-reason'])}`;
  }
  /** The socket, or the refusal. */
  async function connect(): Promise<Socket | string> {
    const { status, headers: head, socket } = await dialConnect({ port: world.gateway.ports.scrape, authority: DOORS.connect, headers: headers('connect'), tls: own });
    if (status === 200) return socket;
    socket.destroy();
    return `${status} ${String(head['x-scrapeway-reason'])}`;
  }
  async function tunnel(): Promise<string> {
    const socket = await connect();
    if (typeof socket === 'string') return socket;
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
      socket.resume();
    });
    return 'tunnel cut';
  }
  /** What one request gets now, at each door. */
  async function now(): Promise<readonly string[]> {
    const connected = await connect();
    if (typeof connected !== 'string') connected.destroy();
    return [await scrape('path', 5000), await scrape('proxy', 5000), typeof connected === 'string' ? connected : '200 whole'];
  }
  return { scrape, tunnel, now };
}

async function sumOf(name: string): Promise<number> {
  return [...(await world.gateway.metric(name)).values()].reduce((sum, each) => sum + each, 0);
}

/** Scrapes and tunnels. */
async function inFlight(): Promise<readonly number[]> {
  return [await sumOf('scrapeway_hub_scrapes_in_flight'), await sumOf('scrapeway_hub_connects_open')];
}

async function crlOf(serials: readonly string[]): Promise<string> {
  const signingAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const key = createPrivateKey(await readFile(world.pki.clientsCaFile.replace(/\.crt$/, '.key'), 'utf8')).export({ type: 'pkcs8', format: 'der' });
  const signingKey = await webcrypto.subtle.importKey('pkcs8', key, signingAlgorithm, false, ['sign']);
  const entries = serials.map((serialNumber) => ({ serialNumber, revocationDate: new Date() }));
  const list = await X509CrlGenerator.create({ issuer: new X509Certificate(await readFile(world.pki.clientsCaFile)).subject, thisUpdate: new Date(), nextUpdate: new Date(Date.now() + 3_600_000), signingAlgorithm, signingKey, entries }, webcrypto);
  return list.toString('pem');
}

const AGENTS = [
  { name: 'site-a', tenants: ['team-a'] },
  { name: 'site-b', tenants: ['team-b'] },
];
const serial = (): string => new X509Certificate(certificate.certificatePem).serialNumber;
/** The basis of all cases: a list that revokes nobody, and may be rewritten. */
const crlFile = (): string => world.dir.join('clients.crl');

describe('a tunnel that is open', () => {
  it.each<[name: string, teamA: () => ConfigFile]>([
    ['a denial', () => ({ deny: [{ agents: ['site-a'], targets: ['raw'] }] })],
    ['the end of its credential', () => ({ credentials: [{ bearer: { sha256: createHash('sha256').update(KEY).digest('hex') }, expires: new Date(Date.now() + 2000).toISOString() }] })],
  ])('ends with %s, though no credential is revoked', async (_name, teamA) => {
    await world.gateway.reconfigure({ tenants: await tenants() });
    const { tunnel } = client('key');
    let end: string | undefined;
    await eventually(async () => {
      end = undefined; // the time before may have been too early for the configuration
      const opened = tunnel().then((how) => (end = how));
      await Promise.race([opened, eventually(async () => expect(await inFlight()).toEqual([0, 1]))]);
      expect(end).toBeUndefined();
    });
    const [first, ...others] = await tenants();
    await world.gateway.reconfigure({ tenants: [{ ...first, ...teamA() }, ...others] });
    await eventually(() => expect(end).toBe('tunnel cut'), { timeoutMs: 10_000 });
  });
});

describe('with a hundred scrapes and tunnels in flight', () => {
  // The agent's last: it comes back when it tries again.
  it.each<[name: string, shown: Shown, revoke: () => Promise<void>, refusals: readonly string[]]>([
    ['a key that is removed', 'key', async () => world.gateway.reconfigure({ tenants: await worldTenants() }), ['401 bad_credentials', '407 proxy_bad_credentials', '407 proxy_bad_credentials']],
    ['a certificate, by its serial', 'certificate', async () => world.gateway.reconfigure({ tenants: await tenants(), revoked: { serials: [serial()] } }), ['401 bad_credentials', '407 proxy_bad_credentials', '407 proxy_bad_credentials']],
    ['a certificate, by the name that it is known by', 'certificate', async () => world.gateway.reconfigure({ tenants: await tenants(), revoked: { names: [{ uri: URI }] } }), ['401 bad_credentials', '407 proxy_bad_credentials', '407 proxy_bad_credentials']],
    ['a certificate, by another of its names', 'certificate', async () => world.gateway.reconfigure({ tenants: await tenants(), revoked: { names: [{ dns: DNS }] } }), ['401 bad_credentials', '407 proxy_bad_credentials', '407 proxy_bad_credentials']],
    ['a certificate, by a list that changes', 'certificate', async () => writeFile(crlFile(), await crlOf([serial()])), ['401 bad_credentials', '407 proxy_bad_credentials', '407 proxy_bad_credentials']],
    ['a tenant', 'key', async () => world.gateway.reconfigure({ tenants: (await tenants()).slice(1), agents: AGENTS.slice(1) }), ['401 bad_credentials', '407 proxy_bad_credentials', '407 proxy_bad_credentials']],
    ['an agent', 'key', async () => world.gateway.reconfigure({ tenants: await tenants(), agents: AGENTS.slice(1) }), ['403 target_forbidden', '403 target_forbidden', '403 target_forbidden']],
  ])('%s: none succeeds a second later', async (_name, shown, revoke, refusals) => {
    await writeFile(crlFile(), await crlOf([]));
    await world.gateway.reconfigure({ tenants: await tenants(), revoked: { crlFiles: [crlFile()] } });
    world.siteA.exporter.behave(textAnswer());
    world.siteB.exporter.behave(textAnswer());
    const { scrape, tunnel, now } = client(shown);
    await eventually(async () => expect(await inFlight()).toEqual([0, 0]));
    await eventually(async () => expect(await now()).toEqual(['200 whole', '200 whole', '200 whole']), { intervalMs: 200 });

    // A line each half a second: none would come to its end before it is cut, and that of the others does after.
    const slow = { kind: 'drip', body: Buffer.from('demo_value 1\n'.repeat(14)), pieceBytes: 13, everyMs: 500 } as const;
    world.siteA.exporter.behave(slow);
    world.siteB.exporter.behave(slow);
    const ends: { readonly atMs: number; readonly end: string }[] = [];
    const note = (end: Promise<string>): Promise<unknown> => end.catch(() => 'broken off').then((how) => ends.push({ atMs: performance.now(), end: how }));
    const all = Array.from({ length: IN_FLIGHT }, (_, i) => note(i < BY_CONNECT ? tunnel() : scrape(i < BY_CONNECT + BY_PROXY ? 'proxy' : 'path')));
    const bystander = world.ask('team-b', '/scrape/site-b/web', { headers: LONG });
    await eventually(async () => expect([...(await inFlight()), ...ends]).toEqual([IN_FLIGHT - BY_CONNECT + 1, BY_CONNECT]), { timeoutMs: 5000 });

    const revokedMs = performance.now();
    await revoke();
    await Promise.all(all);
    expect(ends.filter(({ end }) => end === '200 whole')).toEqual([]);
    expect(Math.max(...ends.map(({ atMs }) => atMs)) - revokedMs).toBeLessThan(REVOKED_WITHIN_MS);
    expect(await now()).toEqual(refusals);
    expect((await bystander).status).toBe(200);
  });
});
