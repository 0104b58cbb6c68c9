import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hash } from '@node-rs/bcrypt';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestPki, readPair } from '../support/certificates.js';
import { dialConnect } from '../support/dial-connect.js';
import { eventually } from '../support/eventually.js';
import { startExporter } from '../support/exporter.js';
import type { Exporter, ReceivedRequest } from '../support/exporter.js';
import { fetchRaw } from '../support/http.js';
import type { HttpRequest } from '../support/http.js';
import { startOidcProvider } from '../support/oidc-provider.js';
import type { RunningOidcProvider } from '../support/oidc-provider.js';
import { createTempDir } from '../support/temp-dir.js';
import type { ConfigFile } from '../support/scrapeway.js';
import { PASSWORD, startWorld } from '../support/world.js';
import type { World } from '../support/world.js';

/**
 * Queries and pushes that are under way when their credential is revoked, or ends, end too: with a refusal, or broken off where the answer had
 * begun. A CONNECT ends with the token that opened it. What others have under way goes on.
 */

const stack = new AsyncDisposableStack();
let world: World;
let backend: Exporter;
let provider: RunningOidcProvider;
let certificate: { readonly cert: string | Buffer; readonly key: string | Buffer };

const KEY = 'a-key-of-team-a-for-its-dashboards';
const AUDIENCE = 'https://scrapeway.test';
const URI_B = 'spiffe://scrapeway/tenant/team-b';
const bearer = { bearer: { sha256: createHash('sha256').update(KEY).digest('hex') } };
const QUERY = [{ metrics: ['.*'], labels: { ns: 'a' } }];

/** How late Envoy takes a token for good, s (`CLOCK_SKEW_S`). */
const SKEW_S = 60;
const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;
const token = (): string => provider.forge({ sub: 'grafana', aud: AUDIENCE, exp: inSeconds(5) - SKEW_S });

/** Hashed once: another hash is another credential. */
let passwordHash: string;

function tenants(): readonly ConfigFile[] {
  const basic = (user: string): ConfigFile => ({ basic: { user, passwordHash } });
  const doors = { query: QUERY, push: ['gateway'] };
  return [
    { name: 'team-a', credentials: [basic('team-a'), bearer, { jwt: { issuer: 'main', claims: { sub: 'grafana' } } }], ...doors },
    { name: 'team-b', credentials: [{ certificate: { uri: URI_B } }], ...doors },
    { name: 'other', credentials: [basic('other')], ...doors },
  ];
}

beforeAll(async () => {
  passwordHash = await hash(PASSWORD, { cost: 4 });
  const dir = stack.use(await createTempDir());
  const pki = await createTestPki(dir.join('pki'));
  provider = stack.use(await startOidcProvider({ certificate: pki.gateway, ca: await readFile(pki.serverCaFile), audiences: [AUDIENCE], clients: [] }));
  // Nothing of it ever ends by itself, but for what is federated: a line each half a second.
  backend = stack.use(await startExporter({ behaviour: { kind: 'hang' } }));
  backend.behave({ kind: 'drip', body: Buffer.from('x{ns="a"} 1\n'.repeat(14)), pieceBytes: 12, everyMs: 500 }, '/federate');
  world = stack.use(
    await startWorld({
      gateway: {
        tenants: tenants(),
        backends: [{ name: 'main', url: `http://127.0.0.1:${backend.port}` }],
        pushTargets: [{ name: 'gateway', kind: 'pushgateway', url: `http://127.0.0.1:${backend.port}`, tenantLabel: 'tenant' }],
        issuers: [{ name: 'main', issuer: provider.issuer, jwksUri: provider.jwksUri, audiences: [AUDIENCE], caFile: pki.serverCaFile, cacheDuration: '1s' }],
      },
      targetsA: [{ name: 'idp', url: `${provider.issuer}/metrics` }],
    }),
  );
  certificate = await readPair(await world.pki.client('team-b'));
}, 90_000);
afterAll(async () => {
  await stack.disposeAsync();
});

interface Shown {
  readonly authorization?: string;
  readonly isByCertificate?: boolean;
}

const password = (user: string): Shown => ({ authorization: `Basic ${Buffer.from(`${user}:${PASSWORD}`).toString('base64')}` });

/** How a request ends. */
async function end(shown: Shown, path: string, more: Partial<HttpRequest> = {}): Promise<string> {
  const { tls } = world.request(undefined, '/');
  try {
    const answer = await fetchRaw({
      ...world.request(undefined, path),
      ...more,
      tls: { ...tls, ...(shown.isByCertificate === true ? certificate : {}) },
      headers: { ...(shown.authorization !== undefined && { authorization: shown.authorization }), ...more.headers },
      timeoutMs: 60_000,
    });
    return [answer.status, answer.headers['x-scrapeway-reason']].filter(Boolean).join(' ');
  } catch {
    return 'broken off';
  }
}

/** A query that is not answered, one whose answer has begun, a push. */
function three(shown: Shown): readonly Promise<string>[] {
  const pushed = 'pushed 1\n';
  return [
    end(shown, '/query/main/api/v1/query?query=x'),
    end(shown, '/query/main/federate'),
    end(shown, '/push/gateway/metrics/job/j', { method: 'PUT', headers: { 'content-length': `${pushed.length}` }, body: pushed }),
  ];
}

const opened = (): readonly ReceivedRequest[] => backend.requests.filter(({ outcome }) => outcome === 'open');
const open = (): number => opened().length;
/** Two lines: the first has long been at the client's. */
const BEGUN_BYTES = 24;
const begunAnswers = (): number => opened().filter(({ sentBytes }) => sentBytes >= BEGUN_BYTES).length;

describe('a CONNECT', () => {
  it('ends with the token that opened it', async () => {
    await world.gateway.reconfigure({ tenants: tenants() });
    const { tls } = world.request(undefined, '/');
    const dial = (): ReturnType<typeof dialConnect> => dialConnect({ port: world.gateway.ports.scrape, authority: 'idp.site-a.scrapeway:443', headers: { 'proxy-authorization': `Bearer ${token()}` }, tls });
    const { socket } = await eventually(async () => {
      const dialled = await dial();
      if (dialled.status !== 200) dialled.socket.destroy();
      expect(dialled.status).toBe(200);
      return dialled;
    }, { intervalMs: 200 });
    let isClosed = false;
    socket.once('close', () => (isClosed = true)).on('error', () => undefined);
    socket.resume();
    await eventually(() => expect(isClosed).toBe(true));
  });
});

describe('queries and a push under way', () => {
  it.each<[name: string, shown: () => Shown, revoke: () => Promise<void>, ends: RegExp]>([
    ['end with a key that is removed', () => ({ authorization: `Bearer ${KEY}` }), async () => {
      const [first, ...others] = tenants();
      await world.gateway.reconfigure({ tenants: [{ ...first, credentials: [first?.['credentials']].flat().filter((credential) => credential !== bearer) }, ...others] });
    }, /^403 revoked$/],
    ['end with a key whose time is over', () => ({ authorization: `Bearer ${KEY}` }), async () => {
      const [first, ...others] = tenants();
      const ending = { ...bearer, expires: new Date(Date.now() + 2000).toISOString() };
      await world.gateway.reconfigure({ tenants: [{ ...first, credentials: [first?.['credentials']].flat().map((credential) => (credential === bearer ? ending : credential)) }, ...others] });
    }, /^403 revoked$/],
    ['end with a certificate, by one of its names', () => ({ isByCertificate: true }), async () => world.gateway.reconfigure({ tenants: tenants(), revoked: { names: [{ uri: URI_B }] } }), /^403 revoked$/],
    ['end with their tenant', () => password('team-a'), async () => world.gateway.reconfigure({ tenants: tenants().slice(1), agents: [{ name: 'site-b', tenants: ['team-b'] }] }), /^403 (?:revoked|query_no_backend)$/],
    ['end with the token itself', () => ({ authorization: `Bearer ${token()}` }), async () => {}, /^403 revoked$/],
  ])('%s', async (_name, shown, revoke, ends) => {
    await world.gateway.reconfigure({ tenants: tenants() });
    await eventually(async () => expect(await end(shown(), '/query/main/-/ready')).toBe('200'), { intervalMs: 200 });
    await eventually(() => expect(open()).toBe(0));
    const bystander = end(password('other'), '/query/main/federate');
    const all = three(shown());
    await eventually(() => expect([open(), begunAnswers()]).toEqual([4, 2]));
    await revoke();
    const [unanswered, begun, pushed] = await Promise.all(all);
    expect([unanswered, pushed]).toEqual([expect.stringMatching(ends), expect.stringMatching(ends)]);
    expect(begun).toBe('broken off');
    // Nor does the backend work on for nobody.
    await eventually(() => expect(open()).toBeLessThanOrEqual(1));
    expect(await bystander).toBe('200');
  });
});
