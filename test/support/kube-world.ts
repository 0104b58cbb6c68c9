import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { remoteWrite } from '../conformance/promql/remote-write.js';
import { createTestPki, readPair } from './certificates.js';
import type { TestPki } from './certificates.js';
import { optionalBinary } from './binaries.js';
import { eventually } from './eventually.js';
import { startGateway } from './gateway.js';
import type { RunningGateway } from './gateway.js';
import { at, chartDir, listAt, parseManifests, renderChart } from './helm.js';
import type { Manifest, Values } from './helm.js';
import { fetchRaw } from './http.js';
import { serviceAccountConfig } from './kube-config.js';
import { kubeMissing, startKube } from './kube.js';
import type { KubeOptions, RunningKube } from './kube.js';
import { startPrometheus } from './prometheus.js';
import type { RunningPrometheus } from './prometheus.js';
import type { ConfigFile } from './scrapeway.js';
import { createTempDir } from './temp-dir.js';
import type { TempDir } from './temp-dir.js';

/**
 * The shipped gateway with its Envoy beside a real API server, as the chart's own service account with the chart's own roles, and a
 * real Prometheus that holds series of several namespaces. A front proxy's certificate speaks for tenants.
 */
export interface KubeWorld extends AsyncDisposable {
  readonly kube: RunningKube;
  readonly dir: TempDir;
  readonly pki: TestPki;
  readonly prometheus: RunningPrometheus;
  /** Where the gateway, its own kinds and their Secrets are. */
  readonly home: string;
  start(options?: StartOptions): Promise<RunningGateway>;
  /** The same while the API server is away: `whileAway` sees a gateway that is alive and not ready. */
  startWhileAway(config: ConfigFile, whileAway: (gateway: RunningGateway) => Promise<void>): Promise<RunningGateway>;
  /** The namespaces' `namespace` labels that a query's series have, sorted; as this tenant, through the front proxy. */
  seen(gateway: RunningGateway, tenant: string, expression: string): Promise<readonly string[]>;
  /** Status and body of a query. */
  query(gateway: RunningGateway, tenant: string, expression: string): Promise<{ readonly status: number; readonly reason: string; readonly body: unknown }>;
  apply(manifest: Manifest, namespace?: string): Promise<void>;
  remove(kind: OwnKind, name: string, namespace?: string): Promise<void>;
  /** The condition of this version of an object. */
  condition(kind: OwnKind, name: string, options?: { readonly namespace?: string; readonly type?: string }): Promise<unknown>;
}

export interface StartOptions {
  readonly name?: string;
  readonly kubernetes?: ConfigFile;
  readonly config?: ConfigFile;
  readonly startTimeoutMs?: number;
  /** In the place of one that has ended: its folder and its ports. */
  readonly again?: Pick<RunningGateway, 'dir' | 'ports'>;
}

export type OwnKind = 'MetricAccess' | 'Tenant' | 'Agent' | 'Backend' | 'Site' | 'TargetTemplate' | 'TokenIssuer' | 'BackendGroup' | 'PushTarget' | 'ExportDestination' | 'FrontProxy' | 'Revocation' | 'Secret' | 'Pod' | 'EndpointSlice' | 'Service';

const PATHS: Readonly<Record<OwnKind, readonly [root: string, plural: string]>> = {
  MetricAccess: ['/apis/observability.ethos.io/v1alpha1', 'metricaccesses'],
  Tenant: ['/apis/scrapeway.io/v1alpha1', 'tenants'],
  Agent: ['/apis/scrapeway.io/v1alpha1', 'agents'],
  Backend: ['/apis/scrapeway.io/v1alpha1', 'backends'],
  Site: ['/apis/scrapeway.io/v1alpha1', 'sites'],
  TargetTemplate: ['/apis/scrapeway.io/v1alpha1', 'targettemplates'],
  TokenIssuer: ['/apis/scrapeway.io/v1alpha1', 'tokenissuers'],
  BackendGroup: ['/apis/scrapeway.io/v1alpha1', 'backendgroups'],
  PushTarget: ['/apis/scrapeway.io/v1alpha1', 'pushtargets'],
  ExportDestination: ['/apis/scrapeway.io/v1alpha1', 'exportdestinations'],
  FrontProxy: ['/apis/scrapeway.io/v1alpha1', 'frontproxies'],
  Revocation: ['/apis/scrapeway.io/v1alpha1', 'revocations'],
  Secret: ['/api/v1', 'secrets'],
  Pod: ['/api/v1', 'pods'],
  EndpointSlice: ['/apis/discovery.k8s.io/v1', 'endpointslices'],
  Service: ['/api/v1', 'services'],
};

const RBAC = new Set(['ServiceAccount', 'Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding']);
const FRONT_PROXY = 'front-proxy';
/** `helm template … -n monitoring` */
const HOME = 'monitoring';

/** Why the tests of the gateway in a cluster cannot run here, undefined if they can. */
export async function kubeWorldMissing(): Promise<string | undefined> {
  return (await kubeMissing()) ?? ((await optionalBinary('helm')) === undefined ? 'no helm: node scripts/setup.mjs --for kubernetes builds it' : undefined);
}

/** `values`: of the chart, over those of a gateway that reads everything. */
export async function startKubeWorld(values: Values = {}, kube: KubeOptions = {}): Promise<KubeWorld> {
  const stack = new AsyncDisposableStack();
  try {
    return await build(stack, values, kube);
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function build(stack: AsyncDisposableStack, values: Values, options: KubeOptions): Promise<KubeWorld> {
  const dir = stack.use(await createTempDir());
  const kube = stack.use(await startKube(options));
  const prometheus = stack.use(await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver'] }));
  const crds = await Promise.all((await readdir(path.join(chartDir, 'crds'))).map((file) => readFile(path.join(chartDir, 'crds', file), 'utf8')));
  await kube.applyCrds(crds.flatMap(parseManifests));
  await must(kube.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: HOME } } }));
  const chart = await renderChart((await optionalBinary('helm')) ?? '', ['ci/gateway-values.yaml'], { 'kubernetes.enabled': true, 'kubernetes.metricAccess.enabled': true, ...values });
  for (const manifest of chart.filter(({ kind }) => RBAC.has(kind))) await must(kube.apply(manifest));
  const kubeconfig = await serviceAccountConfig(kube, { namespace: HOME, name: 'release-scrapeway', file: dir.join('kubeconfig.yaml') });
  const pki = await createTestPki(dir.join('pki'));
  const proxy = { ca: await readFile(pki.serverCaFile), servername: 'localhost', ...(await readPair(await pki.client(FRONT_PROXY))) };

  const query: KubeWorld['query'] = async (gateway, tenant, expression) => {
    const answer = await fetchRaw({ url: `${gateway.scrapeUrl}/api/v1/query?query=${encodeURIComponent(expression)}`, tls: proxy, headers: { 'x-tenant-namespace': tenant } });
    const text = answer.body.toString('utf8');
    return { status: answer.status, reason: String(answer.headers['x-scrapeway-reason'] ?? ''), body: text.startsWith('{') ? JSON.parse(text) : text };
  };
  const moved = stack.move();
  const configOf = (name: string, kubernetes: ConfigFile, more: ConfigFile): ConfigFile => ({
    gateway: { id: name, names: ['localhost', '127.0.0.1'] },
    backends: [{ name: 'main', url: prometheus.url }],
    frontProxies: [{ certificate: { uri: `spiffe://scrapeway/tenant/${FRONT_PROXY}` }, tenants: 'all' }],
    // The chart's rights are for the Lease of its own name.
    kubernetes: { kubeconfig, leaseName: 'release-scrapeway', objects: true, metricAccess: {}, ...kubernetes },
    ...more,
  });
  return {
    kube,
    dir,
    pki,
    prometheus,
    home: HOME,
    start: async ({ name = 'gw-0', kubernetes = {}, config = {}, startTimeoutMs = 20_000, again } = {}) => {
      const own = again?.dir ?? moved.use(await createTempDir()).path;
      return moved.use(await startGateway({ dir: own, pki, tenants: [], agents: [], config: configOf(name, kubernetes, config), startTimeoutMs, ...(again && { ports: again.ports }) }));
    },
    startWhileAway: async (config, whileAway) => {
      const own = moved.use(await createTempDir());
      let running: RunningGateway | undefined;
      await kube.restart(async () => {
        running = moved.use(await startGateway({ dir: own.path, pki, tenants: [], agents: [], config: configOf('gw-0', {}, config), ready: false }));
        await whileAway(running);
      });
      if (running === undefined) throw new Error('no gateway was started');
      return running;
    },
    query,
    seen: async (gateway, tenant, expression) => {
      const { status, body } = await query(gateway, tenant, expression);
      if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
      return [...new Set(listAt(body, 'data', 'result').map((series) => String(at(series, 'metric', 'namespace'))))].toSorted();
    },
    apply: async (manifest, namespace = HOME) => must(kube.apply(manifest, { namespace })),
    remove: async (kind, name, namespace = HOME) => must(kube.request({ method: 'DELETE', path: `${PATHS[kind][0]}/namespaces/${namespace}/${PATHS[kind][1]}/${name}` })),
    condition: (kind, name, { namespace = HOME, type = 'Accepted' } = {}) =>
      eventually(
        async () => {
          const { body } = await kube.request({ method: 'GET', path: `${PATHS[kind][0]}/namespaces/${namespace}/${PATHS[kind][1]}/${name}` });
          const found = listAt(body, 'status', 'conditions').find((each) => at(each, 'type') === type);
          if (found === undefined || at(found, 'observedGeneration') !== at(body, 'metadata', 'generation')) throw new Error('no status of this version yet');
          return found;
        },
        { timeoutMs: 20_000, what: `the condition ${type} of ${kind} ${name}` },
      ),
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

async function must(answer: ReturnType<RunningKube['request']>): Promise<void> {
  const { status, message } = await answer;
  if (status >= 300) throw new Error(message);
}

/** Series of the last minutes, one for each set of labels. */
export async function loadSeries(prometheus: RunningPrometheus, all: readonly Readonly<Record<string, string>>[]): Promise<void> {
  const nowMs = Date.now();
  await remoteWrite(prometheus.url, all.map((labels) => ({ labels, samples: [{ timestampMs: nowMs - 60_000, value: 1 }, { timestampMs: nowMs, value: 1 }], histograms: [] })));
}
