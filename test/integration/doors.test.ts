import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { issueLeaf } from '../../src/pki/certificate.js';
import { createTestPki, readPair } from '../support/certificates.js';
import { dialConnect } from '../support/dial-connect.js';
import { eventually } from '../support/eventually.js';
import { startExporter } from '../support/exporter.js';
import type { Exporter } from '../support/exporter.js';
import type { HttpRequest } from '../support/http.js';
import { startOidcProvider } from '../support/oidc-provider.js';
import type { RunningOidcProvider } from '../support/oidc-provider.js';
import { startPrometheus } from '../support/prometheus.js';
import type { ConfigFile } from '../support/scrapeway.js';
import { createTempDir } from '../support/temp-dir.js';
import { PASSWORD, startWorld, worldTenants } from '../support/world.js';
import type { World } from '../support/world.js';

/**
 * Every door with every credential: the same tenant, by whatever it is shown, wherever it comes in; and nobody else. (Tokens of
 * service accounts, which need an API server: kube-token-review.test.ts.)
 */

const AUDIENCE = 'https://scrapeway.test';
const TOKENS = { good: 'a-key-of-team-a', ended: 'a-key-that-has-ended', foreign: 'a-key-of-team-b' };
const DNS_NAME = 'prometheus.team-a.example';
const FRONT_PROXY = 'spiffe://scrapeway/tenant/front';

/** The address of one thing at each door: team-a's own target, team-b's, and one that does not exist. */
const DOORS = {
  path: { own: '/scrape/site-a/web', foreign: '/scrape/site-b/web', unknown: '/scrape/site-b/nothing' },
  proxy: { own: 'http://web.site-a.scrapeway/metrics', foreign: 'http://web.site-b.scrapeway/metrics', unknown: 'http://nothing.site-b.scrapeway/metrics' },
  connect: { own: 'secure.site-a.scrapeway:443', foreign: 'web.site-b.scrapeway:443', unknown: 'nothing.site-b.scrapeway:443' },
  sd: { own: '/sd' },
  query: { own: '/api/v1/query?query=up' },
} as const;
type Door = keyof typeof DOORS;
const ALL: readonly Door[] = ['path', 'proxy', 'connect', 'sd', 'query'];
const TO_TARGETS = ['path', 'proxy', 'connect'] as const;

/** What a client shows; `credential` goes into the header that counts at the door, `other` into the one that does not. */
interface Shown {
  readonly tls?: HttpRequest['tls'];
  readonly credential?: string;
  readonly other?: string;
  readonly asserted?: string;
}

const stack = new AsyncDisposableStack();
let world: World;
let provider: RunningOidcProvider;
let secure: Exporter;
/** For a Prometheus: who certifies gateway and exporter. */
let caFile: string;
let files: Record<'uri' | 'dns' | 'front', { readonly cert_file: string; readonly key_file: string }>;
/** What each credential is, once all that makes them runs. */
let shown: Record<string, Shown>;

const basic = (user: string, password: string): string => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
const bearer = (token: string): ConfigFile => ({ bearer: { sha256: createHash('sha256').update(token).digest('hex') } });

async function tenants(): Promise<readonly ConfigFile[]> {
  const [teamA, teamB] = await worldTenants();
  const jwt = { jwt: { issuer: 'main', claims: { groups: 'a-monitoring' } } };
  const certificates = [{ certificate: { uri: 'spiffe://scrapeway/tenant/team-a' } }, { certificate: { dns: DNS_NAME } }];
  return [
    { ...teamA, credentials: [...[teamA?.['credentials']].flat(), ...certificates, bearer(TOKENS.good), { ...bearer(TOKENS.ended), expires: '2020-01-01T00:00:00Z' }, jwt], query: [{ metrics: ['.*'], labels: { namespace: 'team-a' } }] },
    { ...teamB, credentials: [...[teamB?.['credentials']].flat(), bearer(TOKENS.foreign)] },
  ];
}

beforeAll(async () => {
  // A Prometheus behind the query door, and an exporter with a certificate: what they say does not matter here.
  const backend = stack.use(await startExporter({ behaviour: { kind: 'answer', headers: { 'content-type': 'application/json' }, body: Buffer.from('{"status":"success","data":{"resultType":"vector","result":[]}}') } }));
  const dir = stack.use(await createTempDir());
  const pki = await createTestPki(dir.join('pki'));
  secure = stack.use(await startExporter({ tls: await readPair(pki.gateway) }));
  const clients = [{ id: 'robot', secret: 'secret-of-robot', claims: { groups: ['a-monitoring'] } }, { id: 'nobody', secret: 'secret-of-nobody', claims: { groups: ['staff'] } }];
  provider = stack.use(await startOidcProvider({ certificate: pki.gateway, ca: await readFile(pki.serverCaFile), audiences: [AUDIENCE], clients }));
  world = stack.use(
    await startWorld({
      gateway: {
        tenants: await tenants(),
        issuers: [{ name: 'main', issuer: provider.issuer, jwksUri: provider.jwksUri, audiences: [AUDIENCE], caFile: pki.serverCaFile }],
        frontProxies: [{ certificate: { uri: FRONT_PROXY }, tenants: ['team-a'] }],
        backends: [{ name: 'main', url: `http://127.0.0.1:${backend.port}` }],
      },
      targetsA: [{ name: 'secure', url: `https://127.0.0.1:${secure.port}/metrics` }],
    }),
  );
  caFile = dir.join('bundle.crt');
  await writeFile(caFile, Buffer.concat([await readFile(pki.serverCaFile), await readFile(world.pki.serverCaFile)]));
  await makeCredentials(dir.path);
  await eventually(async () => expect(await outcome('path', await showing('a token of an issuer'))).toBe('200'));
}, 90_000);
afterAll(async () => {
  await stack.disposeAsync();
});

async function makeCredentials(folder: string): Promise<void> {
  const authority = { certificatePem: await readFile(world.pki.clientsCaFile, 'utf8'), privateKeyPem: await readFile(world.pki.clientsCaFile.replace(/\.crt$/, '.key'), 'utf8') };
  const dns = await issueLeaf(authority, { commonName: 'by name', sans: [{ type: 'dns', value: DNS_NAME }], usage: 'client', days: 1 });
  await writeFile(`${folder}/dns.crt`, dns.certificatePem);
  await writeFile(`${folder}/dns.key`, dns.privateKeyPem);
  const fileOf = async (name: string) => {
    const { certificateFile, keyFile } = await world.pki.client(name);
    return { cert_file: certificateFile, key_file: keyFile };
  };
  files = { uri: await fileOf('team-a'), dns: { cert_file: `${folder}/dns.crt`, key_file: `${folder}/dns.key` }, front: await fileOf('front') };
  const pairOf = async ({ cert_file, key_file }: { readonly cert_file: string; readonly key_file: string }): Promise<HttpRequest['tls']> => ({ ...(await readPair({ certificateFile: cert_file, keyFile: key_file })) });
  const [byUri, byDns, front, ofTeamB] = [await pairOf(files.uri), await pairOf(files.dns), await pairOf(files.front), await pairOf(await fileOf('team-b'))];
  const good = `Bearer ${TOKENS.good}`;
  shown = {
    nothing: {},
    'a certificate, by its URI': { tls: byUri },
    'a certificate, by its DNS name': { tls: byDns },
    'a password': { credential: basic('team-a', PASSWORD) },
    'a key': { credential: good },
    'a front proxy that names the tenant': { tls: front, asserted: 'team-a' },
    'a certificate and a key': { tls: byUri, credential: good },
    'a key, and another tenant asserted': { credential: good, asserted: 'team-b' },
    'a certificate of team-b, and the tenant asserted': { tls: ofTeamB, asserted: 'team-a' },
    'a key in the header that does not count': { other: good },
    'a certificate, and nonsense in the header that does not count': { tls: byUri, other: 'Nonsense ' },
    'the tenant asserted, and nothing else': { asserted: 'team-a' },
    'a wrong password': { credential: basic('team-a', 'wrong') },
    'an unknown user': { credential: basic('team-z', PASSWORD) },
    'an unknown key': { credential: 'Bearer unknown' },
    'a key that has ended': { credential: `Bearer ${TOKENS.ended}` },
    'a scheme that nobody has': { credential: 'Digest username="team-a"' },
    'a certificate, and a wrong password': { tls: byUri, credential: basic('team-a', 'wrong') },
    'a front proxy alone': { tls: front },
    'a front proxy that names a tenant that it may not': { tls: front, asserted: 'team-b' },
    'a front proxy that names a tenant that does not exist': { tls: front, asserted: 'team-z' },
    'a certificate and a key of two tenants': { tls: byUri, credential: `Bearer ${TOKENS.foreign}` },
    'a front proxy and a key of two tenants': { tls: front, asserted: 'team-a', credential: `Bearer ${TOKENS.foreign}` },
  };
}

async function showing(name: string): Promise<Shown> {
  const soon = Math.floor(Date.now() / 1000) + 300;
  if (name === 'a token of an issuer') return { credential: `Bearer ${await provider.token('robot', AUDIENCE)}` };
  if (name === 'a token of an issuer that names nobody') return { credential: `Bearer ${await provider.token('nobody', AUDIENCE)}` };
  if (name === 'a token of an issuer that has ended') return { credential: `Bearer ${provider.forge({ sub: 'robot', groups: ['a-monitoring'], aud: AUDIENCE, exp: soon - 1000 })}` };
  const found = shown[name];
  if (found === undefined) throw new Error(`no credential is called ${name}`);
  return found;
}

interface Answered {
  readonly status: number;
  readonly reason: unknown;
  /** Everything that a client could tell two refusals apart by. */
  readonly bytes: string;
}

async function ask(door: Door, where: string, { tls: own, credential, other, asserted }: Shown): Promise<Answered> {
  const proxied = door === 'proxy' || door === 'connect';
  const [ours, others] = proxied ? ['proxy-authorization', 'authorization'] : ['authorization', 'proxy-authorization'];
  const headers = { ...(credential !== undefined && { [ours]: credential }), ...(other !== undefined && { [others]: other }), ...(asserted !== undefined && { 'x-tenant-namespace': asserted }) };
  const tls = { ...world.request(undefined, '/').tls, ...own };
  if (door === 'connect') {
    const { status, headers: head, socket } = await dialConnect({ port: world.gateway.ports.scrape, authority: where, headers, tls });
    socket.destroy();
    return { status, reason: head['x-scrapeway-reason'], bytes: JSON.stringify({ ...head, date: '' }) };
  }
  const { status, headers: head, body } = await world.ask(undefined, where, { headers, tls });
  return { status, reason: head['x-scrapeway-reason'], bytes: JSON.stringify({ ...head, date: '' }) + body.toString('latin1') };
}

/** At the door's own address. */
async function outcome(door: Door, what: Shown, where: string = DOORS[door].own): Promise<string> {
  const { status, reason } = await ask(door, where, what);
  return [status, reason].filter(Boolean).join(' ');
}

const GOOD = [
  'a certificate, by its URI',
  'a certificate, by its DNS name',
  'a password',
  'a key',
  'a token of an issuer',
  'a front proxy that names the tenant',
  'a certificate and a key',
  'a key, and another tenant asserted',
  'a certificate, and nonsense in the header that does not count',
] as const;

describe.each(GOOD)('%s', (name) => {
  it.each(ALL)('is the tenant at the %s door', async (door) => {
    expect(await outcome(door, await showing(name))).toBe('200');
  });

  it.each(TO_TARGETS)("at the %s door: another tenant's target is like one that does not exist", async (door) => {
    const what = await showing(name);
    const [foreign, unknown] = [await ask(door, DOORS[door].foreign, what), await ask(door, DOORS[door].unknown, what)];
    expect([foreign.status, foreign.reason]).toEqual([403, 'target_forbidden']);
    expect(unknown).toEqual(foreign);
  });
});

/** At doors where the authority names the target, the same is said by 407 and another reason. */
function saidAt(door: Door, reason: string): string {
  if (reason === 'conflicting_credentials') return `403 ${reason}`;
  return door === 'proxy' || door === 'connect' ? `407 proxy_${reason}` : `401 ${reason}`;
}

describe.each<[name: string, reason: string]>([
  ['nothing', 'no_credentials'],
  ['a key in the header that does not count', 'no_credentials'],
  ['the tenant asserted, and nothing else', 'no_credentials'],
  ['a wrong password', 'bad_credentials'],
  ['an unknown user', 'bad_credentials'],
  ['an unknown key', 'bad_credentials'],
  ['a key that has ended', 'bad_credentials'],
  ['a token of an issuer that has ended', 'bad_credentials'],
  ['a token of an issuer that names nobody', 'bad_credentials'],
  ['a scheme that nobody has', 'bad_credentials'],
  ['a certificate, and a wrong password', 'bad_credentials'],
  ['a front proxy alone', 'bad_credentials'],
  ['a front proxy that names a tenant that it may not', 'bad_credentials'],
  ['a front proxy that names a tenant that does not exist', 'bad_credentials'],
  ['a certificate and a key of two tenants', 'conflicting_credentials'],
  ['a front proxy and a key of two tenants', 'conflicting_credentials'],
])('%s', (name, reason) => {
  it.each(ALL)(`is ${reason} at the %s door`, async (door) => {
    expect(await outcome(door, await showing(name))).toBe(saidAt(door, reason));
  });

  it.each(TO_TARGETS)('at the %s door: is told the same whatever it asks for', async (door) => {
    const what = await showing(name);
    const [own, foreign, unknown] = [await ask(door, DOORS[door].own, what), await ask(door, DOORS[door].foreign, what), await ask(door, DOORS[door].unknown, what)];
    expect(foreign).toEqual(own);
    expect(unknown).toEqual(own);
  });
});

describe('a tenant in the wrong place', () => {
  it.each(['?tenant=team-b', '?X-Tenant-Namespace=team-b', '?namespace=team-b'])('%s of a scrape is the target\'s', async (query) => {
    expect(await outcome('path', await showing('a key'), `/scrape/site-a/web${query}`)).toBe('200');
    expect(world.siteA.exporter.requests.at(-1)?.url).toBe(`/metrics${query}`);
    expect(await outcome('path', await showing('a key'), `/scrape/site-b/web${query}`)).toBe('403 target_forbidden');
  });

  it('is not that of somebody else\'s certificate', async () => {
    expect(await outcome('path', await showing('a certificate of team-b, and the tenant asserted'))).toBe('403 target_forbidden');
  });

  it('is told in the audit line, where a front proxy names one that it may not', async () => {
    await outcome('path', await showing('a front proxy that names a tenant that does not exist'));
    await eventually(async () => {
      const lines = (await readFile(world.gateway.accessLogFile, 'utf8')).trim().split('\n');
      expect(lines.map((line): unknown => JSON.parse(line))).toContainEqual(expect.objectContaining({ door: 'path', reason: 'bad_credentials', rule: 'frontProxies: it may not speak for team-z' }));
    });
  });
});

it('a real Prometheus, with each credential in a scrape_config of its own, at each door', async () => {
  const tls_config = { ca_file: caFile };
  const address = `localhost:${world.gateway.ports.scrape}`;
  const path = (name: string, more: ConfigFile): ConfigFile => ({ job_name: name, scheme: 'https', metrics_path: DOORS.path.own, tls_config, static_configs: [{ targets: [address] }], ...more });
  const proxy_url = `https://team-a:${encodeURIComponent(PASSWORD)}@${address}`;
  await using prometheus = await startPrometheus({
    config: {
      global: { scrape_interval: '1s', scrape_timeout: '1s' },
      scrape_configs: [
        path('uri', { tls_config: { ...tls_config, ...files.uri } }),
        path('dns', { tls_config: { ...tls_config, ...files.dns } }),
        path('basic', { basic_auth: { username: 'team-a', password: PASSWORD } }),
        path('bearer', { authorization: { credentials: TOKENS.good } }),
        path('oauth2', { oauth2: { client_id: 'robot', client_secret: 'secret-of-robot', token_url: provider.tokenUri, endpoint_params: { resource: AUDIENCE }, tls_config } }),
        path('front-proxy', { tls_config: { ...tls_config, ...files.front }, http_headers: { 'X-Tenant-Namespace': { values: ['team-a'] } } }),
        { job_name: 'proxy-basic', proxy_url, tls_config, static_configs: [{ targets: ['web.site-a.scrapeway:80'] }] },
        { job_name: 'proxy-certificate', proxy_url: `https://${address}`, tls_config: { ...tls_config, ...files.uri }, static_configs: [{ targets: ['web.site-a.scrapeway:80'] }] },
        { job_name: 'connect-basic', scheme: 'https', proxy_url, tls_config, static_configs: [{ targets: [`127.0.0.1:${secure.port}`] }] },
        { job_name: 'sd', scheme: 'https', tls_config, authorization: { credentials: TOKENS.good }, http_sd_configs: [{ url: `https://${address}/sd?label=env=prod`, refresh_interval: '1s', tls_config, authorization: { credentials: TOKENS.good } }] },
        path('stranger', { basic_auth: { username: 'team-a', password: 'wrong' } }),
        path('foreign', { metrics_path: DOORS.path.foreign, authorization: { credentials: TOKENS.good } }),
      ],
    },
  });
  await eventually(
    async () => {
      const health = Object.fromEntries((await prometheus.targets()).map((target) => [target.scrapePool, `${target.health} ${target.lastError}`.trim()]));
      const up = ['uri', 'dns', 'basic', 'bearer', 'oauth2', 'front-proxy', 'proxy-basic', 'proxy-certificate', 'connect-basic', 'sd'];
      expect(health).toEqual({
        ...Object.fromEntries(up.map((pool) => [pool, 'up'])),
        stranger: expect.stringMatching(/^down .*401/),
        foreign: expect.stringMatching(/^down .*403/),
      });
    },
    { timeoutMs: 40_000, intervalMs: 250 },
  );
});
