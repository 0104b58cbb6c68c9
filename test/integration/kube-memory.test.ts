import { readFile, stat } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { startAgent } from '../support/agent.js';
import { eventually } from '../support/eventually.js';
import { startExporter, textAnswer } from '../support/exporter.js';
import type { RunningGateway } from '../support/gateway.js';
import { fetchRaw } from '../support/http.js';
import { kubeWorldMissing, loadSeries, startKubeWorld } from '../support/kube-world.js';

/**
 * A gateway that is killed while the API server is away: the next one takes the objects as they were, serves scrapes and queries with
 * them, and takes from whom the cluster has taken as soon as the API server is back.
 */

const missing = await kubeWorldMissing();
const withKube = missing === undefined ? describe : describe.skip;
if (missing !== undefined) process.stderr.write(`kube-memory.test.ts is skipped: ${missing}\n`);

const TOKENS = { stays: 'token-of-who-stays-0123456789', goes: 'token-of-who-goes-01234567890' };
const QUERY = '/api/v1/query?query=up';
const LONG_MS = { timeoutMs: 60_000 };

withKube('a gateway that is killed while the API server is away', () => {
  it('serves scrapes and queries with the state of before, says how old it is, and forgets what was deleted as soon as it hears of it', async () => {
    await using world = await startKubeWorld();
    await using exporter = await startExporter({ behaviour: textAnswer('x 1\n') });
    await loadSeries(world.prometheus, [{ __name__: 'up', namespace: 'shop' }]);
    for (const [name, token] of Object.entries(TOKENS)) {
      await world.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData: { token } });
      await world.apply({ apiVersion: 'scrapeway.io/v1alpha1', kind: 'Tenant', metadata: { name }, spec: { credentials: [{ bearer: { tokenSecret: { name, key: 'token' } } }], scrape: [{ agents: ['berlin'] }], metricAccess: { namespaces: [`of-${name}`], within: [{ metrics: ['.+'] }] } } });
      await world.kube.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: `of-${name}` } } });
      await world.apply({ apiVersion: 'observability.ethos.io/v1alpha1', kind: 'MetricAccess', metadata: { name: 'access' }, spec: { source: 'x', metrics: ['up'] } }, `of-${name}`);
    }
    await world.apply({ apiVersion: 'scrapeway.io/v1alpha1', kind: 'Agent', metadata: { name: 'berlin' }, spec: { tenants: Object.keys(TOKENS) } });
    const ca = await readFile(world.pki.serverCaFile);
    const asks = async (gateway: RunningGateway, path: string, who: keyof typeof TOKENS): Promise<number> =>
      (await fetchRaw({ url: `${gateway.scrapeUrl}${path}`, tls: { ca, servername: 'localhost' }, headers: { authorization: `Bearer ${TOKENS[who]}` } })).status;
    const answers = (gateway: RunningGateway, path: string, who: keyof typeof TOKENS, status: number): Promise<void> =>
      eventually(async () => expect(await asks(gateway, path, who)).toBe(status), { ...LONG_MS, what: `${status} for ${who} at ${path}` });
    const ageS = async (gateway: RunningGateway): Promise<number> => (await gateway.metric('scrapeway_kubernetes_state_age_seconds')).get('') ?? NaN;

    const first = await world.start({ startTimeoutMs: 90_000 });
    await using agent = await startAgent({ dir: world.dir.path, pki: world.pki, name: 'berlin', gatewayPort: first.ports.agents, targets: [{ name: 'web', url: `http://127.0.0.1:${exporter.port}/metrics` }] });
    await agent.waitUntilReady();
    for (const who of ['stays', 'goes'] as const) {
      await answers(first, '/scrape/berlin/web', who, 200);
      await answers(first, QUERY, who, 200);
    }
    expect(await ageS(first)).toBe(0);
    const file = `${first.runtimeDir}/kubernetes-state`;
    // Written a moment after the last change, which the queries above have seen.
    await eventually(async () => expect((await stat(file)).mode & 0o777).toBe(0o600));
    await first.stop();
    expect((await readFile(file)).includes(TOKENS.stays)).toBe(false);

    // The one that is killed has written nothing on its way out.
    const second = await world.start({ again: first, startTimeoutMs: 90_000 });
    await using other = await world.kube.replica();
    let third: RunningGateway | undefined;
    await world.kube.restart(async () => {
      await eventually(async () => expect(await ageS(second)).toBeGreaterThan(0));
      second.process.signal('SIGKILL');
      await second.process.exited;
      for (const path of ['apis/scrapeway.io/v1alpha1/namespaces/monitoring/tenants/goes', 'api/v1/namespaces/monitoring/secrets/goes']) expect((await other.request({ method: 'DELETE', path: `/${path}` })).message).toBe('');
      third = await world.start({ again: first, startTimeoutMs: 90_000 });
      // Ready, although the API server is away.
      const ready = await fetchRaw({ url: `${third.statusUrl}/readyz` });
      expect([ready.status, ready.body.toString('utf8')]).toEqual([200, expect.stringContaining('until then what it said before the restart holds')]);
      expect(await ageS(third)).toBeGreaterThan(0);
      for (const who of ['stays', 'goes'] as const) {
        await answers(third, QUERY, who, 200);
        await answers(third, '/scrape/berlin/web', who, 200);
      }
    });
    if (third === undefined) throw new Error('no third gateway was started');
    await answers(third, QUERY, 'goes', 401);
    expect(await asks(third, '/scrape/berlin/web', 'goes')).toBe(401);
    expect(await asks(third, QUERY, 'stays')).toBe(200);
    const gateway = third;
    await eventually(async () => {
      expect(await ageS(gateway)).toBe(0);
      expect((await fetchRaw({ url: `${gateway.statusUrl}/readyz` })).body.toString('utf8')).toBe('ready\n');
    }, LONG_MS);
    // The next restart knows that it was deleted.
    await gateway.process.waitForLog(/all objects are those of the cluster now/);
  }, 300_000);
});

withKube('an API server that comes back without its history, while another one took changes', () => {
  it('is listed anew: nothing is lost, and nothing that was deleted stays', async () => {
    await using world = await startKubeWorld({ 'kubernetes.metricAccess.withoutTerms': 'own-namespace' });
    await loadSeries(world.prometheus, [{ __name__: 'up', namespace: 'shop' }, { __name__: 'up', namespace: 'bank' }]);
    await using other = await world.kube.replica();
    const access = (name: string): unknown => ({ apiVersion: 'observability.ethos.io/v1alpha1', kind: 'MetricAccess', metadata: { name }, spec: { source: 'x', metrics: ['up'] } });
    const path = (namespace: string, name = ''): string => `/apis/observability.ethos.io/v1alpha1/namespaces/${namespace}/metricaccesses/${name}`;
    const make = async (namespace: string): Promise<void> => {
      await other.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: namespace } } });
      expect((await other.request({ method: 'POST', path: path(namespace), body: access('access') })).message).toBe('');
    };
    await make('shop');
    const gateway = await world.start({ kubernetes: { metricAccess: { withoutTerms: 'own-namespace' } }, startTimeoutMs: 90_000 });
    expect(await world.seen(gateway, 'shop', 'up')).toEqual(['shop']);
    await world.kube.restart(async () => {
      await make('bank');
      expect((await other.request({ method: 'DELETE', path: path('shop', 'access') })).message).toBe('');
      await world.kube.compact();
      // What is known stays until there is more to know.
      expect(await world.seen(gateway, 'shop', 'up')).toEqual(['shop']);
    });
    await eventually(async () => expect(await world.seen(gateway, 'bank', 'up')).toEqual(['bank']), LONG_MS);
    // Nobody is the tenant any more.
    expect((await world.query(gateway, 'shop', 'up')).status).toBe(401);
    await gateway.process.waitForLog(/too old to watch from/, LONG_MS);
  }, 240_000);
});
