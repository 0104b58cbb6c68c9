import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import type { RunningGateway } from '../support/gateway.js';
import { at, listAt } from '../support/helm.js';
import type { Manifest } from '../support/helm.js';
import { kubeWorldMissing, loadSeries, startKubeWorld } from '../support/kube-world.js';
import type { KubeWorld } from '../support/kube-world.js';
import { DOCUMENTED_METRIC_ACCESSES } from '../support/metric-access-manifests.js';

/**
 * MetricAccess objects on a real API server, and what is seen of a real Prometheus through the shipped gateway and its Envoy.
 */

const missing = await kubeWorldMissing();
const withKube = missing === undefined ? describe : describe.skip;
if (missing !== undefined) process.stderr.write(`kube-metric-access.test.ts is skipped: ${missing}\n`);

/** A change is effective in less. */
const SOON = { timeoutMs: 1_000, intervalMs: 10 };

function access(name: string, metrics: readonly string[], more: Readonly<Record<string, unknown>> = {}): Manifest {
  return { apiVersion: 'observability.ethos.io/v1alpha1', kind: 'MetricAccess', metadata: { name }, spec: { source: 'x', metrics, ...more } };
}

/** A tenant of a namespace: what the namespace's objects may ask for at most. */
function tenant(name: string, namespaces: readonly string[], within: readonly unknown[]): Manifest {
  return { apiVersion: 'scrapeway.io/v1alpha1', kind: 'Tenant', metadata: { name }, spec: { metricAccess: { namespaces, within } } };
}

withKube('MetricAccess objects of a cluster', () => {
  let world: KubeWorld;
  let gateway: RunningGateway;
  let namespace: string;
  let other: string;
  const seen = (expression: string, who = 'shop'): Promise<readonly string[]> => world.seen(gateway, who, expression);
  const isSeen = async (expression: string, wanted: readonly string[], soon: { readonly timeoutMs: number } = SOON): Promise<void> => {
    await eventually(async () => expect(await seen(expression)).toEqual(wanted), { ...soon, what: expression });
  };
  const refused = async (who: string): Promise<unknown> => (await world.query(gateway, who, 'up')).status;

  beforeAll(async () => {
    world = await startKubeWorld();
    [namespace, other] = [await world.kube.freshNamespace(), await world.kube.freshNamespace()];
    const metrics = ['up', 'http_requests_total', 'node_load1', 'secret_total'];
    await loadSeries(world.prometheus, metrics.flatMap((__name__) => [namespace, other].map((each) => ({ __name__, namespace: each, job: 'other' }))));
    await world.apply(tenant('shop', [namespace], [{ metrics: ['up', 'http_.*', 'node_.*'] }, { metrics: ['.+'], labels: { namespace } }]));
    await world.apply(access('first', ['up']), namespace);
    gateway = await world.start();
  }, 120_000);
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  it('are in force when the gateway is ready, and say so', async () => {
    expect(await seen('{__name__=~".+"}')).toEqual([namespace, other].toSorted());
    expect(at((await world.query(gateway, 'shop', 'count by (__name__) ({__name__=~".+"})')).body, 'data', 'result')).toMatchObject([{ metric: { __name__: 'up' } }]);
    expect(await world.condition('MetricAccess', 'first', { namespace })).toMatchObject({ status: 'True', reason: 'Accepted' });
    expect(await world.condition('Tenant', 'shop')).toMatchObject({ status: 'True', reason: 'Accepted' });
  });

  it('take effect at Envoy in less than a second when they are added, changed and deleted', async () => {
    await world.apply(access('second', ['node_load1']), namespace);
    await isSeen('node_load1', [namespace, other].toSorted());
    await world.apply(access('second', ['node_load1{namespace="nobody"}']), namespace);
    await isSeen('node_load1', []);
    await world.apply(access('second', ['http_.*']), namespace);
    await isSeen('http_requests_total', [namespace, other].toSorted());
    await world.remove('MetricAccess', 'second', namespace);
    await isSeen('http_requests_total', []);
  });

  it('get no more than the ceiling, exactly', async () => {
    await world.apply(access('greedy', ['secret_total', 'node_.*']), namespace);
    // Of `secret_total` the own series only: the second grant of the ceiling.
    await isSeen('secret_total', [namespace]);
    expect(await seen('secret_total or secret_total{namespace!="x"}')).toEqual([namespace]);
    await world.remove('MetricAccess', 'greedy', namespace);
    await isSeen('secret_total', []);
  });

  it('that are partly wrong say what, in the status and an Event, and what is sound is in force', async () => {
    await world.apply(access('half', ['http_requests_total', '*_total', '{}']), namespace);
    await isSeen('http_requests_total', [namespace, other].toSorted());
    expect(await world.condition('MetricAccess', 'half', { namespace })).toMatchObject({ status: 'False', reason: 'PatternsRefused', message: expect.stringContaining('*_total') });
    await eventually(async () => {
      const { body } = await world.kube.request({ method: 'GET', path: `/api/v1/namespaces/${namespace}/events` });
      const events = listAt(body, 'items').filter((each) => at(each, 'involvedObject', 'name') === 'half');
      expect(events).toMatchObject([{ type: 'Warning', reason: 'PatternsRefused', message: expect.stringContaining('*_total') }]);
    });
    await world.remove('MetricAccess', 'half', namespace);
    await isSeen('http_requests_total', []);
  });

  it('of a namespace that speaks for nobody give nothing, and say so', async () => {
    await world.apply(access('first', ['secret_total']), other);
    expect(await world.condition('MetricAccess', 'first', { namespace: other })).toMatchObject({ status: 'False', reason: 'NothingAllowed', message: expect.stringContaining('no tenant takes the word') });
    expect(await refused(other)).toBe(401);
    expect(await seen('secret_total')).toEqual([]);
  });

  it('have their status written once, not again and again', async () => {
    const version = async (): Promise<unknown> => at((await world.kube.request({ method: 'GET', path: `/apis/observability.ethos.io/v1alpha1/namespaces/${namespace}/metricaccesses/first` })).body, 'metadata', 'resourceVersion');
    await world.condition('MetricAccess', 'first', { namespace });
    const before = await version();
    await world.apply(access('more', ['node_load1']), namespace);
    await world.condition('MetricAccess', 'more', { namespace });
    expect(await version()).toBe(before);
    await world.remove('MetricAccess', 'more', namespace);
  });

  it('are narrowed in less than a second when the terms are, and lose all with them', async () => {
    await isSeen('up', [namespace, other].toSorted());
    await world.apply(tenant('shop', [namespace], [{ metrics: ['.+'], labels: { namespace } }]));
    await isSeen('up', [namespace]);
    await world.remove('Tenant', 'shop');
    await eventually(async () => expect(await refused('shop')).toBe(401), SOON);
    await world.apply(tenant('shop', [namespace], [{ metrics: ['.+'] }]));
    await isSeen('up', [namespace, other].toSorted());
  });

  it('as documented are applied unchanged, and their namespace sees what they name and nothing else', async () => {
    const team = 'team-a';
    await world.kube.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: team } } });
    const series = (__name__: string, more: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> => ({ __name__, namespace: team, env: 'prod', ...more });
    await loadSeries(world.prometheus, [
      series(':cluster:kube_node_unallocated_cpu_cores:sum'), series('prometheus_build_info', { env: 'dev' }), series('http_errors_total'), series('http_errors_total', { env: 'dev' }),
      series('http_requests_total', { method: 'GET', env: 'dev' }), series('kube_pod_info', { namespace: 'a', env: 'dev' }), series('rpc_duration_seconds', { env: 'dev' }), series('unnamed_total', { env: 'dev' }),
    ]);
    for (const manifest of DOCUMENTED_METRIC_ACCESSES) await world.apply(manifest, team);
    await world.apply(tenant(team, [team], [{ metrics: ['.+'] }]));
    const count = async (expression: string): Promise<string> => String(at((await world.query(gateway, team, `count(${expression}) or vector(0)`)).body, 'data', 'result', 0, 'value', 1));
    await eventually(async () => expect(await count('prometheus_build_info')).toBe('1'), SOON);
    expect(await Promise.all([':cluster:kube_node_unallocated_cpu_cores:sum', 'http_errors_total', 'http_requests_total{env="dev"}', 'kube_pod_info', 'rpc_duration_seconds', 'unnamed_total', 'secret_total'].map(count))).toEqual(['1', '1', '1', '1', '1', '0', '0']);
    for (const { metadata } of DOCUMENTED_METRIC_ACCESSES.slice(0, -1)) expect(await world.condition('MetricAccess', metadata.name, { namespace: team })).toMatchObject({ status: 'True' });
    expect(await world.condition('MetricAccess', 'external', { namespace: team, type: 'RemoteWrite' })).toMatchObject({ status: 'False', reason: 'NotAllowed' });
  });

  it('stay in force while the API server is away, and are followed again when it is back', async () => {
    await world.kube.restart(async () => {
      expect(await seen('up')).toEqual([namespace, other].toSorted());
    });
    await world.apply(access('after', ['secret_total']), namespace);
    await isSeen('secret_total', [namespace, other].toSorted(), { timeoutMs: 15_000 });
    await world.remove('MetricAccess', 'after', namespace);
    await isSeen('secret_total', []);
  }, 60_000);
});

withKube('where the admin lets each namespace see its own', () => {
  it('a namespace is a tenant as soon as it has an object, and none any more without one', async () => {
    await using world = await startKubeWorld({ 'kubernetes.metricAccess.withoutTerms': 'own-namespace' });
    const [one, two] = [await world.kube.freshNamespace(), await world.kube.freshNamespace()];
    await loadSeries(world.prometheus, [one, two].map((namespace) => ({ __name__: 'up', namespace })));
    const gateway = await world.start({ kubernetes: { metricAccess: { withoutTerms: 'own-namespace' } } });
    expect((await world.query(gateway, one, 'up')).status).toBe(401);
    await world.apply(access('mine', ['up', `up{namespace="${two}"}`]), one);
    await eventually(async () => expect(await world.seen(gateway, one, 'up')).toEqual([one]), SOON);
    await world.remove('MetricAccess', 'mine', one);
    await eventually(async () => expect((await world.query(gateway, one, 'up')).status).toBe(401), SOON);
  }, 120_000);
});
