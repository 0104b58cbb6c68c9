import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startAgent } from '../support/agent.js';
import { readPair } from '../support/certificates.js';
import { eventually } from '../support/eventually.js';
import { startExporter, textAnswer } from '../support/exporter.js';
import type { RunningGateway } from '../support/gateway.js';
import { at, listAt } from '../support/helm.js';
import type { Manifest } from '../support/helm.js';
import { fetchRaw } from '../support/http.js';
import { portOf } from '../support/ports.js';
import { kubeWorldMissing, loadSeries, startKubeWorld } from '../support/kube-world.js';
import type { KubeWorld } from '../support/kube-world.js';

/**
 * Tenants, Agents and Backends as objects, backends found in the cluster, and who of two gateways writes statuses: the shipped
 * gateway with its Envoy beside a real API server, as the chart's service account.
 */

const missing = await kubeWorldMissing();
const withKube = missing === undefined ? describe : describe.skip;
if (missing !== undefined) process.stderr.write(`kube-objects.test.ts is skipped: ${missing}\n`);

const SOON = { timeoutMs: 1_000, intervalMs: 10 };

function own(kind: 'Tenant' | 'Agent' | 'Backend', name: string, spec: unknown): Manifest {
  return { apiVersion: 'scrapeway.io/v1alpha1', kind, metadata: { name }, spec };
}

function secret(name: string, data: Readonly<Record<string, string>>): Manifest {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData: data };
}

/** A backend of empty answers, on an address of this machine that others could reach. */
async function startVector(): Promise<AsyncDisposable & { readonly host: string; readonly port: number }> {
  const host = Object.values(networkInterfaces()).flat().find((each) => each?.internal === false && each.family === 'IPv4')?.address;
  if (host === undefined) throw new Error('this machine has no address but the loopback');
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"success","data":{"resultType":"vector","result":[]}}');
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    host,
    port: portOf(server),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const TOKENS = ['first-token-of-shop-0123456789', 'second-token-of-shop-0123456789'] as const;

withKube('objects of our own kinds', () => {
  let world: KubeWorld;
  let gateway: RunningGateway;
  const asks = async (path: string, token: string): Promise<number> => {
    const ca = await readFile(world.pki.serverCaFile);
    return (await fetchRaw({ url: `${gateway.scrapeUrl}${path}`, tls: { ca, servername: 'localhost' }, headers: { authorization: `Bearer ${token}` } })).status;
  };
  const answers = async (path: string, token: string, status: number): Promise<void> => {
    await eventually(async () => expect(await asks(path, token)).toBe(status), { ...SOON, what: `${status} at ${path}` });
  };

  beforeAll(async () => {
    world = await startKubeWorld({ 'kubernetes.discovery': [{ namespaces: ['monitoring'], resources: ['EndpointSlice', 'Pod', 'Service'] }] });
    await loadSeries(world.prometheus, [{ __name__: 'up', namespace: 'shop' }]);
    gateway = await world.start();
  }, 120_000);
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  it('make a tenant, whose token comes from a Secret, rotates with it and dies with it', async () => {
    await world.apply(own('Tenant', 'shop', { credentials: [{ bearer: { tokenSecret: { name: 'shop', key: 'token' } } }], query: [{ metrics: ['up'] }] }));
    expect(await world.condition('Tenant', 'shop')).toMatchObject({ status: 'False', reason: 'PartlyRefused', message: expect.stringContaining('spec.credentials[0].bearer.tokenSecret: the Secret that it names does not exist') });
    await world.apply(secret('shop', { token: TOKENS[0] }));
    await answers('/api/v1/query?query=up', TOKENS[0], 200);
    expect(await eventually(async () => {
      const condition = await world.condition('Tenant', 'shop');
      expect(condition).toMatchObject({ status: 'True' });
      return condition;
    })).toBeDefined();
    await world.apply(secret('shop', { token: TOKENS[1] }));
    await answers('/api/v1/query?query=up', TOKENS[1], 200);
    expect(await asks('/api/v1/query?query=up', TOKENS[0])).toBe(401);
    await world.remove('Secret', 'shop');
    await answers('/api/v1/query?query=up', TOKENS[1], 401);
    await world.apply(secret('shop', { token: TOKENS[1] }));
    await answers('/api/v1/query?query=up', TOKENS[1], 200);
  });

  it('make an agent, whose target the tenant scrapes, until the object is deleted', async () => {
    await using exporter = await startExporter({ behaviour: textAnswer('x 1\n') });
    await world.apply(own('Agent', 'berlin', { tenants: ['shop', 'nobody'] }));
    expect(await world.condition('Agent', 'berlin', { type: 'Warning' })).toMatchObject({ status: 'True', message: expect.stringContaining('no tenant has the name "nobody"') });
    await using agent = await startAgent({ dir: world.dir.path, pki: world.pki, name: 'berlin', gatewayPort: gateway.ports.agents, targets: [{ name: 'web', url: `http://127.0.0.1:${exporter.port}/metrics` }] });
    await agent.waitUntilReady();
    await answers('/scrape/berlin/web', TOKENS[1], 200);
    await world.remove('Agent', 'berlin');
    await answers('/scrape/berlin/web', TOKENS[1], 403);
  }, 60_000);

  it('that claim what is taken are refused alone, and told by whom', async () => {
    await world.apply(own('Tenant', 'thief', { credentials: [{ bearer: { tokenSecret: { name: 'shop', key: 'token' } } }], query: [{ metrics: ['.+'] }] }));
    expect(await world.condition('Tenant', 'thief')).toMatchObject({ status: 'False', reason: 'Conflict', message: expect.stringContaining('is taken by Tenant monitoring/shop') });
    await world.apply(own('Backend', 'main', { url: 'http://127.0.0.1:1' }));
    expect(await world.condition('Backend', 'main')).toMatchObject({ status: 'False', message: expect.stringContaining("backend main is taken by the gateway's file") });
    expect(await asks('/api/v1/query?query=up', TOKENS[1])).toBe(200);
    await world.remove('Tenant', 'thief');
    await world.remove('Backend', 'main');
  });

  it('that cannot be read affect only themselves, and say so with their own places', async () => {
    await world.apply(own('Tenant', 'odd', { credentials: [{ certificate: { uri: 'spiffe://x/odd' } }], query: [{ metrics: ['('] }] }));
    expect(await world.condition('Tenant', 'odd')).toMatchObject({ status: 'False', message: expect.stringContaining('spec.query[0].metrics[0]') });
    await eventually(async () => {
      const { body } = await world.kube.request({ method: 'GET', path: `/api/v1/namespaces/${world.home}/events` });
      expect(listAt(body, 'items').filter((each) => at(each, 'involvedObject', 'name') === 'odd')).toMatchObject([{ reason: 'Refused', involvedObject: { kind: 'Tenant', apiVersion: 'scrapeway.io/v1alpha1' } }]);
    });
    expect(await asks('/api/v1/query?query=up', TOKENS[1])).toBe(200);
    await world.remove('Tenant', 'odd');
  });

  describe('a backend that is discovered', () => {
    const status = (): Promise<number> => asks('/query/found/api/v1/query?query=up', TOKENS[1]);
    const is = async (wanted: number): Promise<void> => {
      // What is asked in the very moment in which the last server goes waits two seconds for one.
      await eventually(async () => expect(await status()).toBe(wanted), { ...SOON, timeoutMs: 4_000, what: `${wanted} of the backend` });
    };
    const port = (): number => Number(new URL(world.prometheus.url).port);

    it('by EndpointSlices: ready addresses of its labels, and none without them', async () => {
      // No slice may have an address of the loopback.
      await using server = await startVector();
      const slice = (name: string, ready: boolean, labels: Readonly<Record<string, string>> = { app: 'prometheus' }): Manifest => ({
        apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name, labels }, addressType: 'IPv4',
        ports: [{ name: 'grpc', port: 1 }, { name: 'web', port: server.port }], endpoints: [{ addresses: [server.host], conditions: { ready } }],
      });
      await world.apply(own('Backend', 'found', { discover: { namespaces: [world.home], labels: { app: 'prometheus' }, port: 'web' } }));
      await is(503);
      await world.apply(slice('other', true, { app: 'other' }));
      expect(await world.condition('Backend', 'found')).toMatchObject({ status: 'True' });
      expect(await status()).toBe(503);
      await world.apply(slice('one', true));
      await is(200);
      await world.apply(slice('one', false));
      await is(503);
      await world.apply(slice('one', true));
      await is(200);
      await world.remove('EndpointSlice', 'one');
      await is(503);
    });

    it('by Pods that are ready, with a numbered port, at IPv6 too', async () => {
      await world.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'prometheus-0', labels: { app: 'prometheus' }, annotations: { role: 'infra' } }, spec: { containers: [{ name: 'prometheus', image: 'prometheus' }] } });
      await world.apply(own('Backend', 'found', { discover: { resource: 'Pod', namespaces: [world.home], labels: { app: 'prometheus' }, annotations: { role: 'infra' }, port: port() } }));
      await is(503);
      const ready = async (podIP: string, isReady: 'True' | 'False'): Promise<void> => {
        const body = { status: { phase: 'Running', podIP, podIPs: [{ ip: podIP }], conditions: [{ type: 'Ready', status: isReady }] } };
        const { message } = await world.kube.request({ method: 'PATCH', path: `/api/v1/namespaces/${world.home}/pods/prometheus-0/status`, body, contentType: 'application/merge-patch+json' });
        expect(message).toBe('');
      };
      await ready('127.0.0.1', 'True');
      await is(200);
      await ready('127.0.0.1', 'False');
      await is(503);
      // Nothing listens there; that it is asked is seen in the gateway's log.
      await ready('::1', 'True');
      await eventually(async () => {
        await status();
        await gateway.process.waitForLog(new RegExp(`UF \\[::1\\]:${port()} .*a backend does not answer`), { timeoutMs: 50 });
      });
    });
  });
});

withKube('two gateways', () => {
  it('have one leader, who says what there is to say; another follows at once when it goes, and when it is killed', async () => {
    await using world = await startKubeWorld();
    const leads = async (gateway: RunningGateway): Promise<boolean> => (await gateway.metric('scrapeway_kubernetes_leader')).get('') === 1;
    const holder = async (): Promise<unknown> => at((await world.kube.request({ method: 'GET', path: `/apis/coordination.k8s.io/v1/namespaces/${world.home}/leases/release-scrapeway` })).body, 'spec', 'holderIdentity');
    const first = await world.start({ name: 'gw-1' });
    await eventually(async () => expect(await leads(first)).toBe(true));
    const second = await world.start({ name: 'gw-2' });
    await world.apply(own('Tenant', 'one', {}));
    await world.condition('Tenant', 'one');
    expect([await leads(first), await leads(second), await holder()]).toEqual([true, false, 'gw-1']);
    await first.stop();
    await eventually(async () => expect(await leads(second)).toBe(true), { timeoutMs: 5_000 });
    await world.apply(own('Tenant', 'two', {}));
    await world.condition('Tenant', 'two');
    const third = await world.start({ name: 'gw-3' });
    second.process.signal('SIGKILL');
    await eventually(async () => expect([await leads(third), await holder()]).toEqual([true, 'gw-3']), { timeoutMs: 30_000, intervalMs: 200 });
    await world.apply(own('Tenant', 'three', {}));
    await world.condition('Tenant', 'three');
  }, 120_000);
});

withKube('a gateway that starts while the API server is away', () => {
  it('serves what its file says, is not ready and says why, and takes the objects when it is back', async () => {
    await using world = await startKubeWorld();
    const pair = await readPair(await world.pki.client('of-file'));
    await world.apply(own('Tenant', 'one', { query: [{ metrics: ['up'] }] }));
    await using gateway = await world.startWhileAway({ tenants: [{ name: 'of-file', credentials: [{ certificate: { uri: 'spiffe://scrapeway/tenant/of-file' } }], query: [{ metrics: ['up'] }] }] }, async (running) => {
      const ca = await readFile(world.pki.serverCaFile);
      await eventually(async () => expect((await fetchRaw({ url: `${running.scrapeUrl}/api/v1/query?query=up`, tls: { ca, servername: 'localhost', ...pair } })).status).toBe(200), { timeoutMs: 20_000 });
      const ready = await fetchRaw({ url: `${running.statusUrl}/readyz` });
      expect([ready.status, ready.body.toString('utf8')]).toEqual([503, expect.stringContaining('kubernetes has not listed tenants of monitoring: ')]);
    });
    await gateway.waitUntilReady(30_000);
    expect((await world.query(gateway, 'one', 'up')).status).toBe(200);
  }, 120_000);
});
