import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { dialConnect } from '../support/dial-connect.js';
import { eventually } from '../support/eventually.js';
import { at, parseManifests } from '../support/helm.js';
import type { HttpAnswer, HttpRequest } from '../support/http.js';
import { kubeMissing, startKube } from '../support/kube.js';
import type { RunningKube } from '../support/kube.js';
import { startPrometheus } from '../support/prometheus.js';
import { runScrapeway } from '../support/scrapeway.js';
import type { ConfigFile } from '../support/scrapeway.js';
import { createTempDir } from '../support/temp-dir.js';
import type { TempDir } from '../support/temp-dir.js';
import { startWorld, worldTenants } from '../support/world.js';
import type { World } from '../support/world.js';

/** Tokens of service accounts, reviewed by a real API server for a real gateway, on every door. */

const missing = await kubeMissing();
const withKube = missing === undefined ? describe : describe.skip;
if (missing !== undefined) process.stderr.write(`kube-token-review.test.ts is skipped: ${missing}\n`);

const WEB_A = '/scrape/site-a/web';
const WEB_B = '/scrape/site-b/web';
const PROXIED_A = 'http://web.site-a.scrapeway/metrics';
/** Short, so that the tests of its end are. */
const CACHE_MS = 3000;
/** How long the API server itself goes on saying yes without looking again. */
const API_SERVER_CACHE_MS = 10_000;

const ROLES = parseManifests(`
apiVersion: v1
kind: ServiceAccount
metadata: { name: scrapeway, namespace: default }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: scrapeway-token-review }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:auth-delegator }
subjects: [{ kind: ServiceAccount, name: scrapeway, namespace: default }]
`);

withKube('a token of a service account', () => {
  let kube: RunningKube;
  let dir: TempDir;
  let world: World;
  let shop: string;
  let kubernetes: ConfigFile;
  let tenants: readonly ConfigFile[];

  const account = async (namespace: string, name: string): Promise<void> => {
    const { message } = await kube.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } });
    if (message !== '') throw new Error(message);
  };
  const tokenOf = async (namespace: string, name: string, audience = 'scrapeway'): Promise<string> => {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const { status, message, body } = await kube.request({ method: 'POST', path, body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: [audience] } } });
    if (status !== 201) throw new Error(message);
    return String(at(body, 'status', 'token'));
  };
  const ask = (token: string, path = WEB_A, more: Partial<HttpRequest> = {}): Promise<HttpAnswer> =>
    world.ask(undefined, path, { ...more, headers: { [path.startsWith('/') ? 'authorization' : 'proxy-authorization']: `Bearer ${token}`, ...more.headers } });
  const outcome = async (token: string, path?: string): Promise<string> => {
    const { status, headers } = await ask(token, path);
    return `${status} ${headers['x-scrapeway-reason'] ?? ''}`.trim();
  };
  const audited = async (wanted: object): Promise<void> => {
    await eventually(async () => {
      const lines = (await readFile(world.gateway.accessLogFile, 'utf8')).trim().split('\n');
      expect(lines.map((line): unknown => JSON.parse(line))).toContainEqual(expect.objectContaining(wanted));
    });
  };

  beforeAll(async () => {
    [kube, dir] = await Promise.all([startKube(), createTempDir()]);
    shop = await kube.freshNamespace();
    await kube.request({ method: 'POST', path: '/api/v1/namespaces', body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team-b' } } });
    for (const role of ROLES) await kube.apply(role);
    for (const [namespace, name] of [[shop, 'prometheus'], [shop, 'somebody'], [shop, 'leaver'], ['team-b', 'prometheus']] as const) await account(namespace, name);
    await writeFile(dir.join('token'), `${await tokenOf('default', 'scrapeway', 'https://kubernetes.default.svc')}\n`);
    kubernetes = { server: kube.url, caFile: kube.caFile, tokenFile: dir.join('token'), tokenReview: { audiences: ['scrapeway'], tenantFromNamespace: true, cacheDuration: `${CACHE_MS}ms` } };
    const [teamA, teamB] = await worldTenants();
    const credentials = [{ serviceAccount: { namespace: shop, name: 'prometheus' } }, { serviceAccount: { namespace: shop, name: 'leaver' } }];
    tenants = [{ ...teamA, credentials: [...(Array.isArray(teamA?.['credentials']) ? teamA['credentials'] : []), ...credentials] }, { ...teamB }];
    world = await startWorld({ gateway: { tenants, kubernetes } });
  }, 180_000);
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    await kube.stop();
    await dir[Symbol.asyncDispose]();
  });

  it.each([
    ['its tenant, where the tenant lists it', 'prometheus', WEB_A, '200'],
    ['its tenant, on the proxy door too', 'prometheus', PROXIED_A, '200'],
    ['its tenant, where targets are listed', 'prometheus', '/sd', '200'],
    ["not another tenant's", 'prometheus', WEB_B, '403 target_forbidden'],
    ['nobody, where no tenant lists it', 'somebody', WEB_A, '401 bad_credentials'],
    ['nobody on the proxy door', 'somebody', PROXIED_A, '407 proxy_bad_credentials'],
  ])('is %s', async (_, name, path, expected) => {
    expect(await outcome(await tokenOf(shop, name), path)).toBe(expected);
  });

  it.each([
    ['that is its own, as the agent will say', 'prometheus', 'web.site-a.scrapeway:443', '403 agent_denied'],
    ['that is foreign', 'prometheus', 'web.site-b.scrapeway:443', '403 target_forbidden'],
    ['as nobody', 'somebody', 'web.site-a.scrapeway:443', '407 proxy_bad_credentials'],
  ])('comes by CONNECT to a target %s', async (_, name, authority, expected) => {
    const headers = { 'proxy-authorization': `Bearer ${await tokenOf(shop, name)}` };
    const answer = await dialConnect({ port: world.gateway.ports.scrape, authority, headers, tls: world.request(undefined, '/').tls });
    answer.socket.destroy();
    expect(`${answer.status} ${String(answer.headers['x-scrapeway-reason'])}`).toBe(expected);
  });

  it('is the tenant of its namespace, where the file says so', async () => {
    const token = await tokenOf('team-b', 'prometheus');
    expect(await outcome(token, WEB_B)).toBe('200');
    expect(await outcome(token, WEB_A)).toBe('403 target_forbidden');
  });

  it('stands in the audit line by the name of the account, and why it was refused too', async () => {
    await ask(await tokenOf(shop, 'prometheus'));
    await audited({ tenant: 'team-a', auth: 'service-account', credential: `service-account:${shop}/prometheus` });
    await ask(await tokenOf(shop, 'somebody'));
    await audited({ reason: 'bad_credentials', rule: `kubernetes: no tenant has the service account ${shop}/somebody` });
  });

  it('does not reach the target', async () => {
    await ask(await tokenOf(shop, 'prometheus'));
    expect(world.siteA.exporter.requests.at(-1)?.headers['authorization']).toBeUndefined();
  });

  it('for another audience is refused', async () => {
    expect(await outcome(await tokenOf(shop, 'prometheus', 'https://kubernetes.default.svc'))).toBe('401 bad_credentials');
    await audited({ reason: 'bad_credentials', rule: 'kubernetes: it is for another audience' });
  });

  it('with another key behind it, or another claim in it, is refused', async () => {
    const [header = '', payload = '', signature = ''] = (await tokenOf(shop, 'somebody')).split('.');
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    const forged = Buffer.from(JSON.stringify({ ...(typeof claims === 'object' && claims), sub: `system:serviceaccount:${shop}:prometheus` })).toString('base64url');
    expect(await outcome(`${header}.${forged}.${signature}`)).toBe('401 bad_credentials');
    expect(await outcome(`${header}.${payload}.${signature.slice(0, -8)}AAAAAAAA`)).toBe('401 bad_credentials');
  });

  it("with another tenant's certificate beside it is refused", async () => {
    const { status, headers } = await world.ask('team-b', WEB_A, { headers: { authorization: `Bearer ${await tokenOf(shop, 'prometheus')}` } });
    expect([status, headers['x-scrapeway-reason']]).toEqual([403, 'conflicting_credentials']);
  });

  it('ends with its service account, once the yes of before has ended', async () => {
    const token = await tokenOf(shop, 'leaver');
    expect(await outcome(token)).toBe('200');
    await kube.request({ method: 'DELETE', path: `/api/v1/namespaces/${shop}/serviceaccounts/leaver` });
    await eventually(async () => expect(await outcome(token)).toBe('401 bad_credentials'), { timeoutMs: CACHE_MS + API_SERVER_CACHE_MS + 2000 });
  });

  it("ends at once when the tenant's credential is removed", async () => {
    const token = await tokenOf(shop, 'prometheus');
    expect(await outcome(token)).toBe('200');
    await world.gateway.reconfigure({ tenants: await worldTenants(), kubernetes });
    await eventually(async () => expect(await outcome(token)).toMatch(/^401/), { timeoutMs: 3000 });
    await world.gateway.reconfigure({ tenants, kubernetes });
    await eventually(async () => expect(await outcome(token)).toBe('200'), { timeoutMs: 5000 });
  });

  it('is explained, with what the API server says of it', async () => {
    const file = dir.join('request.txt');
    const explained = async (token: string): Promise<string> => {
      await writeFile(file, `GET ${WEB_A} HTTP/1.1\nHost: localhost\nAuthorization: Bearer ${token}\n`);
      return (await runScrapeway(['explain', '-c', world.gateway.configFile, '--request', file])).stdout;
    };
    expect(await explained(await tokenOf(shop, 'prometheus'))).toContain(`ok   Authorization: Bearer, a token of a service account of Kubernetes: the API server knows it as ${shop}/prometheus; is team-a, by service-account:${shop}/prometheus`);
    expect(await explained(await tokenOf(shop, 'somebody'))).toContain(`the API server knows it as ${shop}/somebody; no tenant has that`);
    expect(await explained(await tokenOf(shop, 'prometheus', 'x'))).toContain('FAIL Authorization: Bearer, a token of a service account of Kubernetes: it is for another audience');
  });

  it('works for a real Prometheus', async () => {
    await writeFile(dir.join('prometheus-token'), await tokenOf(shop, 'prometheus'));
    await using prometheus = await startPrometheus({
      config: {
        scrape_configs: [
          { job_name: 'service-account', scheme: 'https', scrape_interval: '1s', metrics_path: WEB_A, authorization: { credentials_file: dir.join('prometheus-token') }, tls_config: { ca_file: world.pki.serverCaFile }, static_configs: [{ targets: [`localhost:${world.gateway.ports.scrape}`] }] },
        ],
      },
    });
    expect(await prometheus.waitForUp(1)).toHaveLength(1);
  });

  it('is good for as long as the last yes while the API server is away, and then cannot be judged', async () => {
    const known = await tokenOf(shop, 'prometheus');
    const unknown = await tokenOf(shop, 'prometheus');
    expect(await outcome(known)).toBe('200');
    await kube.restart(async () => {
      expect(await outcome(unknown)).toBe('503 issuer_unavailable');
      // Who has shown another credential does not notice.
      expect((await world.ask('team-b', WEB_B)).status).toBe(200);
      await eventually(async () => expect(await outcome(known)).toBe('503 issuer_unavailable'), { timeoutMs: CACHE_MS + 2000 });
    });
    await eventually(async () => expect(await outcome(known)).toBe('200'), { timeoutMs: 10_000 });
  });
});
