import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { encodeSeries } from '../../src/remotewrite/encode.js';
import { protocolHeaders } from '../../src/remotewrite/protocol.js';
import { STALE } from '../../src/remotewrite/series.js';
import type { Histogram, Sample, Series } from '../../src/remotewrite/series.js';
import { pack } from '../../src/remotewrite/snappy.js';
import { dump, jobsOf, startExportRig } from '../support/export-rig.js';
import { fetchJson, fetchRaw } from '../support/http.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import { createTempDir } from '../support/temp-dir.js';

/** The chunks of a real storage, filled with what is hard to write down: read by us, written again, compared by Prometheus's own eyes. */

const STEP_MS = 1000;
const COUNT = 150; // more than one chunk
let startMs: number;
let source: RunningPrometheus;
let receiver: RunningPrometheus;

const INT: Omit<Histogram, 'timestampMs'> = {
  kind: 'int', count: 0, sum: 0, schema: 0, zeroThreshold: 2 ** -128, zeroCount: 0, negativeSpans: [], negativeBuckets: [], positiveSpans: [], positiveBuckets: [], resetHint: 'unspecified', customValues: [],
};

/** Of samples or histograms by their number. */
type Maker<T> = (index: number) => Omit<T, 'timestampMs'>;

const FLOATS: Readonly<Record<string, Maker<Sample>>> = {
  constant: () => ({ value: 1 }),
  counter: (index) => ({ value: index * 17 }),
  fractions: (index) => ({ value: Math.sin(index) * 10 ** (index % 40) }),
  signs: (index) => ({ value: [0, -0, 1, -1, 5e-324, -1.7976931348623157e308][index % 6] ?? 0 }),
  special: (index) => ({ value: [Infinity, -Infinity, Number.NaN, 1][index % 4] ?? 0 }),
  stale_now_and_then: (index) => ({ value: index % 10 === 5 ? STALE : index }),
};

const HISTOGRAMS: Readonly<Record<string, Maker<Histogram>>> = {
  growing: (index) => ({ ...INT, count: 4 * index + 6, sum: index * 1.5, zeroCount: index, positiveSpans: [{ offset: -2, length: 2 }, { offset: 3, length: 1 }], positiveBuckets: [index + 1, 1, -1], negativeSpans: [{ offset: 0, length: 1 }], negativeBuckets: [2] }),
  with_new_buckets: (index) => ({ ...INT, schema: 3, count: (index + 1) * (Math.floor(index / 20) + 1), sum: index, positiveSpans: [{ offset: 5, length: Math.floor(index / 20) + 1 }], positiveBuckets: [index + 1, ...Array.from({ length: Math.floor(index / 20) }, () => 0)] }),
  with_large_counts: (index) => ({ ...INT, zeroThreshold: 0.001, count: 1e12 + index * 1e6, sum: -1e100 * index, zeroCount: 1e12 + index * 1e6 }),
  with_resets: (index) => ({ ...INT, count: index % 30, sum: 1, zeroCount: index % 30 }),
  gauges: (index) => ({ ...INT, resetHint: 'gauge', count: (index % 7) + 1, sum: 2, positiveSpans: [{ offset: 1, length: 1 }], positiveBuckets: [(index % 7) + 1] }),
  of_floats: (index) => ({ ...INT, kind: 'float', schema: -4, zeroThreshold: 0, count: index * 1.25 + 1.5, sum: index / 3, zeroCount: 0.5, positiveSpans: [{ offset: 0, length: 2 }], positiveBuckets: [index * 0.25 + 0.5, index + 0.5] }),
  with_buckets_of_their_own: (index) => ({ ...INT, schema: -53, zeroThreshold: 0, count: 3 * (index + 1), sum: index, positiveSpans: [{ offset: 0, length: 3 }], positiveBuckets: [index + 1, 0, 0], customValues: [0.005, Math.PI, 1e9] }),
  stale_now_and_then: (index) => (index % 10 === 5 ? { ...INT, sum: STALE } : { ...INT, count: index + 1, sum: index, positiveSpans: [{ offset: 0, length: 1 }], positiveBuckets: [index + 1] }),
};

function at<T>(make: Maker<T>): readonly (Omit<T, 'timestampMs'> & { readonly timestampMs: number })[] {
  return Array.from({ length: COUNT }, (_, index) => ({ ...make(index), timestampMs: startMs + index * STEP_MS + (index % 3) }));
}

function series(name: string, points: Partial<Series>): Series {
  return { labels: [{ name: '__name__', value: name }, { name: 'job', value: 'app' }], samples: [], histograms: [], exemplars: [], ...points };
}

beforeAll(async () => {
  const options = { config: {}, args: ['--web.enable-remote-write-receiver'] };
  [source, receiver] = await Promise.all([startPrometheus(options), startPrometheus(options)]);
  startMs = Date.now() - COUNT * STEP_MS - 10_000;
  const all = [
    ...Object.entries(FLOATS).map(([name, make]) => series(name, { samples: at(make) })),
    ...Object.entries(HISTOGRAMS).map(([name, make]) => series(`histogram_${name}`, { histograms: at(make) })),
  ];
  const written = await fetchRaw({ url: `${source.url}/api/v1/write`, method: 'POST', headers: { ...protocolHeaders('2'), 'user-agent': 'test' }, body: await pack(encodeSeries('2', all)) });
  expect([written.status, written.body.toString()]).toEqual([204, '']);
});
afterAll(async () => {
  await Promise.all([source.stop(), receiver.stop()]);
});

describe('what a storage has', () => {
  it('arrives as it is, whatever it is', async () => {
    await using dir = await createTempDir();
    await using rig = await startExportRig(dir.path, jobsOf({ source: source.url, urls: [`${receiver.url}/api/v1/write`] }));
    const untilMs = Date.now();
    const fromMs = startMs - 1000;
    const expected = await dump(source.url, '{job="app"}', fromMs, untilMs);
    expect(expected.size).toBe(Object.keys(FLOATS).length + Object.keys(HISTOGRAMS).length);
    await receiver.process.until('it has all', async () => {
      const found = await dump(receiver.url, '{job="app"}', fromMs, untilMs);
      for (const [labels, points] of expected) expect([labels, found.get(labels)]).toEqual([labels, points]);
      expect(found.size).toBe(expected.size);
    });
    expect(await rig.registry.getSingleMetric('scrapeway_export_dropped_samples_total')?.get()).toMatchObject({ values: [] });
    // what ends for a while ends there too: an evaluation sees stale markers, a dump does not
    const evaluated = async ({ url }: RunningPrometheus) => fetchJson<unknown>({ url: `${url}/api/v1/query_range?query=${encodeURIComponent('{job="app"}')}&start=${startMs / 1000}&end=${startMs / 1000 + COUNT}&step=1` });
    expect(await evaluated(receiver)).toEqual(await evaluated(source));
  });
});
