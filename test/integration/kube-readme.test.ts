import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import type { RunningGateway } from '../support/gateway.js';
import { at, listAt } from '../support/helm.js';
import type { Manifest } from '../support/helm.js';
import { kubeWorldMissing, loadSeries, startKubeWorld } from '../support/kube-world.js';
import type { KubeWorld } from '../support/kube-world.js';
import { README_METRIC_ACCESSES } from '../support/metric-access-manifests.js';
import { portOf } from '../support/ports.js';

/**
 * The manifests of the original's README, unchanged, on a real API server, and what their namespaces then see of a real Prometheus: first
 * with no admin's word but the chart's value, then with terms. And an export whose password is a Secret of the object's own namespace.
 */

const missing = await kubeWorldMissing();
const withKube = missing === undefined ? describe : describe.skip;
if (missing !== undefined) process.stderr.write(`kube-readme.test.ts is skipped: ${missing}\n`);

const SOON = { timeoutMs: 10_000, intervalMs: 20 };
const NAMESPACES = [...new Set(README_METRIC_ACCESSES.map(({ metadata }) => metadata.namespace ?? ''))];
const OUTSIDER = 'outsider';

const METRICS = [
  'http_requests_total', 'http_request_duration_seconds', 'http_errors_total', 'xhttp_total', 'node_cpu_seconds_total', 'container_cpu_usage_seconds_total',
  'container_memory_working_set_bytes', 'kubelet_running_pods', 'kube_pod_info', 'kube_node_info', 'up', 'secret_total',
];

/** Each metric in each namespace: of the job that the README names and of another, in production and not. */
const SERIES = [...NAMESPACES, OUTSIDER].flatMap((namespace) =>
  METRICS.flatMap((__name__) => [
    { __name__, namespace, job: __name__.startsWith('node_') ? 'node-exporter' : 'my-app', environment: 'production', team: 'webapp', instance: '.*' },
    { __name__, namespace, job: 'other', environment: 'test', team: 'webapp', instance: 'a:1' },
  ]),
);

withKube('the README of the original', () => {
  const stack = new AsyncDisposableStack();
  let world: KubeWorld;
  let gateway: RunningGateway;

  /** `up/my-app`: name and job of what a tenant sees; with its namespace where that is another. */
  const sees = async (tenant: string, namespace = tenant): Promise<readonly string[]> => {
    const { body } = await world.query(gateway, tenant, '{__name__=~".+"}');
    return listAt(body, 'data', 'result').map((series) => {
      const label = (name: string): string => String(at(series, 'metric', name));
      return `${label('namespace') === namespace ? '' : `${label('namespace')}:`}${label('__name__')}/${label('job')}`;
    }).toSorted();
  };
  const both = (...metrics: readonly string[]): readonly string[] => metrics.flatMap((metric) => [`${metric}/my-app`, `${metric}/other`]);

  beforeAll(async () => {
    world = stack.use(await startKubeWorld({ 'kubernetes.metricAccess.withoutTerms': 'own-namespace', 'kubernetes.metricAccess.secrets': true, 'kubernetes.objectNamespaces': ['*'] }));
    for (const name of [...NAMESPACES, 'platform', 'team-b']) await world.kube.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name } } });
    await loadSeries(world.prometheus, SERIES);
    gateway = await world.start({ startTimeoutMs: 60_000, kubernetes: { objectNamespaces: ['*'], metricAccess: { withoutTerms: 'own-namespace', secrets: true } }, config: { exports: { folder: world.dir.join('exports') } } });
    for (const manifest of README_METRIC_ACCESSES) await world.apply(manifest, manifest.metadata.namespace);
  }, 150_000);
  afterAll(async () => {
    await stack.disposeAsync();
  });

  const my = (...metrics: readonly string[]): readonly string[] => metrics.map((metric) => `${metric}/my-app`);
  it.each([
    // {job="my-app"} is every metric of that job.
    ['my-app-namespace', [...both('http_requests_total', 'http_request_duration_seconds'), ...my('http_errors_total', 'xhttp_total', 'container_cpu_usage_seconds_total', 'container_memory_working_set_bytes', 'kubelet_running_pods', 'kube_pod_info', 'kube_node_info', 'up', 'secret_total')]],
    // labelSelectors hold for every pattern: production only.
    ['tenant-namespace', [...my('http_requests_total', 'http_request_duration_seconds', 'http_errors_total', 'xhttp_total', 'container_cpu_usage_seconds_total', 'container_memory_working_set_bytes', 'kubelet_running_pods', 'kube_pod_info', 'kube_node_info', 'up', 'secret_total'), 'node_cpu_seconds_total/node-exporter']],
    ['my-namespace', both('container_cpu_usage_seconds_total', 'container_memory_working_set_bytes', 'kubelet_running_pods')],
    ['secure-tenant', both('kube_pod_info', 'container_cpu_usage_seconds_total', 'http_requests_total')],
    ['debug-tenant', both('kube_pod_info', 'kube_node_info', 'up')],
  ])('gives %s what it names, of its own namespace and no other', async (tenant, wanted) => {
    await eventually(async () => expect(await sees(tenant)).toEqual(wanted.toSorted()), SOON);
  });

  it('says of every object that it is in force, and that nobody allows its export', async () => {
    for (const { metadata: { name, namespace = '' } } of README_METRIC_ACCESSES) {
      expect(await world.condition('MetricAccess', name, { namespace })).toMatchObject({ status: 'True', reason: 'Accepted' });
      expect(await world.condition('MetricAccess', name, { namespace, type: 'RemoteWrite' })).toMatchObject({ status: 'False', reason: 'NotAllowed' });
    }
    expect(await world.condition('MetricAccess', 'tenant-metrics-access', { namespace: 'tenant-namespace', type: 'Warning' })).toMatchObject({ status: 'True', message: expect.stringContaining('instance') });
  });

  it('gives the debugging tenant all namespaces where an admin allows it, and takes its export as it stands', async () => {
    const exports = { backend: 'main', destinations: ['nowhere'], ownServices: true };
    await world.apply({ apiVersion: 'scrapeway.io/v1alpha1', kind: 'ExportDestination', metadata: { name: 'nowhere' }, spec: { kind: 'remote_write', url: 'http://nowhere.invalid/' } }, 'platform');
    await world.apply({ apiVersion: 'scrapeway.io/v1alpha1', kind: 'Tenant', metadata: { name: 'debug-tenant' }, spec: { metricAccess: { namespaces: ['debug-tenant'], within: [{ metrics: ['.+'] }], exports } } }, 'platform');
    const everywhere = [...NAMESPACES, OUTSIDER].flatMap((namespace) => both('kube_pod_info', 'kube_node_info', 'up').map((each) => `${namespace}:${each}`));
    await eventually(async () => expect(await sees('debug-tenant', '-')).toEqual(everywhere.toSorted()), SOON);
    await eventually(async () => expect(await world.condition('MetricAccess', 'debug-tenant-metrics', { namespace: 'debug-tenant', type: 'RemoteWrite' })).toMatchObject({ reason: expect.stringMatching(/Pending|Failing/) }), SOON);
  });

  it('sends with the password of a Secret of the object\'s own namespace, rotates with it, and has no other namespace\'s', async () => {
    const seen: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      seen.push(request.headers.authorization);
      request.resume();
      request.on('end', () => response.writeHead(204).end());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    stack.defer(() => void server.close());
    const url = `http://127.0.0.1:${portOf(server)}/api/v1/write`;
    const secret = (password: string): Promise<void> => world.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'remote-write' }, stringData: { password } }, 'my-namespace');
    const external = (namespace: string): Manifest => ({
      apiVersion: 'observability.ethos.io/v1alpha1', kind: 'MetricAccess', metadata: { name: 'external' },
      spec: { source: namespace, metrics: ['up'], remoteWrite: { enabled: true, interval: '5s', target: { type: 'remote_write' }, remoteWrite: { url, basicAuth: { username: 'team', passwordSecret: { name: 'remote-write', key: 'password' } } } } },
    });
    const basic = (password: string): string => `Basic ${Buffer.from(`team:${password}`).toString('base64')}`;
    const refresh = setInterval(() => void loadSeries(world.prometheus, [{ __name__: 'up', namespace: 'my-namespace' }]).catch(() => {}), 1000);
    stack.defer(() => clearInterval(refresh));
    await secret('first');
    await world.apply({ apiVersion: 'scrapeway.io/v1alpha1', kind: 'ExportDestination', metadata: { name: 'outside' }, spec: { kind: 'remote_write', url } }, 'platform');
    for (const namespace of ['my-namespace', 'team-b']) {
      await world.apply({ apiVersion: 'scrapeway.io/v1alpha1', kind: 'Tenant', metadata: { name: namespace }, spec: { metricAccess: { namespaces: [namespace], within: [{ metrics: ['up'] }], exports: { backend: 'main', destinations: ['outside'] } } } }, 'platform');
      await world.apply(external(namespace), namespace);
    }
    await eventually(() => expect(seen.at(-1)).toBe(basic('first')), { timeoutMs: 60_000, intervalMs: 100 });
    expect(await world.condition('MetricAccess', 'external', { namespace: 'team-b', type: 'RemoteWrite' })).toMatchObject({ status: 'False', reason: 'SecretMissing', message: expect.stringContaining('the Secret remote-write with the key password: does not exist in this namespace') });
    await secret('second');
    await eventually(() => expect(seen.at(-1)).toBe(basic('second')), { timeoutMs: 60_000, intervalMs: 100 });
    expect(new Set(seen)).toEqual(new Set([basic('first'), basic('second')]));
    await world.remove('Secret', 'remote-write', 'my-namespace');
    await eventually(async () => expect(await world.condition('MetricAccess', 'external', { namespace: 'my-namespace', type: 'RemoteWrite' })).toMatchObject({ reason: 'SecretMissing' }), SOON);
  }, 150_000);
});
