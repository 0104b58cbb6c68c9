import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { startExporter, textAnswer } from '../support/exporter.js';
import { dump } from '../support/export-rig.js';
import type { RunningGateway } from '../support/gateway.js';
import type { Manifest } from '../support/helm.js';
import { fetchJson } from '../support/http.js';
import { kubeWorldMissing, startKubeWorld } from '../support/kube-world.js';
import type { KubeWorld } from '../support/kube-world.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import type { ConfigFile } from '../support/scrapeway.js';

/** Exports of several gateways in a cluster: whoever has the Lease exports, and nobody else, through every change of who that is. */

const missing = await kubeWorldMissing();
const withKube = missing === undefined ? describe : describe.skip;
if (missing !== undefined) process.stderr.write(`kube-export.test.ts is skipped: ${missing}\n`);

const SERIES = 50;

withKube('the exports of two gateways', () => {
  const stack = new AsyncDisposableStack();
  let world: KubeWorld;
  let source: RunningPrometheus;
  let receiver: RunningPrometheus;
  let receiverOf1: RunningPrometheus;
  let startedMs: number;

  beforeAll(async () => {
    const lines = Array.from({ length: SERIES }, (_, core) => `load{core="${core}"} ${core}\n`);
    const target = stack.use(await startExporter({ behaviour: textAnswer(`# TYPE load gauge\n${lines.join('')}`) }));
    source = stack.use(await startPrometheus({ config: { global: { scrape_interval: '500ms', scrape_timeout: '500ms' }, scrape_configs: [{ job_name: 'app', static_configs: [{ targets: [`127.0.0.1:${target.port}`] }] }] } }));
    receiver = stack.use(await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver'] }));
    receiverOf1 = stack.use(await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver', '--web.remote-write-receiver.accepted-protobuf-messages=prometheus.WriteRequest'] }));
    world = stack.use(await startKubeWorld());
    await source.waitForUp(1);
    startedMs = Date.now();
  }, 120_000);
  afterAll(async () => {
    await stack.disposeAsync();
  });

  function start(name: string, to: RunningPrometheus): Promise<RunningGateway> {
    const config: ConfigFile = {
      backends: [{ name: 'main', url: source.url }],
      exportDestinations: [{ name: 'own', kind: 'remote_write', url: `${to.url}/api/v1/write` }],
      exports: { folder: world.dir.join(`exports-${name}`) },
      tenants: [{ name: 'team-a', credentials: [{ certificate: { uri: 'spiffe://scrapeway/tenant/team-a' } }], query: [{ metrics: ['load'] }], exports: [{ name: 'slice', backend: 'main', destination: 'own', interval: '1s', metrics: ['load'] }] }],
    };
    return world.start({ name, config });
  }

  async function metric(gateway: RunningGateway, name: string): Promise<number> {
    return [...(await gateway.metric(name)).values()].reduce((total, value) => total + value, 0);
  }

  /** Every sample that the source has up to now is at the receiver, once, and nothing else is. */
  async function arrived(to: RunningPrometheus): Promise<void> {
    const untilMs = Date.now();
    const expected = await dump(source.url, 'load', startedMs - 1000, untilMs);
    expect(expected.size).toBe(SERIES);
    await eventually(async () => expect(await dump(to.url, '{__name__=~".+"}', startedMs - 1000, untilMs)).toEqual(expected), { timeoutMs: 60_000, intervalMs: 300, what: 'all that the source has' });
  }

  it.each(['2', '1'] as const)('are those of the leader, without a gap and without a sample twice, when it goes and when it is killed, on disks of their own (%s.0)', async (version) => {
    const to = version === '2' ? receiver : receiverOf1;
    const [one, two, three] = [`gw-1-${version}`, `gw-2-${version}`, `gw-3-${version}`];
    const first = await start(one, to);
    await eventually(async () => expect(await metric(first, 'scrapeway_export_active')).toBe(1), { timeoutMs: 20_000 });
    const second = await start(two, to);
    await arrived(to);
    expect(await metric(second, 'scrapeway_export_active')).toBe(0);
    expect(await metric(second, 'scrapeway_export_requests_total')).toBe(0);

    await first.stop();
    await eventually(async () => expect(await metric(second, 'scrapeway_export_active')).toBe(1), { timeoutMs: 10_000 });
    await arrived(to);

    const third = await start(three, to);
    expect(await metric(third, 'scrapeway_export_requests_total')).toBe(0);
    second.process.signal('SIGKILL');
    await eventually(async () => expect(await metric(third, 'scrapeway_export_active')).toBe(1), { timeoutMs: 30_000, intervalMs: 200 });
    await arrived(to);
    await third.stop();
  }, 180_000);

  it('that a MetricAccess asks for run within the terms, say that they do, and say why they do not', async () => {
    const namespace = await world.kube.freshNamespace();
    const access = (name: string, url: string, more: object = {}): Manifest => ({
      apiVersion: 'observability.ethos.io/v1alpha1', kind: 'MetricAccess', metadata: { name },
      spec: { source: namespace, metrics: ['load'], remoteWrite: { enabled: true, interval: '5s', target: { type: 'remote_write' }, remoteWrite: { url }, extraLabels: { via: name }, ...more } },
    });
    const terms = { namespaces: [namespace], within: [{ metrics: ['load{core="7"}'] }], exports: { backend: 'main', destinations: ['own'] } };
    const config: ConfigFile = {
      backends: [{ name: 'main', url: source.url }],
      exportDestinations: [{ name: 'own', kind: 'remote_write', url: `${receiver.url}/api/v1/write`, tenantLabel: 'tenant' }],
      exports: { folder: world.dir.join('exports-objects') },
    };
    await world.apply({ apiVersion: 'scrapeway.io/v1alpha1', kind: 'Tenant', metadata: { name: 'shop' }, spec: { metricAccess: terms } });
    await world.apply(access('mine', `${receiver.url}/api/v1/write`), namespace);
    await world.apply(access('elsewhere', `${source.url}/api/v1/write`), namespace);
    await world.start({ name: 'gw-9', config });
    const said = (name: string): Promise<unknown> => world.condition('MetricAccess', name, { namespace, type: 'RemoteWrite' });
    await eventually(async () => expect(await said('mine')).toMatchObject({ status: 'True', reason: 'Exporting' }), { timeoutMs: 40_000, intervalMs: 300 });
    expect(await said('elsewhere')).toMatchObject({ status: 'False', reason: 'NotAllowed', message: expect.stringContaining(source.url) });
    const untilMs = Date.now();
    const arrivedHere = await dump(receiver.url, '{via=~".+"}', startedMs - 1000, untilMs);
    expect([...arrivedHere.keys()]).toEqual([expect.stringMatching(/core=7,.*tenant=shop,via=mine/)]);

    await world.remove('MetricAccess', 'mine', namespace);
    await eventually(async () => expect((await fetchJson<{ data: { result: unknown[] } }>({ url: `${receiver.url}/api/v1/query?query=${encodeURIComponent('{via="mine"}')}` })).data.result).toEqual([]), { timeoutMs: 20_000, intervalMs: 500 });
  }, 120_000);
});
