import { readFile } from 'node:fs/promises';
import { at } from '../../test/support/helm.js';
import type { Manifest } from '../../test/support/helm.js';
import { kubeWorldMissing, loadSeries, startKubeWorld } from '../../test/support/kube-world.js';
import type { KubeWorld } from '../../test/support/kube-world.js';
import type { RunningGateway } from '../../test/support/gateway.js';

/**
 * The shipped gateway in a large cluster: how long it starts, how much memory it takes, and how long a change takes to its effect at
 * Envoy. `node dist/bench/kube/scale.js [MetricAccess objects] [pods]`; an API server and etcd of its own.
 */

const [accessCount, podCount] = [Number(process.argv[2] ?? 5_000), Number(process.argv[3] ?? 20_000)];
const PATTERNS = ['up', 'http_.*', 'node_load1', '{job="my-app"}', 'go_goroutines'];
/** Namespaces: so many objects in each. */
const PER_NAMESPACE = 10;
const CHANGES = 20;
const LOAD_AT_ONCE = 16;

function access(name: string, metrics: readonly string[]): Manifest {
  return { apiVersion: 'observability.ethos.io/v1alpha1', kind: 'MetricAccess', metadata: { name }, spec: { source: 'x', metrics } };
}

function pod(index: number): unknown {
  // What makes a real pod large: environments and the fields' managers.
  const env = Array.from({ length: 30 }, (_each, number) => ({ name: `VARIABLE_${number}`, value: `value ${index} ${number}` }));
  return { metadata: { name: `pod-${index}`, labels: { app: index % 1_000 === 0 ? 'prometheus' : 'other' } }, spec: { containers: [{ name: 'main', image: 'image', env, ports: [{ containerPort: 9090, name: 'web' }] }] } };
}

async function inParallel(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: LOAD_AT_ONCE }, async () => {
    for (let index = next++; index < count; index = next++) await work(index);
  }));
}

async function fill(world: KubeWorld): Promise<void> {
  const namespaces = Math.ceil(accessCount / PER_NAMESPACE);
  await inParallel(namespaces, async (index) => {
    await world.kube.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: `team-${index}` } } });
  });
  await inParallel(accessCount, async (index) => {
    await world.apply(access(`access-${index}`, PATTERNS), `team-${index % namespaces}`);
  });
  await inParallel(podCount, async (index) => {
    await world.kube.request({ method: 'POST', path: `/api/v1/namespaces/${world.home}/pods`, body: pod(index) });
  });
}

async function memoryMiB(gateway: RunningGateway): Promise<number> {
  const status = await readFile(`/proc/${gateway.process.pid}/status`, 'utf8');
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024);
}

/** From the API server's answer until a query through Envoy says otherwise. */
async function changeMs(world: KubeWorld, gateway: RunningGateway, patterns: readonly string[], wanted: number): Promise<number> {
  await world.apply(access('access-0', patterns), 'team-0');
  const startedMs = performance.now();
  for (;;) {
    const { body } = await world.query(gateway, 'team-0', 'count(probe) or vector(0)');
    if (Number(at(body, 'data', 'result', 0, 'value', 1)) === wanted) return performance.now() - startedMs;
    if (performance.now() - startedMs > 60_000) throw new Error('no effect within a minute');
  }
}

async function run(): Promise<void> {
  const missing = await kubeWorldMissing();
  if (missing !== undefined) throw new Error(missing);
  const say = (what: string, value: string): void => void process.stdout.write(`${what.padEnd(60)} ${value}\n`);
  await using world = await startKubeWorld({ 'kubernetes.metricAccess.withoutTerms': 'own-namespace', 'kubernetes.discovery': [{ namespaces: ['monitoring'], resources: ['Pod'] }] });
  await loadSeries(world.prometheus, [{ __name__: 'probe', namespace: 'team-0' }]);
  await fill(world);
  const kubernetes = { metricAccess: { withoutTerms: 'own-namespace' } };
  // Of any pod: the worst case, in which the labels choose none and every one is looked at.
  const main = { name: 'main', url: world.prometheus.url };
  const found = { name: 'found', discover: { resource: 'Pod', namespaces: [world.home] } };
  const startedMs = performance.now();
  const gateway = await world.start({ kubernetes, config: { backends: [main] }, startTimeoutMs: 120_000 });
  say(`ready with ${accessCount} MetricAccess`, `${Math.round(performance.now() - startedMs)} ms`);
  say('memory of the gateway then', `${await memoryMiB(gateway)} MiB`);
  const times: number[] = [];
  for (let change = 0; change < CHANGES; change += 1) times.push(await changeMs(world, gateway, change % 2 === 0 ? [...PATTERNS, 'probe'] : PATTERNS, change % 2 === 0 ? 1 : 0));
  times.sort((a, b) => a - b);
  say(`change to effect at Envoy, ${CHANGES} changes: median, longest`, `${Math.round(times[CHANGES / 2] ?? 0)} ms, ${Math.round(times.at(-1) ?? 0)} ms`);
  await gateway.stop();
  const againMs = performance.now();
  const second = await world.start({ name: 'gw-1', kubernetes, config: { backends: [main, found] }, startTimeoutMs: 120_000 });
  say(`ready with ${podCount} pods looked at as well`, `${Math.round(performance.now() - againMs)} ms`);
  say('memory of the gateway then', `${await memoryMiB(second)} MiB`);
}

await run();
