import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { createDiscovery } from '../../src/agent/discovery/discovery.js';
import { createDiscoveryMetrics } from '../../src/agent/discovery/metrics.js';
import { createClusters } from '../../src/agent/discovery/kubernetes/clusters.js';
import { startKubernetesSource } from '../../src/agent/discovery/kubernetes/source.js';
import { systemClock } from '../../src/lib/clock.js';
import { silentLogger } from '../../src/lib/logger.js';
import type { AttachMetadata, KubernetesDiscovery, TargetSpec } from '../../src/model/agent-settings.js';
import type { RelabelConfig } from '../../src/model/relabel-config.js';
import { awkwardEndpoints, awkwardIngresses, awkwardNodes, awkwardPods, awkwardServices, putObjects } from '../support/awkward-objects.js';
import { optionalBinary } from '../support/binaries.js';
import { eventually } from '../support/eventually.js';
import { fetchJson } from '../support/http.js';
import { serviceAccountConfig } from '../support/kube-config.js';
import { kubeMissing, startKube } from '../support/kube.js';
import type { RunningKube } from '../support/kube.js';
import { startPrometheus } from '../support/prometheus.js';
import { createTempDir } from '../support/temp-dir.js';
import type { TempDir } from '../support/temp-dir.js';

/** Discovery by Kubernetes at a real API server, and a real Prometheus as the judge of what each object is. */

const command = await optionalBinary('prometheusKubernetes');
const missing = (await kubeMissing()) ?? (command === undefined ? 'no Prometheus with discovery by Kubernetes: node scripts/setup.mjs --for kubernetes' : undefined);
const withKube = missing === undefined ? describe : describe.skip;
if (missing !== undefined) process.stderr.write(`kube-discovery.test.ts is skipped: ${missing}\n`);

const NOTHING_ATTACHED: AttachMetadata = { node: false, namespace: false, deployment: false, job: false, cronjob: false };
const ALL_ATTACHED: AttachMetadata = { node: true, namespace: true, deployment: true, job: true, cronjob: true };

type Case = Pick<KubernetesDiscovery, 'role'> & Partial<Omit<KubernetesDiscovery, 'kind' | 'access'>>;

const CASES: Readonly<Record<string, Case>> = {
  nodes: { role: 'node' },
  'nodes by a label': { role: 'node', selectors: [{ role: 'node', label: 'tier=front', field: '' }] },
  pods: { role: 'pod' },
  'pods with all that belongs to them': { role: 'pod', attach: ALL_ATTACHED },
  'pods by a label and a field': { role: 'pod', selectors: [{ role: 'pod', label: 'app=web', field: 'status.phase=Running' }] },
  'pods of some nodes': { role: 'pod', attach: { ...NOTHING_ATTACHED, node: true }, selectors: [{ role: 'node', label: 'tier', field: '' }] },
  'pods of one namespace': { role: 'pod', namespaces: ['site-b'] },
  services: { role: 'service' },
  'services and their namespace': { role: 'service', attach: { ...NOTHING_ATTACHED, namespace: true } },
  endpoints: { role: 'endpoints', namespaces: ['site-a', 'site-b'] },
  'endpoints with all that belongs to them': { role: 'endpoints', attach: ALL_ATTACHED },
  'endpoint slices': { role: 'endpointslice', namespaces: ['site-a'] },
  'endpoint slices with all that belongs to them': { role: 'endpointslice', attach: ALL_ATTACHED },
  'endpoint slices of some services and pods': { role: 'endpointslice', selectors: [{ role: 'service', label: 'team=a', field: '' }, { role: 'pod', label: 'app=web', field: '' }, { role: 'endpointslice', label: 'kubernetes.io/service-name', field: '' }] },
  ingresses: { role: 'ingress', attach: { ...NOTHING_ATTACHED, namespace: true } },
};

/** As docs/kubernetes.md has them, but for the name. */
const ANNOTATED_PODS: readonly RelabelConfig[] = [
  { source_labels: ['__meta_kubernetes_pod_annotation_prometheus_io_scrape'], regex: 'true', action: 'keep' },
  { source_labels: ['__meta_kubernetes_pod_container_init'], regex: 'true', action: 'drop' },
  { source_labels: ['__meta_kubernetes_pod_annotation_prometheus_io_path'], regex: '(.+)', target_label: '__metrics_path__' },
  { source_labels: ['__meta_kubernetes_pod_ip', '__meta_kubernetes_pod_annotation_prometheus_io_port'], regex: '([^:]+);(\\d+)', target_label: '__address__', replacement: '$1:$2' },
  { regex: '__meta_kubernetes_pod_label_(.+)', action: 'labelmap' },
  { source_labels: ['__meta_kubernetes_namespace'], target_label: 'namespace' },
  { source_labels: ['__meta_kubernetes_pod_name'], target_label: 'pod' },
];

/** A job of the agent, running; `found` are its targets. */
function startJob(source: KubernetesDiscovery, relabelConfigs: readonly RelabelConfig[]): { readonly found: () => readonly TargetSpec[]; readonly metric: (name: string) => Promise<number | undefined>; readonly stop: () => void } {
  const registry = new Registry();
  let found: readonly TargetSpec[] = [];
  const discovery = createDiscovery({ clock: systemClock, logger: silentLogger, metrics: createDiscoveryMetrics(registry), onTargets: (targets) => void (found = targets), onSettled: () => undefined });
  const fetch = { timeoutMs: undefined, maxBodyBytes: undefined, tls: { caPem: undefined, client: undefined, serverName: undefined, insecureSkipVerify: false }, headers: {} };
  discovery.configure([{ name: 'pods', sources: [source], scheme: 'http', metricsPath: '/metrics', params: {}, relabelConfigs, maxTargets: 1000, paths: [], fetch }], []);
  return {
    found: () => found,
    metric: async (name) => (await registry.getSingleMetric(`scrapeway_agent_discovery_${name}`)?.get())?.values[0]?.value,
    stop: () => discovery.stop(),
  };
}

interface Answer {
  readonly data: {
    readonly activeTargets: readonly { readonly scrapePool: string; readonly scrapeUrl: string; readonly labels: Readonly<Record<string, string>> }[];
    readonly droppedTargets: readonly { readonly scrapePool: string; readonly discoveredLabels: Readonly<Record<string, string>> }[];
  };
}

/** Set for every target by the job that it is found by. */
const OF_THE_JOB = new Set(['job', '__scheme__', '__metrics_path__', '__scrape_interval__', '__scrape_timeout__', '__scrape_native_histograms__', '__always_scrape_classic_histograms__', '__convert_classic_histograms_to_nhcb__']);

function comparable(sets: readonly (readonly (readonly [string, string])[])[]): readonly Readonly<Record<string, string>>[] {
  return sets
    .map((set) => set.filter(([name, value]) => value !== '' && !OF_THE_JOB.has(name)).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    .toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
    .map((set) => Object.fromEntries(set));
}

withKube('discovery by Kubernetes', () => {
  let dir: TempDir;
  let kube: RunningKube;
  let tokenFile: string;

  beforeAll(async () => {
    dir = await createTempDir();
    kube = await startKube();
    tokenFile = dir.join('token');
    await writeFile(tokenFile, kube.adminToken);
    const namespaces = ['site-a', 'site-b'].map((name) => ({ manifest: { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { 'of.team': name }, annotations: { 'note/x': 'y' } } } }));
    const within = ['site-a', 'site-b'].flatMap((name) => [...awkwardPods(name), ...awkwardServices(name), ...awkwardEndpoints(name), ...awkwardIngresses(name)]);
    await putObjects(kube, [...namespaces, ...awkwardNodes(), ...within]);
  }, 120_000);
  afterAll(async () => {
    await kube.stop();
    await dir[Symbol.asyncDispose]();
  });

  const discoveryOf = async (each: Case): Promise<KubernetesDiscovery> => ({ kind: 'kubernetes', access: { kind: 'server', url: kube.url, caPem: await readFile(kube.caFile, 'utf8'), tokenFile }, namespaces: [], ownNamespace: false, selectors: [], attach: NOTHING_ATTACHED, ...each });
  const sdConfig = ({ role, namespaces = [], selectors = [], attach = NOTHING_ATTACHED }: Case): object => ({
    role,
    api_server: kube.url,
    tls_config: { ca_file: kube.caFile },
    authorization: { credentials_file: tokenFile },
    namespaces: { names: namespaces },
    selectors,
    attach_metadata: attach,
  });

  it('finds what Prometheus finds, each label of each target', async () => {
    const drop = [{ source_labels: ['job'], action: 'drop' }];
    await using prometheus = await startPrometheus({
      ...(command !== undefined && { command }),
      config: { scrape_configs: Object.entries(CASES).map(([name, each]) => ({ job_name: name, relabel_configs: drop, kubernetes_sd_configs: [sdConfig(each)] })) },
    });
    const clusters = createClusters(silentLogger);
    const ours = new Map<string, readonly ReadonlyMap<string, string>[]>();
    const faults: string[] = [];
    const sources = await Promise.all(Object.entries(CASES).map(async ([name, each]) =>
      startKubernetesSource({ discovery: await discoveryOf(each), maxTargets: 1000, clusters, clock: systemClock, onTargets: (sets) => void ours.set(name, sets), onLook: (found) => void faults.push(...found) }),
    ));
    await eventually(
      async () => {
        const { data } = await fetchJson<Answer>({ url: `${prometheus.url}/api/v1/targets?state=dropped` });
        for (const name of Object.keys(CASES)) {
          const theirs = data.droppedTargets.filter(({ scrapePool }) => scrapePool === name).map(({ discoveredLabels }) => Object.entries(discoveredLabels));
          expect({ name, targets: comparable((ours.get(name) ?? []).map((set) => [...set])) }).toEqual({ name, targets: comparable(theirs) });
        }
        expect(data.droppedTargets.length).toBeGreaterThan(200);
      },
      { what: 'both agree', timeoutMs: 40_000 },
    );
    expect(faults).toEqual([]);
    for (const source of sources) source.stop();
  }, 60_000);

  it('makes of annotated pods the targets that Prometheus makes of them', async () => {
    await using prometheus = await startPrometheus({
      ...(command !== undefined && { command }),
      config: { global: { scrape_interval: '1h' }, scrape_configs: [{ job_name: 'pods', relabel_configs: ANNOTATED_PODS, kubernetes_sd_configs: [sdConfig({ role: 'pod' })] }] },
    });
    const job = startJob(await discoveryOf({ role: 'pod' }), ANNOTATED_PODS);
    await eventually(
      async () => {
        const { data } = await fetchJson<Answer>({ url: `${prometheus.url}/api/v1/targets?state=active` });
        const theirs = data.activeTargets.map(({ scrapeUrl, labels: { job: _job, instance: _instance, ...labels } }) => ({ scrapeUrl, labels }));
        expect(theirs).toHaveLength(2);
        expect(job.found().map(({ target: { scheme, host, port, path, labels } }) => ({ scrapeUrl: `${scheme}://${host}:${port}${path}`, labels }))).toEqual(expect.arrayContaining(theirs));
        expect(job.found()).toHaveLength(2);
      },
      { what: 'both agree', timeoutMs: 30_000 },
    );
    expect(job.found().map(({ target }) => target.labels['namespace']).toSorted()).toEqual(['site-a', 'site-b']);
    job.stop();
  }, 60_000);

  it('says that it may not look, and looks in the namespace that it is let into as soon as it is', async () => {
    const account = { name: 'agent', namespace: 'site-a' };
    await putObjects(kube, [{ manifest: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: account } }]);
    const file = await serviceAccountConfig(kube, { ...account, file: dir.join('kubeconfig') });
    const job = startJob({ ...(await discoveryOf({ role: 'pod', namespaces: ['site-a'] })), access: { kind: 'kubeconfig', file, context: undefined } }, []);
    await eventually(async () => expect([await job.metric('up'), Number(await job.metric('failures_total'))]).toEqual([0, expect.any(Number)]), { what: 'it is refused', timeoutMs: 20_000 });
    expect(Number(await job.metric('failures_total'))).toBeGreaterThan(0);
    const rules = [{ apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] }];
    const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: account, rules };
    const binding = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', metadata: account, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'agent' }, subjects: [{ kind: 'ServiceAccount', ...account }] };
    await putObjects(kube, [{ manifest: role }, { manifest: binding }]);
    await eventually(async () => expect([await job.metric('up'), job.found().length]).toEqual([1, 6]), { what: 'its pods are found', timeoutMs: 40_000 });
    const both = startJob({ ...(await discoveryOf({ role: 'pod', namespaces: ['site-a', 'site-b'] })), access: { kind: 'kubeconfig', file, context: undefined } }, []);
    await eventually(async () => expect([await both.metric('up'), both.found().length]).toEqual([0, 6]), { what: 'a namespace that is closed holds up no other', timeoutMs: 20_000 });
    job.stop();
    both.stop();
  }, 90_000);

  it('follows pods as they come and go, and keeps them while the API server is away', async () => {
    const job = startJob(await discoveryOf({ role: 'pod', namespaces: ['site-b'] }), [{ source_labels: ['__meta_kubernetes_pod_name'], regex: 'web|late', action: 'keep' }, { source_labels: ['__meta_kubernetes_pod_name'], target_label: 'pod' }]);
    const pods = (): readonly string[] => [...new Set(job.found().map(({ target }) => target.labels['pod'] ?? ''))].toSorted();
    await eventually(() => expect(pods()).toEqual(['web']), { what: 'the first', timeoutMs: 20_000 });
    await kube.restart(async () => {
      await eventually(async () => expect(await job.metric('up')).toBe(0), { what: 'the fault is seen', timeoutMs: 20_000 });
      expect(pods()).toEqual(['web']);
    });
    await eventually(async () => expect(await job.metric('up')).toBe(1), { what: 'it is back', timeoutMs: 40_000 });
    const late = awkwardPods('site-b').filter(({ manifest }) => manifest.metadata.name === 'web').map(({ manifest, status }) => ({ manifest: { ...manifest, metadata: { ...manifest.metadata, name: 'late' } }, ...(status && { status }) }));
    await putObjects(kube, late);
    await eventually(() => expect(pods()).toEqual(['late', 'web']), { what: 'a new one', timeoutMs: 20_000 });
    await kube.request({ method: 'DELETE', path: '/api/v1/namespaces/site-b/pods/late?gracePeriodSeconds=0' });
    await eventually(() => expect(pods()).toEqual(['web']), { what: 'it is gone', timeoutMs: 20_000 });
    job.stop();
  }, 120_000);
});
