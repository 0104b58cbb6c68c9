import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { TenantExport } from '../../src/model/desired-state.js';
import { startExporter, TEXT_FORMAT } from '../support/exporter.js';
import type { Exporter as Target } from '../support/exporter.js';
import { dump, jobsOf, startExportRig } from '../support/export-rig.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import { fetchJson } from '../support/http.js';
import { nativeHistogramBody, PROTOBUF_FORMAT } from '../support/native-histogram.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import { pageLines, startPushgateway } from '../support/push-servers.js';
import { createTempDir } from '../support/temp-dir.js';
import type { TempDir } from '../support/temp-dir.js';

/** Exports between real Prometheus servers: what the source has stored of what is allowed is what the receivers have, sample for sample. */

let target: Target;
let source: RunningPrometheus;
let receivers: readonly [RunningPrometheus, RunningPrometheus];
let dir: TempDir;

const text = (body: string) => ({ kind: 'answer', headers: { 'content-type': TEXT_FORMAT }, body: Buffer.from(body) }) as const;

beforeAll(async () => {
  target = await startExporter({ behaviour: text('# HELP requests_total Requests.\n# TYPE requests_total counter\nrequests_total{zone="1"} 7\nrequests_total{zone="2"} 9\nnot_a_number NaN\nsecret 1\n') });
  target.behave({ kind: 'answer', headers: { 'content-type': PROTOBUF_FORMAT }, body: nativeHistogramBody('latency') }, '/native');
  const scrape = { honor_labels: true, static_configs: [{ targets: [`127.0.0.1:${target.port}`] }] };
  source = await startPrometheus({
    config: {
      global: { scrape_interval: '500ms', scrape_timeout: '500ms' },
      scrape_configs: [
        { job_name: 'app', ...scrape },
        { job_name: 'other', ...scrape },
        { job_name: 'native', metrics_path: '/native', scrape_native_histograms: true, scrape_protocols: ['PrometheusProto'], ...scrape },
      ],
    },
  });
  const receiver = () => startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver'] });
  receivers = await Promise.all([receiver(), receiver()]);
  await source.waitForUp(3);
});
afterAll(async () => {
  await Promise.all([source.stop(), ...receivers.map((each) => each.stop()), target.close()]);
});
beforeEach(async () => {
  dir = await createTempDir();
});
afterEach(async () => {
  await dir[Symbol.asyncDispose]();
});

const writeUrl = (to: { readonly url: string }): string => `${to.url}/api/v1/write`;
/** Every test has series of its own at the receivers. */
const marked = (test: string): Partial<TenantExport> => ({ extraLabels: { test } });

/** Waits until the source has scraped so often again. */
async function scrapes(count: number): Promise<void> {
  const fromMs = Date.now();
  await source.process.until(`${count} scrapes`, async () => {
    const points = (await dump(source.url, 'up{job="app"}', fromMs, Date.now() + 100)).values().next().value ?? [];
    expect(points.length).toBeGreaterThanOrEqual(count);
  });
}

/** Waits until the receiver has, of this test, what the source had up to now, and nothing else; returns what that is. */
async function untilEqual(receiver: RunningPrometheus, selector: string, test: string, fromMs: number): Promise<ReadonlyMap<string, readonly string[]>> {
  const untilMs = Date.now();
  const expected = await dump(source.url, selector, fromMs, untilMs);
  expect(expected.size).toBeGreaterThan(0);
  return receiver.process.until('it has what the source has', async () => {
    const found = await dump(receiver.url, `{test="${test}"}`, fromMs, untilMs);
    const plain = new Map([...found].map(([labels, points]) => [labels.replace(`,test=${test}`, ''), points]));
    expect([...plain.keys()]).toEqual([...expected.keys()]);
    expect(plain).toEqual(expected);
    return plain;
  }, { timeoutMs: 20_000, intervalMs: 250 });
}

describe.each(['1', '2'] as const)('an export by remote write %s.0', (version) => {
  it('has every allowed sample arrive once, with its own time, and no other', async () => {
    const startedMs = Date.now();
    await using rig = await startExportRig(dir.path, jobsOf({ source: source.url, urls: [writeUrl(receivers[0])], spec: marked(`plain_${version}`), destination: { version } }));
    await untilEqual(receivers[0], '{job="app"}', `plain_${version}`, startedMs - 2000);
    await scrapes(4);
    const got = await untilEqual(receivers[0], '{job="app"}', `plain_${version}`, startedMs - 2000);
    expect([...got.keys()].some((labels) => labels.includes('requests_total') && labels.includes('zone=2'))).toBe(true);
    expect(await receivers[0].query(`{test="plain_${version}",job!="app"}`)).toEqual([]);
    expect(rig.exporter.view('team-a')).toContain('requests_total{');
    expect(rig.exporter.view('team-b')).toBe('');
  });

  it('has native histograms as they were stored', async () => {
    const startedMs = Date.now();
    const query = [{ backends: undefined, metrics: ['{job="native"}'], labels: {} }];
    await using _rig = await startExportRig(dir.path, jobsOf({ source: source.url, urls: [writeUrl(receivers[0])], query, spec: marked(`native_${version}`), destination: { version } }));
    const got = await untilEqual(receivers[0], '{job="native"}', `native_${version}`, startedMs - 2000);
    expect([...got].find(([labels]) => labels.includes('latency'))?.[1].join('')).toContain('"count":"3"');
  });
});

describe('an export', () => {
  it('gives every replica everything, also the one that was away, without the others waiting', async () => {
    const startedMs = Date.now();
    await using proxy = await startFaultProxy({ port: Number(new URL(receivers[1].url).port) });
    proxy.silence();
    const urls = [writeUrl(receivers[0]), `http://127.0.0.1:${proxy.port}/api/v1/write`];
    await using _rig = await startExportRig(dir.path, jobsOf({ source: source.url, urls, spec: marked('replicas'), destination: { timeoutMs: 1000 } }));
    await untilEqual(receivers[0], '{job="app"}', 'replicas', startedMs - 2000);
    expect(await receivers[1].query('{test="replicas"}')).toEqual([]);
    proxy.cut();
    proxy.resume();
    await untilEqual(receivers[1], '{job="app"}', 'replicas', startedMs - 2000);
  });

  it('goes on where it was after a stop: nothing is missing, nothing is sent twice', async () => {
    const startedMs = Date.now();
    const jobs = jobsOf({ source: source.url, urls: [writeUrl(receivers[0])], spec: marked('restarted') });
    const first = await startExportRig(dir.path, jobs);
    await untilEqual(receivers[0], '{job="app"}', 'restarted', startedMs - 2000);
    await first[Symbol.asyncDispose]();
    await scrapes(3);
    const second = await startExportRig(dir.path, jobs);
    await untilEqual(receivers[0], '{job="app"}', 'restarted', startedMs - 2000);
    await second[Symbol.asyncDispose]();
    // a receiver is silent about a sample that it has already: so what was sent is counted
    const sent = (await Promise.all([first, second].map(({ registry }) => registry.getSingleMetric('scrapeway_export_sent_samples_total')?.get()))).flatMap((metric) => metric?.values ?? []);
    const stored = [...(await dump(receivers[0].url, '{test="restarted"}', startedMs - 600_000, Date.now())).values()];
    expect(sent.reduce((sum, { value }) => sum + value, 0)).toBe(stored.flat().length);
  });

  it('ends series of which it may not tell any more, and goes on with the others', async () => {
    const parts = { source: source.url, urls: [writeUrl(receivers[0])], spec: marked('narrowed') };
    await using rig = await startExportRig(dir.path, jobsOf(parts));
    const zones = async () => (await receivers[0].query('requests_total{test="narrowed"}')).map(({ metric }) => metric['zone']).toSorted();
    await receivers[0].process.until('both are there', async () => expect(await zones()).toEqual(['1', '2']));
    await rig.exporter.configure(jobsOf({ ...parts, query: [{ backends: undefined, metrics: ['{job="app",zone="1"}'], labels: {} }] }));
    await receivers[0].process.until('one has ended', async () => expect(await zones()).toEqual(['1']));
    await rig.exporter.configure([]);
    expect(await zones()).toEqual([]);
  });

  it('has the exemplars of what it sends, and tells receivers of series that end at the source', async () => {
    await using gone = await startExporter({ behaviour: { kind: 'answer', headers: { 'content-type': 'application/openmetrics-text; version=1.0.0' }, body: Buffer.from('# HELP made Made.\n# TYPE made counter\nmade_total{zone="1"} 1 # {trace_id="abc"} 1\nmade_total{zone="2"} 1\n# EOF\n') } });
    await using short = await startPrometheus({
      config: { global: { scrape_interval: '500ms', scrape_timeout: '500ms' }, storage: { exemplars: { max_exemplars: 100 } }, scrape_configs: [{ job_name: 'app', static_configs: [{ targets: [`127.0.0.1:${gone.port}`] }] }] },
      args: ['--enable-feature=exemplar-storage'],
    });
    await using keeper = await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver', '--enable-feature=exemplar-storage'] });
    await short.waitForUp(1);
    await using _rig = await startExportRig(dir.path, jobsOf({ source: short.url, urls: [writeUrl(keeper)] }));
    const zones = async () => (await keeper.query('made_total')).map(({ metric }) => metric['zone']).toSorted();
    await keeper.process.until('both are there', async () => expect(await zones()).toEqual(['1', '2']));
    await keeper.process.until('the exemplar is there', async () => {
      const { data } = await fetchJson<{ data: unknown }>({ url: `${keeper.url}/api/v1/query_exemplars?query=made_total&start=${Date.now() / 1000 - 60}&end=${Date.now() / 1000 + 60}` });
      expect(data).toMatchObject([{ seriesLabels: { __name__: 'made_total', zone: '1' }, exemplars: [{ labels: { trace_id: 'abc' } }] }]);
    });
    gone.behave({ kind: 'answer', headers: { 'content-type': 'application/openmetrics-text; version=1.0.0' }, body: Buffer.from('# TYPE made counter\nmade_total{zone="1"} 2\n# EOF\n') });
    await keeper.process.until('one has ended', async () => expect(await zones()).toEqual(['1']));
  });

  it('has the labels that the rules make of them, and the tenant’s label whatever they do', async () => {
    const relabel = [{ source_labels: ['__name__'], regex: 'secret|not_a_number', action: 'drop' }, { target_label: 'tenant', replacement: 'team-b' }, { regex: 'instance', action: 'labeldrop' }];
    const spec = { relabel, extraLabels: { test: 'shaped', zone: 'extra' }, honorLabels: true };
    await using _rig = await startExportRig(dir.path, jobsOf({ source: source.url, urls: [writeUrl(receivers[0])], spec, destination: { tenantLabel: 'tenant' } }));
    await receivers[0].process.until('they are there', async () => {
      expect((await receivers[0].query('requests_total{test="shaped"}')).map(({ metric }) => metric)).toEqual(['1', '2'].map((zone) => ({ __name__: 'requests_total', job: 'app', zone, tenant: 'team-a', test: 'shaped' })));
    });
    expect(await receivers[0].query('{test="shaped",tenant!="team-a"}')).toEqual([]);
    expect(await receivers[0].query('{test="shaped",__name__=~"secret|not_a_number"}')).toEqual([]);
    expect((await receivers[0].query('up{test="shaped"}')).map(({ metric }) => metric['zone'])).toEqual(['extra']);
  });

  it('reads nothing more because of what the source calls itself', async () => {
    await using outside = await startPrometheus({
      config: { global: { scrape_interval: '500ms', scrape_timeout: '500ms', external_labels: { cluster: 'a', team: 'x' } }, scrape_configs: [{ job_name: 'app', honor_labels: true, static_configs: [{ targets: [`127.0.0.1:${target.port}`] }] }] },
    });
    await outside.waitForUp(1);
    // Prometheus leaves matchers out that its external labels fulfil: asked so, it would give everything
    const query = [{ backends: undefined, metrics: ['{cluster="a"}'], labels: {} }, { backends: undefined, metrics: ['{zone="1"}'], labels: { team: '' } }];
    await using _rig = await startExportRig(dir.path, jobsOf({ source: outside.url, urls: [writeUrl(receivers[0])], query, spec: marked('outside') }));
    await receivers[0].process.until('something is there', async () => expect(await receivers[0].query('{test="outside"}')).not.toEqual([]));
    expect((await receivers[0].query('{test="outside"}')).map(({ metric }) => metric)).toEqual([expect.objectContaining({ __name__: 'requests_total', zone: '1', cluster: 'a', team: 'x' })]);
  });

  it('to a Pushgateway is one group, replaced each time and deleted in the end', async () => {
    await using gateway = await startPushgateway();
    const spec = { group: { job: 'slice/a', labels: { instance: 'main' } } };
    await using rig = await startExportRig(dir.path, jobsOf({ source: source.url, urls: [gateway.url], spec, destination: { kind: 'pushgateway', tenantLabel: 'tenant' } }));
    await gateway.process.until('they are there', async () => {
      expect(await pageLines(`${gateway.url}/metrics`, 'requests_total')).toEqual(['1', '2'].map((zone) => expect.stringContaining(`job="slice/a",tenant="team-a",zone="${zone}"`)));
    });
    await rig.exporter.configure([]);
    expect(await pageLines(`${gateway.url}/metrics`, 'requests_total')).toEqual([]);
  });
});
