import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readPair } from '../support/certificates.js';
import { eventually } from '../support/eventually.js';
import type { RunningGateway } from '../support/gateway.js';
import type { Manifest } from '../support/helm.js';
import { fetchRaw } from '../support/http.js';
import { kubeWorldMissing, loadSeries, startKubeWorld } from '../support/kube-world.js';
import type { KubeWorld, OwnKind } from '../support/kube-world.js';
import { portOf } from '../support/ports.js';

/**
 * What the gateway's file can say beside tenants, agents and backends, said by objects, in two namespaces: the shipped gateway with its
 * Envoy beside a real API server, as the chart's service account. The file itself says nothing but where the cluster is.
 */

const missing = await kubeWorldMissing();
const withKube = missing === undefined ? describe : describe.skip;
if (missing !== undefined) process.stderr.write(`kube-kinds.test.ts is skipped: ${missing}\n`);

/** Patient: how soon is the matter of other tests. */
const SOON = { timeoutMs: 20_000, intervalMs: 20 };
const TOKEN = 'a-token-of-team-0123456789abcdef';
const OTHER = 'default';

function own(kind: OwnKind, name: string, spec: unknown): Manifest {
  return { apiVersion: 'scrapeway.io/v1alpha1', kind, metadata: { name }, spec };
}

function secret(name: string, stringData: Readonly<Record<string, string>>): Manifest {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData };
}

withKube('every kind of object', () => {
  const stack = new AsyncDisposableStack();
  let world: KubeWorld;
  let gateway: RunningGateway;

  const ask = async (path: string, { token = TOKEN, method = 'GET' }: { readonly token?: string; readonly method?: string } = {}): Promise<{ readonly status: number; readonly reason: string }> => {
    const ca = await readFile(world.pki.serverCaFile);
    const { status, headers } = await fetchRaw({ url: `${gateway.scrapeUrl}${path}`, method, tls: { ca, servername: 'localhost' }, headers: { authorization: `Bearer ${token}` } });
    return { status, reason: String(headers['x-scrapeway-reason'] ?? '') };
  };
  const answers = (path: string, wanted: Readonly<Record<string, unknown>>, options?: Parameters<typeof ask>[1]): Promise<void> =>
    eventually(async () => expect(await ask(path, options)).toMatchObject(wanted), { ...SOON, what: `${JSON.stringify(wanted)} at ${path}` });

  beforeAll(async () => {
    world = stack.use(await startKubeWorld({ 'kubernetes.objectNamespaces': ['monitoring', OTHER] }));
    await loadSeries(world.prometheus, [{ __name__: 'up', namespace: 'shop' }]);
    await world.apply(secret('team', { token: TOKEN, password: 'of-the-receiver' }));
    gateway = await world.start({ startTimeoutMs: 60_000, kubernetes: { objectNamespaces: ['monitoring', OTHER] }, config: { backends: [], frontProxies: [], discovery: { settle: '0s' } } });
  }, 120_000);
  afterAll(async () => {
    await stack.disposeAsync();
  });

  it('BackendGroup: is there when all of its members are, whatever comes first', async () => {
    await world.apply(own('BackendGroup', 'world', { members: ['main', 'second'] }));
    await world.apply(own('Backend', 'main', { url: world.prometheus.url }));
    await world.apply(own('Tenant', 'team', { credentials: [{ bearer: { tokenSecret: { name: 'team', key: 'token' } } }], scrape: [], query: [{ metrics: ['up'] }], push: ['batch'] }));
    await answers('/query/main/api/v1/query?query=up', { status: 200 });
    expect((await ask('/query/world/api/v1/query?query=up')).status).toBe(403);
    expect(await world.condition('BackendGroup', 'world', { type: 'Warning' })).toMatchObject({ status: 'True', message: expect.stringContaining('no backend has the name "second"') });
    await world.apply(own('Backend', 'second', { url: world.prometheus.url }));
    await answers('/query/world/api/v1/query?query=up', { status: 200 });
    await world.remove('Backend', 'second');
    await answers('/query/world/api/v1/query?query=up', { status: 403 });
  });

  it('FrontProxy: a certificate that speaks for tenants, from now on and no longer', async () => {
    const asked = async (): Promise<number> => (await world.query(gateway, 'team', 'up')).status;
    expect(await asked()).toBe(401);
    await world.apply(own('FrontProxy', 'grafana', { certificate: { uri: 'spiffe://scrapeway/tenant/front-proxy' }, tenants: ['team'] }));
    await eventually(async () => expect(await asked()).toBe(200), SOON);
    await world.apply(own('FrontProxy', 'grafana', { certificate: { uri: 'spiffe://scrapeway/tenant/front-proxy' }, tenants: 'all' }));
    expect(await world.condition('FrontProxy', 'grafana')).toMatchObject({ status: 'True' });
    await world.apply(own('FrontProxy', 'grafana', { certificate: { uri: 'spiffe://scrapeway/tenant/front-proxy' }, tenants: 7 }));
    expect(await world.condition('FrontProxy', 'grafana')).toMatchObject({ status: 'False', message: expect.stringContaining('spec.tenants') });
    await eventually(async () => expect(await asked()).toBe(401), SOON);
  });

  it('PushTarget: with credentials from a Secret, that rotate', async () => {
    const seen: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      seen.push(request.headers.authorization);
      request.resume();
      response.writeHead(200).end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    stack.defer(() => void server.close());
    const basic = (password: string): string => `Basic ${Buffer.from(`gw:${password}`).toString('base64')}`;
    await world.apply(own('PushTarget', 'batch', { kind: 'pushgateway', url: `http://127.0.0.1:${portOf(server)}`, tenantLabel: 'tenant', basic: { user: 'gw', passwordSecret: { name: 'team', key: 'password' } } }));
    await answers('/push/batch/metrics/job/nightly', { status: 200 }, { method: 'PUT' });
    expect(new Set(seen)).toEqual(new Set([basic('of-the-receiver')]));
    await world.apply(secret('team', { token: TOKEN, password: 'another' }));
    await eventually(async () => {
      await ask('/push/batch/metrics/job/nightly', { method: 'PUT' });
      expect(seen.at(-1)).toBe(basic('another'));
    }, SOON);
  });

  it('TokenIssuer: whose tokens are tenants\', with keys from a Secret', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${encode({ alg: 'EdDSA', kid: 'one' })}.${encode({ iss: 'https://idp.example', aud: 'scrapeway', team: 'jwt', exp: Math.floor(Date.now() / 1000) + 600 })}`;
    const token = `${signed}.${sign(null, Buffer.from(signed), privateKey).toString('base64url')}`;
    await world.apply(secret('idp', { jwks: JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'EdDSA' }] }) }));
    await world.apply(own('Tenant', 'by-token', { credentials: [{ jwt: { issuer: 'idp', claims: { team: 'jwt' } } }], query: [{ metrics: ['up'] }] }));
    expect(await world.condition('Tenant', 'by-token', { type: 'Warning' })).toMatchObject({ status: 'True', message: expect.stringContaining('no token issuer has the name "idp"') });
    expect((await ask('/api/v1/query?query=up', { token })).status).toBe(401);
    await world.apply(own('TokenIssuer', 'idp', { issuer: 'https://idp.example', audiences: ['scrapeway'], jwksSecret: { name: 'idp', key: 'jwks' } }));
    await answers('/api/v1/query?query=up', { status: 200 }, { token });
    await world.remove('TokenIssuer', 'idp');
    await answers('/api/v1/query?query=up', { status: 401 }, { token });
  });

  it('Site: its members are scraped by its name, as soon as they go together', async () => {
    await world.apply(own('Tenant', 'scraper', { credentials: [{ bearer: { tokenSecret: { name: 'scraper', key: 'token' } } }] }));
    await world.apply(secret('scraper', { token: 'a-token-of-the-scraper-0123456789' }));
    const token = 'a-token-of-the-scraper-0123456789';
    await world.apply(own('Agent', 'paris-1', { tenants: ['scraper'] }));
    await world.apply(own('Agent', 'paris-2', { tenants: ['scraper', 'team'] }));
    await world.apply(own('Site', 'paris', { agents: ['paris-1', 'paris-2'], hedge: 'p95' }));
    expect(await world.condition('Site', 'paris', { type: 'Warning' })).toMatchObject({ status: 'True', message: expect.stringContaining('serves other tenants') });
    expect(await ask('/scrape/paris/app', { token })).toMatchObject({ status: 403 });
    await world.apply(own('Agent', 'paris-2', { tenants: ['scraper'] }));
    await answers('/scrape/paris/app', { status: 503, reason: 'agent_away' }, { token });
    await world.apply(own('Site', 'thief', { agents: ['paris-1'] }));
    expect(await world.condition('Site', 'thief')).toMatchObject({ status: 'False', reason: 'Conflict', message: expect.stringContaining('Site monitoring/paris') });
  });

  it('TargetTemplate: gives targets to tenants by their labels alone', async () => {
    await world.apply(own('Agent', 'berlin', { tenants: ['team'] }));
    await answers('/scrape/berlin/app', { status: 403 });
    await world.apply(own('TargetTemplate', 'nodes', { selector: '{kind="node"}', tenants: ['team'], scrapeInterval: '30s', scrapeTimeout: '10s' }));
    // It might register.
    await answers('/scrape/berlin/app', { status: 503, reason: 'agent_away' });
    await world.remove('TargetTemplate', 'nodes');
    await answers('/scrape/berlin/app', { status: 403 });
  });

  it('Revocation: what several say adds up, and ends with them', async () => {
    const uri = 'spiffe://scrapeway/tenant/stolen';
    const client = { ca: await readFile(world.pki.serverCaFile), servername: 'localhost', ...(await readPair(await world.pki.client('stolen'))) };
    const status = async (): Promise<number> => (await fetchRaw({ url: `${gateway.scrapeUrl}/api/v1/query?query=up`, tls: client })).status;
    await world.apply(own('Tenant', 'stolen', { credentials: [{ certificate: { uri } }], query: [{ metrics: ['up'] }] }));
    await eventually(async () => expect(await status()).toBe(200), SOON);
    await world.apply(own('Revocation', 'one', { serials: ['1F:A0:33'] }), OTHER);
    await world.apply(own('Revocation', 'other', { names: [{ uri }] }));
    await eventually(async () => expect(await status()).toBe(401), SOON);
    await world.remove('Revocation', 'other');
    await eventually(async () => expect(await status()).toBe(200), SOON);
  });

  it('of two namespaces are one state: who comes later with a name that is taken is told Conflict, and has it when it is free', async () => {
    const token = 'a-token-of-the-other-0123456789abc';
    await world.apply(secret('other', { token }));
    // Of objects of the same second the first by namespace has it.
    await world.apply(own('Tenant', 'twice', { credentials: [{ certificate: { uri: 'a:b' } }], query: [{ metrics: ['up'] }] }), OTHER);
    await world.condition('Tenant', 'twice', { namespace: OTHER });
    await world.apply(own('Tenant', 'twice', { credentials: [{ bearer: { tokenSecret: { name: 'other', key: 'token' } } }], query: [{ metrics: ['up'] }] }));
    expect(await world.condition('Tenant', 'twice')).toMatchObject({ status: 'False', reason: 'Conflict', message: expect.stringContaining(`tenant twice is taken by Tenant ${OTHER}/twice`) });
    expect((await ask('/api/v1/query?query=up', { token })).status).toBe(401);
    await world.remove('Tenant', 'twice', OTHER);
    await answers('/api/v1/query?query=up', { status: 200 }, { token });
    // Of the other namespace's Secrets it has none.
    await world.apply(own('Tenant', 'reaching', { credentials: [{ bearer: { tokenSecret: { name: 'team', key: 'token' } } }] }), OTHER);
    expect(await world.condition('Tenant', 'reaching', { namespace: OTHER })).toMatchObject({ status: 'False', message: expect.stringContaining('does not exist in this namespace') });
  });
});
