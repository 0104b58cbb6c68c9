import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { encodeSeries } from '../../src/remotewrite/encode.js';
import { protocolHeaders } from '../../src/remotewrite/protocol.js';
import { pack } from '../../src/remotewrite/snappy.js';
import type { Label, Series } from '../../src/remotewrite/series.js';
import { startExporter, textAnswer } from '../support/exporter.js';
import type { Exporter } from '../support/exporter.js';
import { fetchRaw } from '../support/http.js';
import type { HttpAnswer } from '../support/http.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import { promtool } from '../support/promtool.js';
import { startPrometheusAgent } from '../support/push-servers.js';
import { pushTarget, startPushRig, TENANT_HEADER } from '../support/push-rig.js';
import type { PushRig } from '../support/push-rig.js';

/** Remote write in, with a real Prometheus behind the door and real senders in front of it. */

let backend: RunningPrometheus;
let exporter: Exporter;
let rig: PushRig;

beforeAll(async () => {
  backend = await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver', '--enable-feature=exemplar-storage'] });
  const url = `${backend.url}/api/v1/write`;
  rig = await startPushRig({ targets: [pushTarget({ name: 'strict', url }), pushTarget({ name: 'overwriting', url, onConflict: 'overwrite' })] });
  exporter = await startExporter({ behaviour: textAnswer('# TYPE made_total counter\nmade_total{zone="1"} 7\nforged_total{tenant="team-b"} 1\n') });
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await exporter[Symbol.asyncDispose]();
  await backend.stop();
});

async function write(version: '1' | '2', series: readonly Series[], { tenant = 'team-a', target = 'strict' } = {}): Promise<HttpAnswer> {
  return fetchRaw({
    url: `${rig.url}/push/${target}/api/v1/write`,
    method: 'POST',
    headers: { ...protocolHeaders(version), 'user-agent': 'test', [TENANT_HEADER]: tenant },
    body: await pack(encodeSeries(version, series)),
  });
}

function labels(text: Readonly<Record<string, string>>): readonly Label[] {
  return Object.entries(text).map(([name, value]) => ({ name, value }));
}

function sample(all: Readonly<Record<string, string>>, value = 1): Series {
  return { labels: labels(all), samples: [{ value, timestampMs: Date.now() }], histograms: [], exemplars: [] };
}

async function stored(selector: string): Promise<readonly Readonly<Record<string, string>>[]> {
  return (await backend.query(selector)).map(({ metric }) => metric);
}

describe.each(['1', '2'] as const)('remote write %s.0', (version) => {
  it('arrives with the tenant’s label', async () => {
    expect(await write(version, [sample({ __name__: `plain_${version}`, zone: '1' })])).toMatchObject({ status: 204 });
    expect(await stored(`plain_${version}`)).toEqual([{ __name__: `plain_${version}`, zone: '1', tenant: 'team-a' }]);
  });

  it('keeps tenants apart that write the same series', async () => {
    const name = `same_${version}`;
    await write(version, [sample({ __name__: name }, 1)]);
    await write(version, [sample({ __name__: name }, 2)], { tenant: 'team-b' });
    expect((await backend.query(name)).map(({ metric, value }) => [metric['tenant'], value?.[1]]).toSorted()).toEqual([['team-a', '1'], ['team-b', '2']]);
  });

  it('of another tenant’s series is refused, while the others arrive', async () => {
    const name = `mixed_${version}`;
    const answer = await write(version, [sample({ __name__: name, tenant: 'team-b' }), sample({ __name__: name, zone: '2' })]);
    expect(answer).toMatchObject({ status: 400, headers: { 'x-scrapeway-reason': 'push_refused' } });
    expect(answer.body.toString()).toContain('1 of 2 series; the first has another value of the label tenant');
    expect(await stored(name)).toEqual([{ __name__: name, zone: '2', tenant: 'team-a' }]);
  });

  it('of another tenant’s series is the sender’s own where that is configured', async () => {
    const name = `overwritten_${version}`;
    expect(await write(version, [sample({ __name__: name, tenant: 'team-b' })], { target: 'overwriting' })).toMatchObject({ status: 204 });
    expect(await stored(name)).toEqual([{ __name__: name, tenant: 'team-a' }]);
  });

  it('has native histograms', async () => {
    const name = `native_${version}`;
    const histogram = { kind: 'int', count: 3, sum: 4.5, schema: 0, zeroThreshold: 0.001, zeroCount: 0, negativeSpans: [], negativeBuckets: [], positiveSpans: [{ offset: 0, length: 2 }], positiveBuckets: [1, 1], resetHint: 'unspecified', timestampMs: Date.now(), customValues: [] } as const;
    expect(await write(version, [{ labels: labels({ __name__: name }), samples: [], exemplars: [], histograms: [histogram] }])).toMatchObject({ status: 204 });
    expect(await backend.query(name)).toMatchObject([{ metric: { tenant: 'team-a' }, histogram: [expect.anything(), { count: '3', sum: '4.5' }] }]);
  });

  it('has exemplars', async () => {
    const name = `exemplary_${version}_total`;
    const timestampMs = Date.now();
    const series: Series = { ...sample({ __name__: name }), exemplars: [{ labels: labels({ trace_id: 'abc' }), value: 1, timestampMs }] };
    expect(await write(version, [series])).toMatchObject({ status: 204 });
    const { body } = await fetchRaw({ url: `${backend.url}/api/v1/query_exemplars?query=${name}&start=${timestampMs / 1000 - 60}&end=${timestampMs / 1000 + 60}` });
    expect(JSON.parse(body.toString())).toMatchObject({ data: [{ seriesLabels: { __name__: name, tenant: 'team-a' }, exemplars: [{ labels: { trace_id: 'abc' } }] }] });
  });

  it('that the backend refuses is refused with its status and text', async () => {
    const name = `disordered_${version}`;
    const at = (timestampMs: number): Series => ({ ...sample({ __name__: name }), samples: [{ value: 1, timestampMs }] });
    await write(version, [at(Date.now())]);
    const answer = await write(version, [at(Date.now() - 60_000)]);
    expect(answer).toMatchObject({ status: 400, headers: { 'x-scrapeway-reason': 'push_rejected' } });
    expect(answer.body.toString()).toContain('out of order');
  });
});

describe('what a receiver of 2.0 has written', () => {
  it('is told to the sender', async () => {
    const { headers } = await write('2', [sample({ __name__: 'told' })]);
    expect(headers['x-prometheus-remote-write-samples-written']).toBe('1');
  });
});

describe('a Prometheus in agent mode', () => {
  it.each(['prometheus.WriteRequest', 'io.prometheus.write.v2.Request'])('writes through the door: %s', async (message) => {
    const job = message.includes('v2') ? 'agent-2' : 'agent-1';
    await using agent = await startPrometheusAgent({
      global: { scrape_interval: '1s' },
      scrape_configs: [{ job_name: job, honor_labels: true, static_configs: [{ targets: [`127.0.0.1:${exporter.port}`] }] }],
      remote_write: [{ url: `${rig.url}/push/strict/api/v1/write`, protobuf_message: message, headers: { 'X-Scrapeway-Tenant': 'team-a' }, queue_config: { batch_send_deadline: '1s' } }],
    });
    const found = await agent.process.until(
      'its series are in the backend',
      async () => {
        const series = await stored(`made_total{job="${job}"}`);
        if (series.length === 0) throw new Error('not yet');
        return series;
      },
      { timeoutMs: 30_000 },
    );
    expect(found).toMatchObject([{ __name__: 'made_total', zone: '1', tenant: 'team-a', job }]);
    // the forged one is of the same scrapes, and nothing of them is without the label
    expect(await stored('forged_total')).toEqual([]);
    expect(await stored(`{job="${job}", tenant!="team-a"}`)).toEqual([]);
  });
});

describe('promtool', () => {
  const pushMetrics = (message: string, text: string): Promise<string> =>
    promtool(['push', 'metrics', `--protobuf_message=${message}`, '--header=X-Scrapeway-Tenant=team-b', `${rig.url}/push/strict`], Buffer.from(text));

  it('pushes through the door', async () => {
    expect(await pushMetrics('prometheus.WriteRequest', '# TYPE pushed gauge\npushed{zone="1",area="2"} 3\n')).not.toContain('FAILED');
    expect(await stored('pushed')).toMatchObject([{ __name__: 'pushed', tenant: 'team-b', job: 'promtool', zone: '1', area: '2' }]);
  });

  it('of 3.15 sends version 1 under the name of version 2, of which nothing is believed', async () => {
    expect(await pushMetrics('io.prometheus.write.v2.Request', '# TYPE misnamed gauge\nmisnamed 3\n')).toContain('400 Bad Request: scrapeway: the push cannot be understood');
    expect(await stored('misnamed')).toEqual([]);
  });
});

describe('in the end', () => {
  it('the backend has nothing without a tenant', async () => {
    expect(await stored('{__name__!="", tenant=""}')).toEqual([]);
  });
});
