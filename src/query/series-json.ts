import { labelSet } from '../promql/eval/labels.js';
import { newSeries, place, TooManyPoints } from '../promql/eval/series.js';
import type { Context, Series } from '../promql/eval/series.js';
import { pointsShown, readHistograms } from './histogram-json.js';
import { isObject, labelsOf, objectsOf } from './json.js';
import { readValue } from './numbers.js';

/** Series as Prometheus's API writes them, and as the evaluation here has them. */

interface PlacedHistogram {
  readonly series: Series;
  readonly step: number;
  readonly content: unknown;
}

/** `data` of a vector or a matrix whose samples are at the steps. Throws Inexact, TooManyPoints, and Error where it is no answer of the API. */
export function seriesOf(data: unknown, context: Pick<Context, 'steps' | 'budget'>): readonly Series[] {
  if (!isObject(data) || (data.resultType !== 'vector' && data.resultType !== 'matrix')) throw new Error('not an answer of the API');
  const histograms: PlacedHistogram[] = [];
  const all = objectsOf(data.result).map((item) => {
    const labels = labelsOf(item.metric);
    if (labels === undefined) throw new Error('not an answer of the API');
    const series = newSeries(labelSet(Object.entries(labels)), context);
    for (const [seconds, value] of samplesOf(item.value, item.values)) place(series, stepOf(seconds, context), readValue(value), context);
    for (const [seconds, content] of samplesOf(item.histogram, item.histograms)) histograms.push({ series, step: stepOf(seconds, context), content });
    return series;
  });
  // Known before they are read, which takes the time.
  if (histograms.reduce((sum, { content }) => sum + pointsShown(content), 0) > context.budget.points) throw new TooManyPoints();
  for (const [index, histogram] of readHistograms(histograms.map(({ content }) => content)).entries()) {
    const where = histograms[index];
    if (where !== undefined) place(where.series, where.step, histogram, context);
  }
  return all;
}

function samplesOf(one: unknown, several: unknown): readonly (readonly unknown[])[] {
  const samples: readonly unknown[] = one === undefined ? (Array.isArray(several) ? several : []) : [one];
  return samples.map((sample) => (Array.isArray(sample) ? sample : []));
}

function stepOf(seconds: unknown, { steps: { startMs, stepMs, count } }: Pick<Context, 'steps'>): number {
  const step = (Math.round(Number(seconds) * 1000) - startMs) / stepMs;
  if (!Number.isInteger(step) || step < 0 || step >= count) throw new Error('not an answer of the API: a sample between the steps');
  return step;
}
