import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { lastAuditLine } from '../support/audit.js';
import { createTestPki } from '../support/certificates.js';
import type { TestPki } from '../support/certificates.js';
import { eventually } from '../support/eventually.js';
import type { HttpAnswer } from '../support/http.js';
import { base64url, startOidcProvider } from '../support/oidc-provider.js';
import type { RunningOidcProvider } from '../support/oidc-provider.js';
import { startPrometheus } from '../support/prometheus.js';
import type { ConfigFile } from '../support/scrapeway.js';
import { exchangeRaw } from '../support/raw-tls.js';
import { createTempDir } from '../support/temp-dir.js';
import type { TempDir } from '../support/temp-dir.js';
import { startWorld, worldTenants } from '../support/world.js';
import type { World } from '../support/world.js';

/** Tokens of a real OpenID provider, verified by the real Envoy, on every door. */

const WEB = '/scrape/site-a/web';
const WEB_B = '/scrape/site-b/web';
const PROXIED = 'http://web.site-a.scrapeway/metrics';
const AUDIENCE = 'https://scrapeway.test';
const OTHER_AUDIENCE = 'https://other.test';
const OPAQUE = 'an-opaque-token-of-team-a';
/** Not one of the issuer's, but a JWT by its looks: as opaque as any. */
const FOREIGN_JWT = `${base64url({ alg: 'none' })}.${base64url({ iss: 'https://elsewhere.test' })}.c2lnbmF0dXJl`;

const CLIENTS = [
  { id: 'prom-a', secret: 'secret-of-prom-a', claims: {} },
  { id: 'robot', secret: 'secret-of-robot', claims: { groups: ['staff', 'a-monitoring'] } },
  { id: 'nested', secret: 'secret-of-nested', claims: { realm_access: { roles: ['offline', 'scrape-b'] } } },
  { id: 'everybody', secret: 'secret-of-everybody', claims: { groups: ['a-monitoring'], realm_access: { roles: ['scrape-b'] } } },
  { id: 'nobody', secret: 'secret-of-nobody', claims: { groups: ['staff'] } },
];

let dir: TempDir;
let pki: TestPki;
let provider: RunningOidcProvider;
let world: World;
let tenants: readonly ConfigFile[];

const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');

async function startProvider(): Promise<RunningOidcProvider> {
  return startOidcProvider({ certificate: pki.gateway, ca: await readFile(pki.serverCaFile), audiences: [AUDIENCE, OTHER_AUDIENCE], clients: CLIENTS });
}

function issuerOf(name: string, { issuer, jwksUri }: RunningOidcProvider): ConfigFile {
  return { name, issuer, jwksUri, audiences: [AUDIENCE], caFile: pki.serverCaFile, cacheDuration: '1s' };
}

beforeAll(async () => {
  dir = await createTempDir();
  pki = await createTestPki(dir.join('pki'));
  provider = await startProvider();
  const [teamA, teamB] = await worldTenants();
  const more = (tenant: ConfigFile | undefined, ...credentials: ConfigFile[]): ConfigFile => ({ ...tenant, credentials: [...[tenant?.['credentials']].flat(), ...credentials] });
  tenants = [
    more(
      teamA,
      { bearer: { sha256: sha256(OPAQUE) } },
      { bearer: { sha256: sha256(FOREIGN_JWT) } },
      { jwt: { issuer: 'main', claims: { sub: 'prom-a' } } },
      { jwt: { issuer: 'main', claims: { groups: ['a-monitoring', 'a-admins'] } } },
      { jwt: { issuer: 'second', claims: { sub: 'prom-a' } } },
    ),
    more(teamB, { jwt: { issuer: 'main', claims: { '/realm_access/roles': 'scrape-b' } } }),
  ];
  const issuers = [{ ...issuerOf('second', provider), issuer: 'https://second.test' }, issuerOf('main', provider)];
  // One target is on a name of the gateway's own, as a CONNECT may well be.
  world = await startWorld({ gateway: { tenants, issuers }, targetsA: [{ name: 'idp', url: `${provider.issuer}/metrics` }] });
  // Keys are fetched in the background.
  await eventually(async () => expect(await byToken(await provider.token('prom-a', AUDIENCE))).toBe('200 ok'));
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
});

function outcome({ status, headers }: HttpAnswer): string {
  return `${status} ${String(headers['x-scrapeway-reason'] ?? 'ok')}`;
}

async function byToken(token: string, path = WEB, tenant?: 'team-a' | 'team-b'): Promise<string> {
  return outcome(await world.ask(tenant, path, { headers: { [path.startsWith('/') ? 'authorization' : 'proxy-authorization']: `Bearer ${token}` } }));
}

const soon = (): number => Math.floor(Date.now() / 1000) + 300;

/** As the provider's own for prom-a, but for `claims`. */
function forged(claims: Readonly<Record<string, unknown>> = {}): string {
  return provider.forge({ sub: 'prom-a', aud: AUDIENCE, exp: soon(), ...claims });
}

describe('a token of the provider', () => {
  it.each([
    ['names the tenant by its subject', 'prom-a', WEB, '200 ok'],
    ['names the tenant by its subject on the proxy door', 'prom-a', PROXIED, '200 ok'],
    ['names the tenant by one of its groups', 'robot', WEB, '200 ok'],
    ['names the tenant by a nested claim', 'nested', WEB_B, '200 ok'],
    ['reaches what its tenant may, and no more', 'nested', WEB, '403 target_forbidden'],
    ['that names two tenants is refused', 'everybody', WEB, '403 conflicting_credentials'],
    ['that names nobody is refused', 'nobody', WEB, '401 bad_credentials'],
    ['that names nobody is refused on the proxy door', 'nobody', PROXIED, '407 proxy_bad_credentials'],
    ['lists targets', 'prom-a', '/sd', '200 ok'],
  ])('%s', async (_name, client, path, expected) => {
    expect(await byToken(await provider.token(client, AUDIENCE), path)).toBe(expected);
  });

  it('stays at the gateway, and the audit line names the rule, the subject and no secret', async () => {
    const token = await provider.token('prom-a', AUDIENCE);
    expect(await byToken(token)).toBe('200 ok');
    expect(await byToken(token, PROXIED)).toBe('200 ok');
    for (const { headers } of world.siteA.exporter.requests) expect(JSON.stringify(headers)).not.toContain('Bearer');
    await eventually(async () => expect(await lastAuditLine(world.gateway.accessLogFile)).toMatchObject({ auth: 'jwt', credential: expect.stringMatching(/^jwt:main:[0-9a-f]{12}$/), subject: 'prom-a', tenant: 'team-a' }));
    expect(await readFile(world.gateway.accessLogFile, 'utf8')).not.toContain(token.slice(-40));
  });

  it("leaves the exporter's Authorization alone on the proxy door", async () => {
    const token = await provider.token('prom-a', AUDIENCE);
    await world.ask(undefined, PROXIED, { headers: { 'proxy-authorization': `Bearer ${token}`, authorization: `Bearer ${forged({ aud: 'exporter' })}` } });
    expect(world.siteA.exporter.requests.at(-1)?.headers['authorization']).toMatch(/^Bearer ey/);
    expect(world.siteA.exporter.requests.at(-1)?.headers['proxy-authorization']).toBeUndefined();
  });
});

describe('by CONNECT', () => {
  async function connect(authority: string, header: string): Promise<string> {
    const { tls } = world.request(undefined, '/');
    const answer = await exchangeRaw({ host: 'localhost', port: world.gateway.ports.scrape, ...tls }, `CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${header}\r\n\r\n`, 500);
    return [/^HTTP\/1.1 (\d+)/.exec(answer)?.[1], /^x-scrapeway-reason: (\w+)/m.exec(answer)?.[1]].filter(Boolean).join(' ');
  }

  it.each([['by name', 'idp.site-a.scrapeway:443'], ['by an authority that is also ours', '']])('%s', async (_name, fixed) => {
    const authority = fixed === '' ? new URL(provider.issuer).host : fixed;
    const token = await provider.token('prom-a', AUDIENCE);
    expect(await connect(authority, `proxy-authorization: Bearer ${token}`)).toBe('200');
    expect(await connect(authority, `proxy-authorization: Bearer ${forged({ exp: 1 })}`)).toBe('407 proxy_bad_credentials');
    expect(await connect(authority, `authorization: Bearer ${token}`)).toBe('407 proxy_no_credentials');
  });
});

describe('other credentials', () => {
  it.each([
    ['an opaque token', OPAQUE, '200 ok'],
    ['a JWT that no issuer knows, listed as a token', FOREIGN_JWT, '200 ok'],
    ['an unknown opaque token', 'some-other-opaque-token', '401 bad_credentials'],
    ['an unknown JWT', `${FOREIGN_JWT}x`, '401 bad_credentials'],
  ])('%s', async (_name, token, expected) => {
    expect(await byToken(token)).toBe(expected);
    expect(await byToken(token, PROXIED)).toBe(expected === '200 ok' ? expected : '407 proxy_bad_credentials');
  });

  it('a password, and a certificate with a token of the same tenant', async () => {
    expect(outcome(await world.ask('team-a', WEB))).toBe('200 ok');
    expect(await byToken(await provider.token('nested', AUDIENCE), WEB_B, 'team-b')).toBe('200 ok');
  });

  it('a certificate and a token of two tenants', async () => {
    expect(await byToken(await provider.token('prom-a', AUDIENCE), WEB_B, 'team-b')).toBe('403 conflicting_credentials');
  });

  it('a good certificate and a token that is not', async () => {
    expect(await byToken(forged({ aud: OTHER_AUDIENCE }), WEB_B, 'team-b')).toBe('401 bad_credentials');
  });
});

describe('a token is refused', () => {
  let stranger: RunningOidcProvider;
  beforeAll(async () => {
    stranger = await startProvider();
  });
  afterAll(async () => {
    await stranger[Symbol.asyncDispose]();
  });

  const tampered = async (): Promise<string> => {
    const [head = '', , signature = ''] = (await provider.token('nobody', AUDIENCE)).split('.');
    return `${head}.${base64url({ iss: provider.issuer, sub: 'prom-a', aud: AUDIENCE, exp: soon() })}.${signature}`;
  };
  const unsigned = (alg: string, signature: string): string => `${base64url({ alg, typ: 'JWT' })}.${base64url({ iss: provider.issuer, sub: 'prom-a', aud: AUDIENCE, exp: soon() })}.${signature}`;

  it.each<[string, () => string | Promise<string>, string]>([
    ['for another audience', () => provider.token('prom-a', OTHER_AUDIENCE), 'Audiences in Jwt are not allowed'],
    ['without an audience', () => forged({ aud: undefined }), 'Audiences in Jwt are not allowed'],
    ['that has expired', () => forged({ exp: soon() - 1000 }), 'Jwt is expired'],
    ['without an end', () => forged({ exp: undefined }), 'Jwt verification fails'],
    ['that does not hold yet', () => forged({ nbf: soon() }), 'Jwt not yet valid'],
    ['that was tampered with', tampered, 'Jwt verification fails'],
    ['with alg none', () => unsigned('none', ''), 'Jwt is not in the form'],
    ['with alg none and a signature', () => unsigned('none', 'c2ln'), String.raw`Jwt header \[alg\] is not supported`],
    ['with an algorithm of shared secrets', () => unsigned('HS256', 'c2ln'), "Jwks doesn't have key to match kid or alg"],
    ['signed by somebody else', async () => stranger.forge({ iss: provider.issuer, sub: 'prom-a', aud: AUDIENCE, exp: soon() }), 'Jwt verification fails'],
    ['of another issuer, for an audience that is not its', () => forged({ iss: 'https://second.test', aud: OTHER_AUDIENCE }), 'Audiences in Jwt are not allowed'],
  ])('%s', async (_name, make, why) => {
    const token = await make();
    expect(await byToken(token)).toBe('401 bad_credentials');
    await eventually(async () => expect((await lastAuditLine(world.gateway.accessLogFile))['rule']).toMatch(new RegExp(`^issuers/(main|second): ${why}`)));
    expect(await byToken(token, PROXIED)).toBe('407 proxy_bad_credentials');
  });

  it('of an issuer that nobody knows', async () => {
    expect(await byToken(forged({ iss: 'https://elsewhere.test' }))).toBe('401 bad_credentials');
  });

  it('anywhere but in its header', async () => {
    const token = await provider.token('prom-a', AUDIENCE);
    expect(outcome(await world.ask(undefined, `${WEB}?access_token=${token}`))).toBe('401 no_credentials');
    expect(outcome(await world.ask(undefined, WEB, { headers: { 'proxy-authorization': `Bearer ${token}` } }))).toBe('401 no_credentials');
    expect(outcome(await world.ask(undefined, WEB, { headers: { authorization: `Basic eDp5, Bearer ${token}` } }))).toBe('401 bad_credentials');
  });

  it('as metadata in a header', async () => {
    const headers = { 'x-jwt-payload': base64url({ sub: 'prom-a' }), 'x-envoy-jwt': '1', authorization: `Bearer ${forged({ exp: 1 })}` };
    expect(outcome(await world.ask(undefined, WEB, { headers }))).toBe('401 bad_credentials');
  });
});

it('a real Prometheus comes by oauth2', async () => {
  const tls_config = { ca_file: pki.serverCaFile };
  const oauth2 = { client_id: 'robot', client_secret: 'secret-of-robot', token_url: provider.tokenUri, endpoint_params: { resource: AUDIENCE }, tls_config };
  const credentials = { oauth2, tls_config: { ca_file: world.pki.serverCaFile } };
  await using prometheus = await startPrometheus({
    config: {
      global: { scrape_interval: '1s', scrape_timeout: '1s' },
      scrape_configs: [
        { job_name: 'path', scheme: 'https', metrics_path: WEB, ...credentials, static_configs: [{ targets: [`localhost:${world.gateway.ports.scrape}`] }] },
        { job_name: 'sd', scheme: 'https', ...credentials, http_sd_configs: [{ url: `${world.gateway.scrapeUrl}/sd?label=env=prod`, refresh_interval: '1s', ...credentials }] },
      ],
    },
  });
  await prometheus.waitForUp(2);
});

describe('keys', () => {
  it('that the provider changes are known without a restart, and those that it withdraws are forgotten', async () => {
    const old = await provider.token('prom-a', AUDIENCE);
    expect(await byToken(old)).toBe('200 ok');
    provider.rotate();
    const fresh = await provider.token('prom-a', AUDIENCE);
    await eventually(async () => expect([await byToken(fresh), await byToken(fresh, PROXIED)]).toEqual(['200 ok', '200 ok']), { timeoutMs: 10_000 });
    await eventually(async () => expect(await byToken(old)).toBe('401 bad_credentials'));
  });

  it('that are known stay while the provider is away; others are refused, and other credentials go on', async () => {
    const token = await provider.token('prom-a', AUDIENCE);
    provider.setAway(true);
    const before = provider.keyRequests;
    // Both doors of both issuers have tried in vain.
    await eventually(() => expect(provider.keyRequests).toBeGreaterThan(before + 8), { timeoutMs: 15_000 });
    expect(await byToken(token)).toBe('200 ok');
    expect(await byToken(token, PROXIED)).toBe('200 ok');
    provider.rotate();
    expect(await byToken(forged())).toBe('401 bad_credentials');
    expect(await byToken(OPAQUE)).toBe('200 ok');
    expect(outcome(await world.ask('team-a', WEB))).toBe('200 ok');
    provider.setAway(false);
    await eventually(async () => expect(await byToken(forged())).toBe('200 ok'), { timeoutMs: 10_000 });
  });

  it('that could never be fetched refuse the tokens of their issuer alone, and say why', async () => {
    await using late = await startProvider();
    late.setAway(true);
    await world.gateway.reconfigure({ tenants, issuers: [issuerOf('second', late), issuerOf('main', provider)] });
    const token = late.forge({ sub: 'prom-a', aud: AUDIENCE, exp: soon() });
    await eventually(async () => expect(await byToken(token)).toBe('503 issuer_unavailable'), { timeoutMs: 15_000 });
    await eventually(async () => expect((await lastAuditLine(world.gateway.accessLogFile))['rule']).toBe('issuers/second: Jwks remote fetch is failed'));
    expect(await byToken(token, PROXIED)).toBe('503 issuer_unavailable');
    expect(outcome(await world.ask('team-a', WEB))).toBe('200 ok');
    expect(await byToken(OPAQUE)).toBe('200 ok');
    await eventually(async () => expect(await byToken(forged())).toBe('200 ok'));
    late.setAway(false);
    await eventually(async () => expect(await byToken(token)).toBe('200 ok'), { timeoutMs: 10_000 });
  });
});

it('keys in a file, and none at all in the end', async () => {
  const jwks = await world.ask(undefined, '/', { url: provider.jwksUri, tls: { ca: await readFile(pki.serverCaFile), servername: 'localhost' } });
  await writeFile(dir.join('jwks.json'), jwks.body);
  await world.gateway.reconfigure({ tenants, issuers: [{ name: 'second', issuer: 'https://second.test', audiences: [AUDIENCE], jwksFile: dir.join('jwks.json') }, issuerOf('main', provider)] });
  await eventually(async () => expect(await byToken(forged({ iss: 'https://second.test' }))).toBe('200 ok'), { timeoutMs: 15_000 });
  expect(await byToken(forged({ iss: 'https://second.test', sub: 'robot' }))).toBe('401 bad_credentials');
  const withoutTokens = tenants.map((tenant) => ({ ...tenant, credentials: [tenant['credentials']].flat().filter((credential) => typeof credential === 'object' && credential !== null && !('jwt' in credential)) }));
  await world.gateway.reconfigure({ tenants: withoutTokens, issuers: [] });
  await eventually(async () => expect(await byToken(forged({ iss: 'https://second.test' }))).toBe('401 bad_credentials'));
  expect(await byToken(OPAQUE)).toBe('200 ok');
  expect(world.gateway.process.log()).not.toMatch(/deprecated|rejected/i);
});
