import { labelSet } from '../promql/eval/labels.js';
import { newSeries } from '../promql/eval/series.js';
import type { Context, Series } from '../promql/eval/series.js';
import { isObject, labelsOf, objectsOf, textOf } from './json.js';
import { Unmergeable } from './unmergeable.js';

/** Series as Prometheus's API writes them, and as the evaluation here has them. */

/** `data` of a vector or a matrix whose samples are at the steps. Throws Unmergeable, TooManyPoints, and Error where it is no answer of the API. */
export function seriesOf(data: unknown, context: Pick<Context, 'steps' | 'budget'>): readonly Series[] {
  if (!isObject(data) || (data.resultType !== 'vector' && data.resultType !== 'matrix')) throw new Error('not an answer of the API');
  return objectsOf(data.result).map((item) => {
    const labels = labelsOf(item.metric);
    if (labels === undefined) throw new Error('not an answer of the API');
    if (item.histogram !== undefined || item.histograms !== undefined) throw new Unmergeable('native histograms are only passed on from several backends, not evaluated over them');
    const series = newSeries(labelSet(Object.entries(labels)), context);
    for (const sample of samplesOf(item.value === undefined ? item.values : [item.value])) place(series, sample, context);
    return series;
  });
}

function samplesOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function place({ values, present }: Series, sample: unknown, { steps: { startMs, stepMs, count } }: Pick<Context, 'steps'>): void {
  const [seconds, text]: readonly unknown[] = Array.isArray(sample) ? sample : [];
  const step = (Math.round(Number(seconds) * 1000) - startMs) / stepMs;
  if (!Number.isInteger(step) || step < 0 || step >= count) throw new Error('not an answer of the API: a sample between the steps');
  values[step] = readValue(text);
  present[step] = 1;
}

export function readValue(value: unknown): number {
  const text = textOf(value);
  return text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : text === '' ? Number.NaN : Number(text);
}

export function formatValue(value: number): string {
  if (Object.is(value, -0)) return '-0';
  return value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : `${value}`;
}
