import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { startAgent } from '../../test/support/agent.js';
import { readPair } from '../../test/support/certificates.js';
import { startExporter, textAnswer } from '../../test/support/exporter.js';
import type { RunningGateway } from '../../test/support/gateway.js';
import { at, listAt } from '../../test/support/helm.js';
import { eventually } from '../../test/support/eventually.js';
import { openRequest } from '../../test/support/http.js';
import type { KubeRequest } from '../../test/support/kube.js';
import { kubeWorldMissing, loadSeries, startKubeWorld } from '../../test/support/kube-world.js';
import type { KubeWorld } from '../../test/support/kube-world.js';
import { parseResidentBytes, parseStat } from '../proc.js';
import { median } from '../statistics.js';
import { createClient } from './client.js';
import type { Client } from './client.js';
import { fill, namespacesOf, PATTERNS } from './fill.js';
import type { Shape } from './fill.js';
import { startLoad } from './load.js';
import type { Load } from './load.js';

/**
 * The shipped gateway with its Envoy in a large cluster: its start, its memory, from a change to its effect at Envoy, what churn costs,
 * and an API server that goes away and comes back with no history under load. `npm run bench:kube [-- MetricAccess objects, pods]`.
 */

const [accesses, pods] = [Number(process.argv[2] ?? 5_000), Number(process.argv[3] ?? 20_000)];
const CHANGES = 30;
const WINDOW_MS = 10_000;
const CHURN = { podsPerSecond: 50, accessesPerSecond: 20, atOnce: 8 };
/** As a real cluster's are set for its size, and not on our processors while we want them: what is measured is not the API server. */
const API_SERVER = { niceness: 19, args: ['--max-requests-inflight=2000', '--max-mutating-requests-inflight=1000', '--enable-priority-and-fairness=false'], startTimeoutMs: 300_000 };
const ACCESSES = '/apis/observability.ethos.io/v1alpha1';
const MERGE = 'application/merge-patch+json';

type Send = (request: Pick<KubeRequest, 'method' | 'path' | 'body' | 'contentType'>) => Promise<void>;

/** To the API server, or another one on the same store; rejects where it refuses. */
function sender({ kube }: KubeWorld, client: Client, url: string): Send {
  return async ({ method, path, body, contentType = 'application/json' }) => {
    const answer = await client.send(`${url}${path}`, { method, headers: { authorization: `Bearer ${kube.adminToken}`, 'content-type': contentType }, ...(body !== undefined && { body: JSON.stringify(body) }) });
    if (answer.status >= 300) throw new Error(`${answer.status} ${answer.body.slice(0, 500)}`);
  };
}

function say(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(66)} ${value}\n`);
}

/** Of the gateway's own process, without Envoy. */
async function cpuS(gateway: RunningGateway): Promise<number> {
  return (parseStat(await readFile(`/proc/${gateway.process.pid}/stat`, 'utf8'))?.cpuTicks ?? 0) / 100;
}

async function memory(gateway: RunningGateway): Promise<string> {
  const status = await readFile(`/proc/${gateway.process.pid}/status`, 'utf8');
  const peak = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024;
  return `${Math.round(parseResidentBytes(status) / 2 ** 20)} MiB, at most ${Math.round(peak)} MiB`;
}

/** What it costs to stand there for a while. */
async function cpuShare(gateway: RunningGateway, windowMs = WINDOW_MS): Promise<string> {
  const [startS, startMs] = [await cpuS(gateway), performance.now()];
  await setTimeout(windowMs);
  return `${((100_000 * ((await cpuS(gateway)) - startS)) / (performance.now() - startMs)).toFixed(1)} % of a core`;
}

async function patchAccess(send: Send, namespace: string, metrics: readonly string[]): Promise<void> {
  await send({ method: 'PATCH', path: `${ACCESSES}/namespaces/${namespace}/metricaccesses/access-0`, body: { spec: { metrics } }, contentType: MERGE });
}

/** Of the gateway, with a certificate of this name. */
async function clientOf(world: KubeWorld, name: string): Promise<Client> {
  return createClient({ ca: await readFile(world.pki.serverCaFile), servername: 'localhost', ...(await readPair(await world.pki.client(name))) }, 64);
}

interface Measured {
  readonly world: KubeWorld;
  readonly gateway: RunningGateway;
  /** Who speaks for tenants. */
  readonly proxy: Client;
  readonly send: Send;
}

/** Until a query through Envoy sees the series, or does not. */
async function effectMs({ gateway, proxy }: Measured, { wanted, fromMs }: { readonly wanted: number; readonly fromMs: number }): Promise<number> {
  const url = `${gateway.scrapeUrl}/query/main/api/v1/query?query=${encodeURIComponent('count(probe) or vector(0)')}`;
  for (;;) {
    const { status, body } = await proxy.send(url, { headers: { 'x-tenant-namespace': 'team-0' } });
    if (status === 200 && Number(at(JSON.parse(body), 'data', 'result', 0, 'value', 1)) === wanted) return performance.now() - fromMs;
    if (performance.now() - fromMs > 300_000) throw new Error(`no effect within five minutes: ${status} ${body}\n${gateway.process.log().slice(-4_000)}`);
    await setTimeout(10);
  }
}

/**
 * From the API server's answer on; every other change takes something away. And from the moment on in which a watch of our own tells
 * of the change: what is left is the gateway's.
 */
async function changes(measured: Measured, count: number): Promise<string> {
  await using told = await watchNamespace(measured.world, 'team-0');
  const [times, own]: [number[], number[]] = [[], []];
  for (let change = 0; change < count; change += 1) {
    const wanted = (change + 1) % 2;
    await patchAccess(measured.send, 'team-0', wanted === 1 ? [...PATTERNS, 'probe'] : PATTERNS);
    const fromMs = performance.now();
    times.push(await effectMs(measured, { wanted, fromMs }));
    const endMs = performance.now();
    own.push(Math.max(0, endMs - (await told.atMs(change))));
  }
  const both = (all: readonly number[]): string => `${Math.round(median(all))} ms, ${Math.round(Math.max(...all))} ms`;
  return `${both(times)}; from the watch's event on ${both(own)}`;
}

/** When a watch tells of each change of specs in a namespace. */
async function watchNamespace(world: KubeWorld, namespace: string): Promise<AsyncDisposable & { atMs(change: number): Promise<number> }> {
  const path = `${ACCESSES}/namespaces/${namespace}/metricaccesses`;
  const { body } = await world.kube.request({ method: 'GET', path });
  const stop = new AbortController();
  const answer = await openRequest({ url: `${world.kube.url}${path}?watch=1&resourceVersion=${String(at(body, 'metadata', 'resourceVersion'))}`, headers: { authorization: `Bearer ${world.kube.adminToken}` }, tls: { ca: await readFile(world.kube.caFile) }, timeoutMs: 600_000, signal: stop.signal });
  const generations = new Set(listAt(body, 'items').map((each) => at(each, 'metadata', 'generation')));
  const seenMs: number[] = [];
  const read = async (): Promise<void> => {
    for await (const line of createInterface(answer)) {
      const generation = at(JSON.parse(line), 'object', 'metadata', 'generation');
      // Statuses are told too.
      if (!generations.has(generation)) seenMs.push(performance.now());
      generations.add(generation);
    }
  };
  const ended = read().catch(() => {});
  return {
    atMs: (change) => eventually(() => {
      const found = seenMs[change];
      if (found === undefined) throw new Error('the watch has not told yet');
      return found;
    }, { timeoutMs: 60_000, intervalMs: 2 }),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await ended;
    },
  };
}

/** Pods that say something new, and MetricAccess objects that ask for something else, at a steady rate. */
function startChurn(send: () => Send, shape: Shape): { stop(): Promise<string> } {
  const stopped = new AbortController();
  const startMs = performance.now();
  let sent = 0;
  let failed = 0;
  const every = async (perSecond: number, work: (index: number) => Promise<void>): Promise<void> => {
    const running = new Set<Promise<void>>();
    for (let index = 0; !stopped.signal.aborted; index += 1) {
      const waitMs = startMs + (index * 1_000) / perSecond - performance.now();
      if (waitMs > 0) await setTimeout(waitMs);
      // An API server that is slower than that is not buried: the rate falls, and is told.
      if (running.size >= CHURN.atOnce) await Promise.race(running);
      const done: Promise<void> = work(index).then(() => void (sent += 1), () => void (failed += 1)).finally(() => running.delete(done));
      running.add(done);
    }
    await Promise.all(running);
  };
  const namespaces = namespacesOf(shape);
  const running = [
    every(CHURN.podsPerSecond, (index) => send()({ method: 'PATCH', path: `/api/v1/namespaces/${shape.home}/pods/pod-${(index * 7) % shape.pods}`, body: { metadata: { annotations: { beat: String(index) } } }, contentType: MERGE })),
    // Not of the first two namespaces, at which effects and queries are measured: a query whose rights change is broken off.
    every(CHURN.accessesPerSecond, (index) => patchAccess(send(), `team-${2 + ((index * 7) % (namespaces - 2))}`, [...PATTERNS, `churn_${index}`])),
  ];
  return {
    stop: async () => {
      stopped.abort();
      await Promise.all(running);
      return `${sent} changes, ${(sent / ((performance.now() - startMs) / 1_000)).toFixed(0)} a second, ${failed} failed`;
    },
  };
}

async function statusesWritten({ kube }: KubeWorld): Promise<number> {
  const { body } = await kube.request({ method: 'GET', path: '/metrics' });
  const lines = String(body).split('\n').filter((line) => line.startsWith('apiserver_request_total{') && line.includes('resource="metricaccesses"') && line.includes('subresource="status"'));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

async function allStatusesWritten(world: KubeWorld, gateway: RunningGateway): Promise<void> {
  const [startMs, startS] = [performance.now(), await cpuS(gateway)];
  while ((await statusesWritten(world)) < accesses) {
    if (performance.now() - startMs > 300_000) throw new Error('the statuses are not written');
    await setTimeout(500);
  }
  say(`${accesses} statuses written, after`, `${Math.round(performance.now() - startMs)} ms, ${((await cpuS(gateway)) - startS).toFixed(1)} s of CPU`);
}

async function started(world: KubeWorld, name: string, config: Readonly<Record<string, unknown>>): Promise<RunningGateway> {
  const startedMs = performance.now();
  const gateway = await world.start({ name, kubernetes: { metricAccess: { withoutTerms: 'own-namespace' } }, config, startTimeoutMs: 120_000 });
  say(`${name}: from its start until it is ready`, `${Math.round(performance.now() - startedMs)} ms, ${(await cpuS(gateway)).toFixed(1)} s of CPU`);
  say(`${name}: memory then`, await memory(gateway));
  return gateway;
}

function tellLoad(when: string, loads: Readonly<Record<string, Load>>): void {
  for (const [name, load] of Object.entries(loads)) {
    const { count, failed, p50Ms, p99Ms, maxMs } = load.take();
    say(`${name}, ${when}: p50, p99, longest`, `${p50Ms.toFixed(1)} ms, ${p99Ms.toFixed(1)} ms, ${maxMs.toFixed(0)} ms (${count}, ${failed} failed)`);
  }
}

/** The API server is killed while another one takes changes, its history is thrown away, and it comes back: everything is listed again. */
async function relist(measured: Measured, { shape, loads, api }: { readonly shape: Shape; readonly loads: Readonly<Record<string, Load>>; readonly api: Client }): Promise<void> {
  const { world, gateway } = measured;
  tellLoad('before', loads);
  await setTimeout(WINDOW_MS);
  tellLoad('while nothing happens', loads);
  await using other = await world.kube.replica();
  const toOther = sender(world, api, other.url);
  let send = measured.send;
  const churn = startChurn(() => send, shape);
  await setTimeout(WINDOW_MS);
  tellLoad('under churn', loads);
  send = toOther;
  await world.kube.restart(async () => {
    await patchAccess(toOther, 'team-0', [...PATTERNS, 'probe']);
    await toOther({ method: 'DELETE', path: `${ACCESSES}/namespaces/team-3/metricaccesses/access-1` });
    await setTimeout(5_000);
    await world.kube.compact();
  });
  const backMs = performance.now();
  say('a change made meanwhile is in force, after the API server is back', `${Math.round(await effectMs(measured, { wanted: 1, fromMs: backMs }))} ms`);
  await setTimeout(WINDOW_MS);
  tellLoad('while away, and at the new lists, under churn', loads);
  say('churn', await churn.stop());
  const known = (await gateway.metric('scrapeway_kubernetes_objects')).get('{kind="MetricAccess"}');
  say('objects known afterwards, of those that there are', `${known} of ${shape.accesses - 1}`);
}

async function run(): Promise<void> {
  const missing = await kubeWorldMissing();
  if (missing !== undefined) throw new Error(missing);
  await using world = await startKubeWorld({ 'kubernetes.metricAccess.withoutTerms': 'own-namespace', 'kubernetes.discovery': [{ namespaces: ['monitoring'], resources: ['Pod'] }] }, API_SERVER);
  const shape: Shape = { accesses, pods, perNamespace: 10, home: world.home };
  await loadSeries(world.prometheus, [{ __name__: 'probe', namespace: 'team-0' }]);
  const fillMs = performance.now();
  await fill(world.kube.etcdUrl, shape);
  say(`${accesses} MetricAccess objects in ${namespacesOf(shape)} namespaces and ${pods} pods written`, `${Math.round(performance.now() - fillMs)} ms`);

  await using exporter = await startExporter({ behaviour: textAnswer('x 1\n'.repeat(1_000)) });
  // Chosen by an annotation, which no API server does: every pod is looked at.
  const found = { name: 'found', discover: { resource: 'Pod', namespaces: [world.home], annotations: { role: 'infra' } } };
  const tenant = { name: 'scraper', credentials: [{ certificate: { uri: 'spiffe://scrapeway/tenant/scraper' } }], scrape: [{ agents: ['berlin'] }] };
  const config = { tenants: [tenant], agents: [{ name: 'berlin', tenants: ['scraper'] }], backends: [{ name: 'main', url: world.prometheus.url }, found] };
  const first = await started(world, 'gw-0', config);
  await allStatusesWritten(world, first);
  await first.stop();
  const before = await statusesWritten(world);
  const gateway = await started(world, 'gw-1', config);
  await setTimeout(WINDOW_MS);
  say('gw-1: statuses that it wrote again', String((await statusesWritten(world)) - before));
  await using api = createClient({ ca: await readFile(world.kube.caFile) }, 50);
  await using proxy = await clientOf(world, 'front-proxy');
  const measured: Measured = { world, gateway, proxy, send: sender(world, api, world.kube.url) };
  say('memory, settled', await memory(gateway));
  say('CPU while nothing happens', await cpuShare(gateway));
  say(`change to effect at Envoy, ${CHANGES} changes: median, longest`, await changes(measured, CHANGES));
  const churn = startChurn(() => measured.send, shape);
  say(`CPU while ${CHURN.podsPerSecond} pods and ${CHURN.accessesPerSecond} MetricAccess objects change each second`, await cpuShare(gateway));
  say('change to effect meanwhile, 10 changes: median, longest', await changes(measured, 10));
  say('churn', await churn.stop());
  say('memory then', await memory(gateway));

  const agent = await startAgent({ dir: world.dir.path, pki: world.pki, name: 'berlin', gatewayPort: gateway.ports.agents, targets: [{ name: 'web', url: `http://127.0.0.1:${exporter.port}/metrics` }] });
  await agent.waitUntilReady();
  await using scraper = await clientOf(world, 'scraper');
  const loads = {
    scrape: startLoad({ url: `${gateway.scrapeUrl}/scrape/berlin/web`, client: scraper, perSecond: 50 }),
    query: startLoad({ url: `${gateway.scrapeUrl}/query/main/api/v1/query?query=up`, client: proxy, headers: { 'x-tenant-namespace': 'team-1' }, perSecond: 50 }),
  };
  await setTimeout(3_000);
  await relist(measured, { shape, loads, api });
  say('memory then', await memory(gateway));
  await Promise.all(Object.values(loads).map((load) => load.stop()));
  await agent.stop();
  await gateway.stop();
}

await run();
