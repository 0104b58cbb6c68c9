import type { Value } from '../promql/eval/evaluate.js';
import { compareLabelSets } from '../promql/eval/labels.js';
import { HISTOGRAM, NUMBER, timeMs } from '../promql/eval/series.js';
import type { Steps } from '../promql/eval/series.js';
import type { Histogram } from '../promql/histogram/histogram.js';
import { histogramJson } from './histogram-json.js';
import { formatValue } from './numbers.js';

/** What was evaluated here, as Prometheus's API writes it. */

/** Over a range, series are in the order of their labels. */
export function valueJson(value: Value, kind: 'instant' | 'range', steps: Steps): unknown {
  const pair = (values: Float64Array, step: number): readonly unknown[] => [timeMs(steps, step) / 1000, formatValue(values[step] ?? Number.NaN)];
  if (value.kind === 'string') throw new TypeError('a text is never evaluated here');
  if (kind === 'instant') {
    if (value.kind === 'scalar') return { resultType: 'scalar', result: pair(value.values, 0) };
    return { resultType: 'vector', result: value.series.map(({ labels, values, histograms }) => ({ metric: Object.fromEntries(labels.labels), ...(histograms === undefined ? { value: pair(values, 0) } : { histogram: histogramsOf(histograms, steps)[0] }) })) };
  }
  if (value.kind === 'scalar') return { resultType: 'matrix', result: [{ metric: {}, values: Array.from({ length: steps.count }, (_, step) => pair(value.values, step)) }] };
  const result = value.series.toSorted((a, b) => compareLabelSets(a.labels, b.labels)).map(({ labels, values, present, histograms }) => ({
    metric: Object.fromEntries(labels.labels),
    ...(present.includes(NUMBER) && { values: Array.from(present.entries()).flatMap(([step, is]) => (is === NUMBER ? [pair(values, step)] : [])) }),
    ...(present.includes(HISTOGRAM) && histograms !== undefined && { histograms: histogramsOf(histograms, steps) }),
  }));
  return { resultType: 'matrix', result };
}

function histogramsOf(histograms: ReadonlyMap<number, Histogram>, steps: Steps): readonly (readonly unknown[])[] {
  return [...histograms].sort(([a], [b]) => a - b).map(([step, histogram]) => [timeMs(steps, step) / 1000, histogramJson(histogram)]);
}
