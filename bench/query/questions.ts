import type { QueryGrant } from '../../src/model/desired-state.js';
import type { Series } from '../../test/conformance/promql/remote-write.js';

/** What is in the server, who may see what of it, and what is asked. Pure; times are fixed, so each answer is always the same. */

export const END_S = Math.floor(Date.now() / 60_000) * 60;
const MINUTES = 50;
const EVERY_S = 15;
const BUCKETS = ['0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '5', '+Inf'];

/** Four namespaces of 25 pods, 1,400 series. */
export function seriesOf(namespace: number): readonly Series[] {
  const series: Series[] = [];
  const add = (labels: Readonly<Record<string, string>>, perSecond: number): void => {
    const samples = Array.from({ length: (MINUTES * 60) / EVERY_S }, (_, index) => ({ timestampMs: (END_S - MINUTES * 60 + index * EVERY_S) * 1000, value: index * EVERY_S * perSecond }));
    series.push({ labels: { namespace: `team-${namespace}`, ...labels }, samples, histograms: [] });
  };
  for (let index = 0; index < 25; index += 1) {
    const pod = `pod-${index}`;
    for (const code of ['200', '500']) add({ __name__: 'http_requests_total', pod, code }, code === '200' ? 10 + index : 0.5);
    add({ __name__: 'cpu_seconds_total', pod }, 0.25);
    add({ __name__: 'memory_bytes', pod }, 1024);
    for (const [at, le] of BUCKETS.entries()) add({ __name__: 'http_request_duration_seconds_bucket', pod, le }, at + 1);
  }
  return series;
}

export const NAMESPACES: readonly number[] = [1, 2, 3, 4];

export interface Policy {
  readonly name: string;
  readonly grants: readonly QueryGrant[];
  /** prom-label-proxy can enforce it: a label with one value. */
  readonly isOneLabel: boolean;
}

const grant = (metrics: readonly string[], namespace: string): QueryGrant => ({ backends: undefined, metrics, labels: { namespace } });

export const POLICIES: readonly Policy[] = [
  { name: 'one-label', grants: [grant(['.*'], 'team-1')], isOneLabel: true },
  {
    name: 'five-rules',
    grants: [grant(['http_requests_total{code="200"}', 'memory_bytes{pod=~"pod-1.*"}'], 'team-1'), grant(['http_request_duration_seconds_bucket'], 'team-2'), grant(['http_.*', 'cpu_seconds_total'], 'team-3')],
    isOneLabel: false,
  },
];

export interface Question {
  readonly name: string;
  readonly path: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const at = { time: `${END_S - 60}` };
const range = { start: `${END_S - 45 * 60}`, end: `${END_S - 60}`, step: '30' };
const ratio = 'sum by (pod) (rate(http_requests_total{code="500"}[5m])) / sum by (pod) (rate(http_requests_total[5m]))';
const quantile = 'histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))';

/** As a dashboard of Grafana asks. */
export const QUESTIONS: readonly Question[] = [
  { name: 'instant', path: '/api/v1/query', parameters: { query: 'sum by (pod) (memory_bytes)', ...at } },
  { name: 'instant-ratio', path: '/api/v1/query', parameters: { query: ratio, ...at } },
  { name: 'range', path: '/api/v1/query_range', parameters: { query: 'sum by (code) (rate(http_requests_total[5m]))', ...range } },
  { name: 'range-quantile', path: '/api/v1/query_range', parameters: { query: quantile, ...range } },
  { name: 'range-25-series', path: '/api/v1/query_range', parameters: { query: 'sum by (pod) (rate(cpu_seconds_total[5m]))', ...range } },
  { name: 'series', path: '/api/v1/series', parameters: { 'match[]': 'http_requests_total', start: range.start, end: range.end } },
  { name: 'label-values', path: '/api/v1/label/pod/values', parameters: { 'match[]': 'http_requests_total', start: range.start, end: range.end } },
];
