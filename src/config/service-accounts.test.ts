import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { changed, createConfigFolder, GATEWAY, marked, NO_ENVIRONMENT, placed } from '../../test/support/config-folder.js';
import type { ConfigFolder } from '../../test/support/config-folder.js';
import type { DesiredState } from '../model/desired-state.js';
import { loadGatewayConfig } from './gateway-config.js';

let dir: ConfigFolder;
beforeAll(async () => {
  dir = await createConfigFolder();
  await dir.write('kubeconfig.yaml', 'apiVersion: v1\n');
});
afterAll(async () => dir[Symbol.asyncDispose]());

const B = `      - bearer: { sha256: ${'ab'.repeat(32)} }\n`;
const ACCOUNT = '      - serviceAccount: { namespace: shop, name: prometheus }\n      - serviceAccount: { namespace: shop-dev }\n';
const KUBERNETES = `kubernetes:
  server: https://10.0.0.1:6443/
  caFile: server-ca.crt
  tokenFile: team-a.token
  tokenReview:
    audiences: [scrapeway]
`;
const SOUND = `${changed(GATEWAY, B, B + ACCOUNT)}${KUBERNETES}`;
const BY_NAMESPACE = `${GATEWAY}${KUBERNETES}    tenantFromNamespace: true\n`;

async function load(text: string): Promise<Awaited<ReturnType<typeof loadGatewayConfig>>> {
  return loadGatewayConfig(await dir.write('gateway.yaml', text), NO_ENVIRONMENT);
}

async function stateOf(text: string): Promise<DesiredState> {
  const { result } = await load(text);
  if (!result.ok) throw new Error(result.error.map(placed).join('\n'));
  return result.value.state;
}

async function expectFaults(text: string, ...expected: readonly string[]): Promise<void> {
  const { text: spoilt, positions } = marked(text);
  const { result } = await load(spoilt);
  const faults = result.ok ? [] : result.error;
  expect(faults.map(placed)).toEqual(expected.map((fault) => fault.replaceAll('FOLDER', dir.path)));
  expect(faults.map(({ line, column }) => ({ line, column }))).toEqual(positions);
}

/** The service accounts of each tenant, `namespace/name`. */
function accountsOf({ tenants }: DesiredState): Record<string, string[]> {
  return Object.fromEntries(tenants.map(({ name, credentials }) => [name, credentials.flatMap((each) => (each.kind === 'service-account' ? [`${each.namespace}/${each.name ?? '*'}`] : []))]));
}

describe('service accounts', () => {
  it('are credentials: one, or all of a namespace', async () => {
    expect(accountsOf(await stateOf(SOUND))).toEqual({ 'team-a': [], 'team-b': ['shop/prometheus', 'shop-dev/*'] });
  });

  it('of the namespace that is named like a tenant are its credentials, if that is wanted', async () => {
    expect(accountsOf(await stateOf(BY_NAMESPACE))).toEqual({ 'team-a': ['team-a/*'], 'team-b': ['team-b/*'] });
  });

  it('that a tenant lists are all that it has', async () => {
    expect(accountsOf(await stateOf(changed(BY_NAMESPACE, B, B + ACCOUNT)))).toEqual({ 'team-a': ['team-a/*'], 'team-b': ['shop/prometheus', 'shop-dev/*'] });
  });

  it('may be the only way in', async () => {
    expect(accountsOf(await stateOf(changed(BY_NAMESPACE, `credentials:\n${B}`, 'credentials: []\n')))).toMatchObject({ 'team-b': ['team-b/*'] });
  });

  it('have terms like every credential', async () => {
    const { tenants } = await stateOf(changed(SOUND, 'name: prometheus }\n', "name: prometheus }\n        expires: '2099-01-01T00:00:00Z'\n        scope: [{ targets: [node] }]\n"));
    expect(tenants[1]?.credentials[1]).toMatchObject({ kind: 'service-account', expiresMs: Date.parse('2099-01-01T00:00:00Z'), scope: [{ targets: ['node'] }] });
  });

  it.each([
    ['without a review', changed(`${changed(GATEWAY, B, B + ACCOUNT)}`, 'serviceAccount: { namespace: shop, name: prometheus }\n      - serviceAccount: { namespace: shop-dev }', 'serviceAccount: ‸{ namespace: shop }'), 'tenants[1].credentials[1].serviceAccount: needs `kubernetes.tokenReview`: nobody could say whose a token is'],
    ['listed twice', changed(SOUND, '{ namespace: shop-dev }', '{ namespace: shop, name: prometheus }').replace('      - serviceAccount: { namespace: shop, name: prometheus }\nagents', '      - ‸serviceAccount: { namespace: shop, name: prometheus }\nagents'), 'tenants[1].credentials[2]: this service account stands at tenants[1].credentials[1] already; a request could not be told apart'],
    ['in the namespace of another tenant', changed(BY_NAMESPACE, `credentials:\n${B}`, 'credentials:\n      ‸- serviceAccount: { namespace: team-a, name: x }\n'), 'tenants[1].credentials: service accounts of the namespace "team-a" are the tenant "team-a" and the tenant "team-b"; a request could not be told apart'],
    ['of a namespace that can have no such name', changed(SOUND, 'namespace: shop-dev', 'namespace: ‸Shop_Dev'), 'tenants[1].credentials[2].serviceAccount.namespace: must be a name of a namespace'],
    ['and no other credential, where there is no tenant by namespace', changed(GATEWAY, `credentials:\n${B}`, 'credentials: ‸[]\n'), 'tenants[1].credentials: must not be empty, unless a front proxy speaks for the tenant or `kubernetes.tokenReview.tenantFromNamespace` is set'],
  ])('%s: a fault', (_, text, fault) => expectFaults(text, fault));
});

describe('the API server', () => {
  it.each([
    ['is the one of the pod by default', KUBERNETES.replace(/ {2}(server|caFile|tokenFile).*\n/g, ''), { kind: 'in-cluster' }],
    ['is that of a kubeconfig file', KUBERNETES.replace(/ {2}(caFile|tokenFile).*\n/g, '').replace('server: https://10.0.0.1:6443/', 'kubeconfig: kubeconfig.yaml\n  context: edge'), { kind: 'kubeconfig', file: 'FOLDER/kubeconfig.yaml', context: 'edge' }],
    ['is named itself', KUBERNETES, { kind: 'server', url: 'https://10.0.0.1:6443', caPem: expect.stringContaining('BEGIN CERTIFICATE'), tokenFile: 'FOLDER/team-a.token' }],
  ])('%s', async (_, kubernetes, access) => {
    const { gateway } = await stateOf(GATEWAY + kubernetes);
    expect(JSON.parse(JSON.stringify(gateway.tokenReview).replaceAll(dir.path, 'FOLDER'))).toEqual({ access, audiences: ['scrapeway'], cacheMs: 10_000, timeoutMs: 2000 });
  });

  it('is asked for nothing where no review is configured', async () => {
    expect((await stateOf(`${GATEWAY}kubernetes: {}\n`)).gateway.tokenReview).toBeUndefined();
  });

  it.each([
    ['a context without a file', '  server: https://10.0.0.1:6443/\n', '  context: ‸edge\n  server: https://10.0.0.1:6443/\n', 'kubernetes.context: is one of a file; name it in `kubeconfig`'],
    ['a server beside a file', '  server: https', '  kubeconfig: kubeconfig.yaml\n  server: ‸https', 'kubernetes.server: stands beside `kubeconfig`, which names a server too'],
    ['a file that is not there', '  server: https://10.0.0.1:6443/\n  caFile: server-ca.crt\n  tokenFile: team-a.token\n', '  kubeconfig: ‸none.yaml\n', 'kubernetes.kubeconfig: FOLDER/none.yaml does not exist'],
    ['a CA that is none', 'caFile: server-ca.crt', 'caFile: ‸no-pem', 'kubernetes.caFile: FOLDER/no-pem holds no PEM certificate (-----BEGIN CERTIFICATE-----)'],
    ['a server by plain HTTP', 'https://10.0.0.1:6443/', '‸http://10.0.0.1:8080', 'kubernetes.server: must be an https:// URL'],
    ['a server with a password', 'https://10.0.0.1:6443/', '‸https://user:secret@10.0.0.1', 'kubernetes.server: must be an https:// URL without user and password'],
    ['no audience', '[scrapeway]', '‸[]', 'kubernetes.tokenReview.audiences: must not be empty'],
    ['a yes without an end', '[scrapeway]\n', '[scrapeway]\n    cacheDuration: ‸1d\n', 'kubernetes.tokenReview.cacheDuration: must be from 1s to 10m'],
    ['a long wait', '[scrapeway]\n', '[scrapeway]\n    timeout: ‸1m\n', 'kubernetes.tokenReview.timeout: must be from 100ms to 10s'],
  ])('%s: a fault', (_, from, to, fault) => expectFaults(changed(SOUND, from, to), fault));
});
