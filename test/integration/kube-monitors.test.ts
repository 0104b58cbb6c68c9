import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { createDiscovery } from '../../src/agent/discovery/discovery.js';
import { createDiscoveryMetrics } from '../../src/agent/discovery/metrics.js';
import { systemClock } from '../../src/lib/clock.js';
import { silentLogger } from '../../src/lib/logger.js';
import type { MonitorDiscovery, TargetSpec } from '../../src/model/agent-settings.js';
import { awkwardEndpoints, awkwardNodes, awkwardPods, awkwardServices, putObjects } from '../support/awkward-objects.js';
import { optionalBinary } from '../support/binaries.js';
import { eventually } from '../support/eventually.js';
import { startExporter, textAnswer } from '../support/exporter.js';
import type { Exporter } from '../support/exporter.js';
import { fetchJson } from '../support/http.js';
import { serviceAccountConfig } from '../support/kube-config.js';
import { kubeMissing, startKube } from '../support/kube.js';
import type { RunningKube } from '../support/kube.js';
import { monitor, MONITOR_CRDS } from '../support/monitor-crds.js';
import { startPrometheus } from '../support/prometheus.js';
import { createTempDir } from '../support/temp-dir.js';
import type { TempDir } from '../support/temp-dir.js';
import { startWorld } from '../support/world.js';
import type { World } from '../support/world.js';

/**
 * PodMonitor and ServiceMonitor objects at a real API server. What they mean is what a real Prometheus makes of the scrape_configs that
 * prometheus-operator writes for them, written down here by hand.
 */

const command = await optionalBinary('prometheusKubernetes');
const missing = (await kubeMissing()) ?? (command === undefined ? 'no Prometheus with discovery by Kubernetes: node scripts/setup.mjs --for kubernetes' : undefined);
const withKube = missing === undefined ? describe : describe.skip;
if (missing !== undefined) process.stderr.write(`kube-monitors.test.ts is skipped: ${missing}\n`);

const WITH_PORT = { sourceLabels: ['__address__'], regex: '.*:\\d+', action: 'keep' };

/** As an author writes them. */
const OBJECTS = [
  monitor('ServiceMonitor', 'site-a', 'web', {
    jobLabel: 'team',
    targetLabels: ['team.io/x', 'absent'],
    podTargetLabels: ['app.kubernetes.io/name'],
    attachMetadata: { node: true },
    serviceDiscoveryRole: 'Endpoints',
    selector: { matchLabels: { team: 'a' }, matchExpressions: [{ key: 'team.io/x', operator: 'In', values: ['y', 'z'] }, { key: 'none', operator: 'DoesNotExist' }] },
    endpoints: [
      { port: 'http', path: '/custom', params: { module: ['a', 'b'] }, relabelings: [{ sourceLabels: ['__meta_kubernetes_node_label_tier'], targetLabel: 'tier' }, { sourceLabels: ['__param_module'], targetLabel: '__param_module', replacement: '${1}c' }] },
      { targetPort: 8080, scheme: 'HTTPS' },
    ],
  }),
  monitor('PodMonitor', 'site-a', 'pods', {
    namespaceSelector: { any: true },
    podTargetLabels: ['app'],
    selector: { matchExpressions: [{ key: 'app', operator: 'Exists' }] },
    podMetricsEndpoints: [{ portNumber: 8080 }, { port: 'init', filterRunning: false }, { targetPort: 9000, honorLabels: true }],
  }),
  monitor('ServiceMonitor', 'site-b', 'slices', {
    namespaceSelector: { matchNames: ['site-a', 'site-b'] },
    selector: {},
    endpoints: [{ relabelings: [WITH_PORT] }],
  }),
];

const META = '__meta_kubernetes_';
const keep = (source: readonly string[], regex: string, action = 'keep'): object => ({ action, source_labels: source.map((each) => META + each), regex });
const copy = (source: string, target: string): object => ({ source_labels: [META + source], target_label: target });
const copyFull = (source: string, target: string): object => ({ ...copy(source, target), regex: '(.+)', replacement: '${1}' });
const behind = (of: string, kind: string, target: string): object => ({ source_labels: [`${META}${of}_address_target_kind`, `${META}${of}_address_target_name`], separator: ';', regex: `${kind};(.*)`, replacement: '${1}', target_label: target });
const RUNNING = keep(['pod_phase'], '(Failed|Succeeded)', 'drop');
const FIRST = { source_labels: ['job'], target_label: '__tmp_prometheus_job_name' };
const ofService = (of: string): readonly object[] => [behind(of, 'Node', 'node'), behind(of, 'Pod', 'pod'), copy('namespace', 'namespace'), copy('service_name', 'service'), copy('pod_name', 'pod'), copy('pod_container_name', 'container'), RUNNING];
const WEB_SELECTOR = [keep(['service_label_team', 'service_labelpresent_team'], '(a);true'), keep(['service_label_team_io_x', 'service_labelpresent_team_io_x'], '(y|z);true'), keep(['service_labelpresent_none'], 'true', 'drop')];
const WEB_LABELS = [copyFull('service_label_team_io_x', 'team_io_x'), copyFull('service_label_absent', 'absent'), copyFull('pod_label_app_kubernetes_io_name', 'app_kubernetes_io_name'), { ...copy('service_name', 'job'), replacement: '${1}' }, copyFull('service_label_team', 'job')];
const podRules = (port: object, ended: boolean, endpoint?: string): readonly object[] => [
  FIRST,
  ...(ended ? [] : [RUNNING]),
  keep(['pod_labelpresent_app'], 'true'),
  port,
  copy('namespace', 'namespace'),
  copy('pod_container_name', 'container'),
  copy('pod_name', 'pod'),
  copyFull('pod_label_app', 'app'),
  { target_label: 'job', replacement: 'site-a/pods' },
  ...(endpoint === undefined ? [] : [{ target_label: 'endpoint', replacement: endpoint }]),
];

/** As prometheus-operator writes them of these objects. */
function operatorConfigs(sd: (role: string, namespaces: readonly string[], node?: boolean) => object): readonly object[] {
  const endpoints = sd('endpoints', ['site-a'], true);
  return [
    {
      job_name: 'serviceMonitor/site-a/web/0', metrics_path: '/custom', params: { module: ['a', 'b'] }, kubernetes_sd_configs: [endpoints],
      relabel_configs: [FIRST, ...WEB_SELECTOR, keep(['endpoint_port_name'], 'http'), ...ofService('endpoint'), ...WEB_LABELS, { target_label: 'endpoint', replacement: 'http' }, copy('node_label_tier', 'tier'), { source_labels: ['__param_module'], target_label: '__param_module', replacement: '${1}c' }],
    },
    {
      job_name: 'serviceMonitor/site-a/web/1', scheme: 'https', kubernetes_sd_configs: [endpoints],
      relabel_configs: [FIRST, ...WEB_SELECTOR, keep(['pod_container_port_number'], '8080'), ...ofService('endpoint'), ...WEB_LABELS, { target_label: 'endpoint', replacement: '8080' }],
    },
    { job_name: 'podMonitor/site-a/pods/0', kubernetes_sd_configs: [sd('pod', [])], relabel_configs: podRules(keep(['pod_container_port_number'], '8080'), false) },
    { job_name: 'podMonitor/site-a/pods/1', kubernetes_sd_configs: [sd('pod', [])], relabel_configs: podRules(keep(['pod_container_port_name'], 'init'), true, 'init') },
    { job_name: 'podMonitor/site-a/pods/2', honor_labels: true, kubernetes_sd_configs: [sd('pod', [])], relabel_configs: podRules(keep(['pod_container_port_number'], '9000'), false, '9000') },
    {
      job_name: 'serviceMonitor/site-b/slices/0', kubernetes_sd_configs: [sd('endpointslice', ['site-a', 'site-b'])],
      relabel_configs: [FIRST, ...ofService('endpointslice'), { ...copy('service_name', 'job'), replacement: '${1}' }, { source_labels: ['__address__'], regex: '.*:\\d+', action: 'keep' }],
    },
  ];
}

interface Answer {
  readonly data: { readonly activeTargets: readonly { readonly scrapePool: string; readonly scrapeUrl: string; readonly labels: Readonly<Record<string, string>> }[] };
}

/** A target as both may say it: its URL, and its labels. */
function shown(url: string, labels: Readonly<Record<string, string>>): string {
  return JSON.stringify([new URL(url).href, Object.entries(labels).filter(([name]) => name !== 'instance').toSorted(([a], [b]) => (a < b ? -1 : 1))]);
}

function startMonitorJobs(discovery: MonitorDiscovery): { readonly found: () => readonly string[]; readonly metric: (name: string) => Promise<readonly number[]>; readonly stop: () => void } {
  const registry = new Registry();
  let found: readonly TargetSpec[] = [];
  const running = createDiscovery({ clock: systemClock, logger: silentLogger, metrics: createDiscoveryMetrics(registry), onTargets: (targets) => void (found = targets), onSettled: () => undefined });
  running.configure([], [], [discovery]);
  return {
    found: () => [...new Set(found.map(({ target: { scheme, host, port, path, labels } }) => shown(`${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}${path}`, labels)))].toSorted(),
    metric: async (name) => (await registry.getSingleMetric(name)?.get())?.values.map(({ value }) => value) ?? [],
    stop: () => running.stop(),
  };
}

const ended = { manifest: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'ended', namespace: 'site-a', labels: { app: 'batch' } }, spec: { containers: [{ name: 'main', image: 'i', ports: [{ containerPort: 8080 }, { name: 'init', containerPort: 7000 }] }] } }, status: { phase: 'Succeeded', podIP: '10.1.0.8', podIPs: [{ ip: '10.1.0.8' }] } };

withKube('monitors', () => {
  let dir: TempDir;
  let kube: RunningKube;
  let tokenFile: string;

  beforeAll(async () => {
    dir = await createTempDir();
    kube = await startKube();
    tokenFile = dir.join('token');
    await writeFile(tokenFile, kube.adminToken);
    const namespaces = ['site-a', 'site-b'].map((name) => ({ manifest: { apiVersion: 'v1', kind: 'Namespace', metadata: { name } } }));
    await putObjects(kube, [...namespaces, ...awkwardNodes(), ...['site-a', 'site-b'].flatMap((name) => [...awkwardPods(name), ...awkwardServices(name), ...awkwardEndpoints(name)]), ended]);
  }, 120_000);
  afterAll(async () => {
    await kube.stop();
    await dir[Symbol.asyncDispose]();
  });

  it('are nothing in a cluster without the kinds, and then what Prometheus makes of what the operator would write', async () => {
    const access = { kind: 'server', url: kube.url, caPem: await readFile(kube.caFile, 'utf8'), tokenFile } as const;
    const jobs = startMonitorJobs({
      name: 'cluster', access, kinds: ['PodMonitor', 'ServiceMonitor'], namespaces: [], ownNamespace: false, selector: '', targetNamespaces: [], secrets: false, files: [], serviceRole: 'endpointslice',
      enforcedNamespaceLabel: undefined, relabelConfigs: [], maxObjects: 100, maxTargets: 1000, maxBodyBytes: undefined,
    });
    await eventually(async () => expect(await jobs.metric('scrapeway_agent_discovery_up')).toEqual([1]), { what: 'no such kind is no failure' });
    expect(jobs.found()).toEqual([]);

    await kube.applyCrds(MONITOR_CRDS);
    await putObjects(kube, OBJECTS.map((manifest) => ({ manifest })));
    const sd = (role: string, names: readonly string[], node = false): object => ({ role, api_server: kube.url, tls_config: { ca_file: kube.caFile }, authorization: { credentials_file: tokenFile }, namespaces: { names }, attach_metadata: { node } });
    await using prometheus = await startPrometheus({ ...(command !== undefined && { command }), config: { global: { scrape_interval: '1h' }, scrape_configs: operatorConfigs(sd) } });
    await eventually(
      async () => {
        const { data } = await fetchJson<Answer>({ url: `${prometheus.url}/api/v1/targets?state=active` });
        expect(new Set(data.activeTargets.map(({ scrapePool }) => scrapePool)).size).toBe(6);
        expect(jobs.found()).toEqual([...new Set(data.activeTargets.map(({ scrapeUrl, labels }) => shown(scrapeUrl, labels)))].toSorted());
      },
      { what: 'both agree', timeoutMs: 60_000 },
    );
    expect(jobs.found().length).toBeGreaterThan(10);
    jobs.stop();
  }, 90_000);

  describe('at the shipped agent', () => {
    const SHOP = 'shop';
    let exporter: Exporter;
    let world: World;
    let kubeconfig: string;
    let goodConfig: string;

    beforeAll(async () => {
      exporter = await startExporter();
      exporter.behave(textAnswer('found 1\n'), '/m');
      const account = { name: 'agent', namespace: SHOP };
      const rules = [
        { apiGroups: [''], resources: ['pods', 'secrets'], verbs: ['list', 'watch'] },
        { apiGroups: ['monitoring.coreos.com'], resources: ['podmonitors', 'servicemonitors'], verbs: ['list', 'watch'] },
      ];
      const rbac = 'rbac.authorization.k8s.io';
      await kube.applyCrds(MONITOR_CRDS);
      await putObjects(kube, [
        { manifest: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: SHOP } } },
        { manifest: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: account } },
        { manifest: { apiVersion: `${rbac}/v1`, kind: 'Role', metadata: account, rules } },
        { manifest: { apiVersion: `${rbac}/v1`, kind: 'RoleBinding', metadata: account, roleRef: { apiGroup: rbac, kind: 'Role', name: 'agent' }, subjects: [{ kind: 'ServiceAccount', ...account }] } },
        {
          manifest: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web-0', namespace: SHOP, labels: { app: 'web', version: 'v1' } }, spec: { containers: [{ name: 'main', image: 'i', ports: [{ name: 'metrics', containerPort: exporter.port }] }] } },
          status: { phase: 'Running', podIP: '127.0.0.1', podIPs: [{ ip: '127.0.0.1' }] },
        },
      ]);
      kubeconfig = await serviceAccountConfig(kube, { ...account, file: dir.join('kubeconfig') });
      goodConfig = await readFile(kubeconfig, 'utf8');
      // as it is between a rotation and the day on which somebody mends it
      await writeFile(kubeconfig, goodConfig.replace(/"token":"[^"]+"/, '"token":"of-yesterday"'));
      world = await startWorld({
        agentA: {
          allow: [{ cidr: '127.0.0.0/8', ports: [exporter.port] }],
          discovery: [{
            name: 'pods',
            kubernetes_sd_configs: [{ role: 'pod', kubeconfig_file: kubeconfig, namespaces: { names: [SHOP] } }],
            metrics_path: '/m',
            relabel_configs: [{ source_labels: ['__meta_kubernetes_pod_name'], target_label: '__scrapeway_target__' }, { regex: '__meta_kubernetes_pod_label_(.+)', action: 'labelmap' }],
          }],
          monitors: [{ name: 'cluster', kubeconfig_file: kubeconfig, namespaces: { names: [SHOP] }, secrets: true, enforcedNamespaceLabel: 'namespace' }],
        },
      });
    }, 240_000);
    afterAll(async () => {
      await world[Symbol.asyncDispose]();
      await exporter[Symbol.asyncDispose]();
    });

    /** Labels of what is listed, but for those of the gateway's own; `web` is in the agent's file. */
    const listed = async (): Promise<readonly Readonly<Record<string, string>>[]> => {
      const groups: readonly { readonly labels: Readonly<Record<string, string>> }[] = JSON.parse((await world.ask('team-a', '/sd')).body.toString());
      return groups.map(({ labels: { __scheme__: _scheme, __metrics_path__: _path, agent: _agent, instance: _instance, ...labels } }) => labels).filter(({ target }) => target !== 'web');
    };
    const waitFor = (expected: readonly Readonly<Record<string, string>>[], what: string): Promise<void> => eventually(async () => expect(await listed()).toEqual(expected), { what, timeoutMs: 40_000 });
    const spec = { selector: { matchLabels: { app: 'web' } }, podTargetLabels: ['version'] };
    const endpoint = { port: 'metrics', path: '/m', relabelings: [{ targetLabel: 'namespace', replacement: 'forged' }] };
    const pod = { target: 'web-0', app: 'web', version: 'v1' };
    const name = (): string => `shop-web-0-${exporter.port}`;
    const ofMonitor = (): Readonly<Record<string, string>> => ({ target: name(), namespace: SHOP, pod: 'web-0', container: 'main', endpoint: 'metrics', job: 'shop/mine', version: 'v1' });

    it('a kubeconfig whose content is mended in place lets it look, and what it finds is scraped', async () => {
      expect(await listed()).toEqual([]);
      await world.siteA.agent.process.waitForLog(/401: /);
      await writeFile(kubeconfig, goodConfig);
      await waitFor([pod], 'its pod');
      expect((await world.ask('team-a', '/scrape/site-a/web-0')).body.toString()).toBe('found 1\n');
    }, 60_000);

    it('an object makes a target with the labels of prometheus-operator, its own job and credentials among them', async () => {
      const secret = (token: string): object => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'creds', namespace: SHOP }, stringData: { token } });
      const put = async (token: string): Promise<void> => expect((await kube.request({ method: 'PATCH', path: `/api/v1/namespaces/${SHOP}/secrets/creds?fieldManager=test&force=true`, body: secret(token), contentType: 'application/apply-patch+yaml' })).message).toBe('');
      const seen = async (): Promise<unknown> => {
        expect((await world.ask('team-a', `/scrape/site-a/${name()}`)).body.toString()).toBe('found 1\n');
        return exporter.requests.at(-1)?.headers['authorization'];
      };
      await put('one');
      await putObjects(kube, [{ manifest: monitor('PodMonitor', SHOP, 'mine', { ...spec, podMetricsEndpoints: [{ ...endpoint, authorization: { credentials: { name: 'creds', key: 'token' } } }] }) }]);
      await waitFor([ofMonitor(), pod], 'its target');
      expect(await seen()).toBe('Bearer one');
      await put('two');
      await eventually(async () => expect(await seen()).toBe('Bearer two'), { what: 'the Secret is followed' });
    }, 60_000);

    it('an object that turns bad keeps its target and says so, and hurts no other; the allow-list has the last word', async () => {
      const bad = monitor('PodMonitor', SHOP, 'mine', { ...spec, podMetricsEndpoints: [{ ...endpoint, oauth2: {} }] });
      const far = monitor('PodMonitor', SHOP, 'other', { ...spec, podMetricsEndpoints: [{ ...endpoint, relabelings: [{ targetLabel: '__address__', replacement: '169.254.169.254:80' }] }] });
      await putObjects(kube, [{ manifest: bad }, { manifest: far }]);
      const jobs = async (): Promise<readonly (string | undefined)[]> => (await listed()).map(({ job }) => job).toSorted();
      await eventually(async () => expect(await jobs()).toEqual(['shop/mine', 'shop/other', undefined]), { what: 'both', timeoutMs: 40_000 });
      const refused = [...(await world.siteA.agent.metric('scrapeway_agent_monitors')).entries()].filter(([labels]) => labels.includes('PodMonitor')).map(([, value]) => value);
      expect(refused).toEqual([1, 1]);
      await world.siteA.agent.process.waitForLog(/podMetricsEndpoints\[0\]\.oauth2: is not known/);
      const other = (await listed()).find(({ job }) => job === 'shop/other')?.['target'] ?? '';
      expect((await world.ask('team-a', `/scrape/site-a/${other}`)).headers['x-scrapeway-reason']).toBe('agent_denied');
    }, 60_000);

    it('objects that are deleted take their targets with them', async () => {
      for (const object of ['mine', 'other']) await kube.request({ method: 'DELETE', path: `/apis/monitoring.coreos.com/v1/namespaces/${SHOP}/podmonitors/${object}` });
      await waitFor([pod], 'they are gone');
    }, 60_000);
  });
});
