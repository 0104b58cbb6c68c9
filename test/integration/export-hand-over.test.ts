import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { handOverKey } from '../../src/model/hand-over.js';
import { encodeSeries } from '../../src/remotewrite/encode.js';
import { protocolHeaders } from '../../src/remotewrite/protocol.js';
import type { Version } from '../../src/remotewrite/protocol.js';
import { pack } from '../../src/remotewrite/snappy.js';
import { eventually } from '../support/eventually.js';
import { dump, jobsOf, startExportRig } from '../support/export-rig.js';
import { fetchRaw } from '../support/http.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import { createTempDir } from '../support/temp-dir.js';

/** A gateway goes on with an export that another one has begun, on another disk: all it has is what the other has left with the Lease. */

const STEP_MS = 15_000;
const SERIES = 20;
const AGO_MS = 20 * 60_000;

const receiving = (version: Version) => ['--web.enable-remote-write-receiver', ...(version === '1' ? ['--web.remote-write-receiver.accepted-protobuf-messages=prometheus.WriteRequest'] : [])];

/** Samples of series number `first` to `end` at the steps of this span. */
async function write(to: RunningPrometheus, [first, end]: readonly [number, number], fromMs: number, untilMs: number): Promise<void> {
  const series = Array.from({ length: end - first }, (_, index) => ({
    labels: [{ name: '__name__', value: 'load' }, { name: 'core', value: String(first + index) }],
    samples: Array.from({ length: Math.floor((untilMs - fromMs) / STEP_MS) + 1 }, (_each, step) => ({ timestampMs: fromMs + step * STEP_MS, value: (first + index) * 1000 + ((fromMs / STEP_MS + step) % 1000) })),
    histograms: [],
    exemplars: [],
  }));
  const answer = await fetchRaw({ url: `${to.url}/api/v1/write`, method: 'POST', headers: { ...protocolHeaders('1'), 'user-agent': 'test' }, body: await pack(encodeSeries('1', series)) });
  expect(answer.status).toBe(204);
}

describe.each(['1', '2'] as const)('an export by remote write %s.0 that another gateway has begun', (version) => {
  const stack = new AsyncDisposableStack();
  const nowMs = Math.floor(Date.now() / STEP_MS) * STEP_MS;
  const [startMs, leftMs] = [nowMs - AGO_MS, nowMs - 12 * 60_000];
  let source: RunningPrometheus;
  let receiver: RunningPrometheus;

  beforeAll(async () => {
    source = stack.use(await startPrometheus({ config: {}, args: receiving('2') }));
    receiver = stack.use(await startPrometheus({ config: {}, args: receiving(version) }));
    await write(source, [0, SERIES], startMs, nowMs);
    // It delivered all up to what it left, and of what came then some series, and a bit more of one of them.
    await write(receiver, [0, SERIES], startMs, leftMs);
    await write(receiver, [0, 7], leftMs + STEP_MS, leftMs + 2 * STEP_MS);
    await write(receiver, [3, 4], leftMs + 3 * STEP_MS, leftMs + 3 * STEP_MS);
  }, 60_000);
  afterAll(() => stack.disposeAsync());

  it('goes on where that one ended: nothing is missing, and only what is there already is refused', async () => {
    await using dir = await createTempDir();
    const urls = [`${receiver.url}/api/v1/write`];
    const jobs = jobsOf({ source: source.url, urls, query: [{ backends: undefined, metrics: ['load'], labels: {} }], destination: { version } });
    await using rig = await startExportRig(dir.path, jobs, { left: { [handOverKey({ tenant: 'team-a', name: 'slice', urls })]: leftMs } });
    const expected = await dump(source.url, 'load', startMs - 1, nowMs + 1);
    expect(expected.size).toBe(SERIES);
    await eventually(async () => expect(await dump(receiver.url, 'load', startMs - 1, nowMs + 1)).toEqual(expected), { timeoutMs: 40_000, intervalMs: 300 });
    const { values = [] } = (await rig.registry.getSingleMetric('scrapeway_export_dropped_samples_total')?.get()) ?? {};
    expect(new Set(values.map(({ labels }) => labels['reason']))).toEqual(new Set(['known']));
    await eventually(() => expect(rig.exporter.reports()[0]?.deliveredMs).toBeGreaterThanOrEqual(nowMs), { timeoutMs: 20_000 });
  }, 90_000);
});
