import { describe, expect, it } from '@jest/globals';
import { createFamilyFilter } from '../../src/agent/filter/family-filter.js';
import { compileFilter } from '../../src/agent/filter/metric-filter.js';
import type { MetricFilter } from '../../src/model/agent-settings.js';
import type { RelabelConfig } from '../../src/model/relabel-config.js';
import { startExporter } from '../support/exporter.js';
import { fetchJson } from '../support/http.js';
import { COUNTER_VALUE, delimitedFamily, GAUGE_VALUE, HISTOGRAM_VALUE, SUMMARY_VALUE, writeExemplar, writeHistogram, writeMetric } from '../support/metric-families.js';
import { PROTOBUF_FORMAT } from '../support/native-histogram.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';

/** The agent's filter of protobuf bodies against a real Prometheus that has the same rules and scrapes the target itself. */

const [COUNTER, GAUGE, SUMMARY, HISTOGRAM] = [0, 1, 2, 4];
const SERIES = 4;

function exposition(): Buffer {
  const seconds = Math.floor(Date.now() / 1000);
  const family = (name: string, type: number, field: number, write: (writer: Parameters<typeof writeMetric>[0], index: number) => void): Buffer =>
    delimitedFamily(name, (writer) => {
      writer.text(2, 'Some help.');
      writer.uint(3, type);
      for (let index = 0; index < SERIES; index += 1) {
        const labels = { n: String(index), a: index % 2 === 0 ? 'foo' : 'bär', ...(index > 1 && { b: 'x' }) };
        writeMetric(writer, labels, field, () => write(writer, index), index === 3 ? seconds * 1000 : undefined);
      }
    });
  return Buffer.concat([
    family('go_goroutines', GAUGE, GAUGE_VALUE, (writer, index) => writer.double(1, index + 0.5)),
    family('requests_total', COUNTER, COUNTER_VALUE, (writer, index) => {
      writer.double(1, index);
      writeExemplar(writer, 2, seconds);
    }),
    family('size', SUMMARY, SUMMARY_VALUE, (writer) => {
      writer.uint(1, 7);
      writer.double(2, 2.5);
      for (const quantile of [0.5, 0.999]) {
        writer.nested(3, () => {
          writer.double(1, quantile);
          writer.double(2, quantile * 2);
        });
      }
    }),
    family('latency', HISTOGRAM, HISTOGRAM_VALUE, (writer) => writeHistogram(writer, { native: false, classic: true, exemplars: { of: 'bucket', seconds } })),
    family('native', HISTOGRAM, HISTOGRAM_VALUE, (writer) => writeHistogram(writer, { native: true, classic: false, exemplars: { of: 'native', seconds } })),
    family('both', HISTOGRAM, HISTOGRAM_VALUE, (writer, index) => writeHistogram(writer, { native: true, classic: true, exemplars: { of: index === 0 ? 'native' : 'bucket', seconds } })),
    // of one family, some native and some not
    family('mixed', HISTOGRAM, HISTOGRAM_VALUE, (writer, index) => writeHistogram(writer, { native: index > 1, classic: true })),
  ]);
}

const named = (regex: string, action: 'drop' | 'keep' = 'drop'): RelabelConfig => ({ source_labels: ['__name__'], regex, action });
const rename = (regex: string, replacement: string): RelabelConfig => ({ source_labels: ['__name__'], regex, target_label: '__name__', replacement });

/** Rules that keep series apart: of two that become one, Prometheus keeps either. */
const RULES: readonly (readonly RelabelConfig[])[] = [
  [],
  [named('go_.*')],
  [named('.*_bucket')],
  [named('.*_(sum|count)')],
  [named('(latency|native|both)')],
  [named('(latency|native|both|mixed).*')],
  [named('.*_total|native|both|both_bucket', 'keep')],
  [{ source_labels: ['le'], regex: '0\\.5', action: 'drop' }, { source_labels: ['quantile'], regex: '0\\.999', action: 'drop' }],
  [{ source_labels: ['n'], regex: '[13]', action: 'drop' }],
  [{ source_labels: ['n', '__name__'], regex: '0;.*_bucket|1;both|2;.*_count|3;native', action: 'drop' }],
  [rename('(go|native|both|latency|size)(.*)', 'x.$1$2')],
  [rename('(both|latency)_bucket', 'renamed_$1')],
  [rename('(both|native)', 'renamed_$1')],
  [{ regex: '(a|b)', replacement: 'm_$1', action: 'labelmap' }, { regex: 'a', action: 'labeldrop' }],
  [{ source_labels: ['a'], target_label: 'a', action: 'uppercase' }, { regex: '__name__|n|a|le|quantile|job|instance', action: 'labelkeep' }],
  [{ source_labels: ['le'], regex: '(.+)', target_label: 'bound' }],
  [{ source_labels: ['n'], target_label: 'shard', modulus: 3, action: 'hashmod' }, named('mixed_count')],
];

function filtered(body: Buffer, filter: MetricFilter): Buffer | string {
  const families = createFamilyFilter(compileFilter(filter));
  const pushed = families.push(body);
  const end = families.end();
  return typeof pushed === 'string' || typeof end === 'string' ? String(pushed) : Buffer.concat([pushed, end]);
}

interface Exemplars {
  readonly data: readonly { readonly seriesLabels: Readonly<Record<string, string>>; readonly exemplars: readonly unknown[] }[];
}

/** What a Prometheus has of a job: values, native histograms with their buckets, exemplars. */
async function stored(prometheus: RunningPrometheus, job: string): Promise<readonly string[]> {
  const anonymous = ({ job: _job, instance: _instance, ...labels }: Readonly<Record<string, string>>): unknown => Object.entries(labels).toSorted();
  const samples = await prometheus.query(`{job="${job}",__name__!~"up|scrape_.*"}`);
  const now = Math.floor(Date.now() / 1000);
  const url = `${prometheus.url}/api/v1/query_exemplars?query=${encodeURIComponent(`{job="${job}"}`)}&start=${now - 600}&end=${now + 600}`;
  const { data } = await fetchJson<Exemplars>({ url });
  return [
    ...samples.map(({ metric, value, histogram }) => JSON.stringify([anonymous(metric), value?.[1], histogram?.[1]])),
    ...data.map(({ seriesLabels, exemplars }) => JSON.stringify(['exemplars', anonymous(seriesLabels), exemplars])),
  ].toSorted();
}

describe('a filter of protobuf', () => {
  it.each([{ readsClassic: false }, { readsClassic: true }])(`lets Prometheus see what its own metric_relabel_configs would leave: %j, ${RULES.length} sets of rules`, async ({ readsClassic }) => {
    await using exporter = await startExporter();
    const body = exposition();
    const answer = (bytes: Buffer | string, path: string): void => exporter.behave({ kind: 'answer', headers: { 'content-type': PROTOBUF_FORMAT }, body: Buffer.from(bytes) }, path);
    answer(body, '/raw');
    for (const [index, relabelConfigs] of RULES.entries()) answer(filtered(body, { relabelConfigs, sampleLimit: undefined, readsClassic }), `/filtered/${index}`);
    const job = { static_configs: [{ targets: [`127.0.0.1:${exporter.port}`] }], scrape_native_histograms: true, always_scrape_classic_histograms: readsClassic };
    await using prometheus = await startPrometheus({
      args: ['--enable-feature=exemplar-storage'],
      config: {
        global: { scrape_interval: '1s' },
        storage: { exemplars: { max_exemplars: 100_000 } },
        scrape_configs: RULES.flatMap((rules, index) => [
          { ...job, job_name: `raw-${index}`, metrics_path: '/raw', metric_relabel_configs: rules },
          { ...job, job_name: `filtered-${index}`, metrics_path: `/filtered/${index}` },
        ]),
      },
    });
    await prometheus.waitForUp(2 * RULES.length, 60_000);
    for (const [index, rules] of RULES.entries()) {
      const [raw, ours] = [await stored(prometheus, `raw-${index}`), await stored(prometheus, `filtered-${index}`)];
      expect({ rules, stored: ours }).toEqual({ rules, stored: raw });
      expect(raw.length).toBeGreaterThan(SERIES);
      // the limit counts as Prometheus counts
      const [counted] = await prometheus.query(`scrape_samples_post_metric_relabeling{job="raw-${index}"}`);
      const samples = Number(counted?.value?.[1]);
      const limited = (sampleLimit: number): Buffer | string => filtered(body, { relabelConfigs: rules, sampleLimit, readsClassic });
      expect([rules, limited(samples)]).toEqual([rules, expect.any(Buffer)]);
      expect([rules, limited(samples - 1)]).toEqual([rules, 'target_too_many_samples']);
    }
  });
});
