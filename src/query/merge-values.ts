import { isObject, labelsOf, objectsOf } from './json.js';
import type { JsonObject } from './json.js';
import type { Merge } from './distribute.js';
import type { Gathered } from './gather.js';
import { compare, labelsKey } from './label-order.js';
import { mergeMeans } from './merge-means.js';
import { histogramJson, readHistograms } from './histogram-json.js';
import { formatValue, readValue } from './numbers.js';
import { added, isPartlyUnseen, PARTLY_UNSEEN } from '../promql/histogram/add.js';
import type { Histogram } from '../promql/histogram/histogram.js';
import { MixedSum, Unmergeable } from './unmergeable.js';

/**
 * Several answers of an evaluation as one. Series of equal labels are the same series: the member that is listed first has the
 * word, and others fill its gaps. The order is that of the labels, unless the query asks for one, so it does not depend on who was quick.
 */

type Sample = readonly [time: unknown, value: unknown];

interface Series {
  readonly metric: JsonObject;
  readonly floats: Map<unknown, Sample>;
  readonly histograms: Map<unknown, Sample>;
}

/** Those of the answers that are summed, by how they were written. */
type Known = Map<unknown, Histogram>;

/** A group with both has no sum, and the member that has them leaves it out. */
const MIXED = 'PromQL warning: encountered a mix of histograms and floats for aggregation';

/** `data` of the answers to one query, in the members' order; `infos`: what is to be said of it. Throws Unmergeable, Inexact, and Error where it is no answer of the API. */
export function mergeEvaluations({ data, warnings }: Pick<Gathered, 'data' | 'warnings'>, merge: Merge, infos: Set<string>): unknown {
  if ((merge.kind === 'combine' || merge.kind === 'mean') && warnings.some((text) => text.startsWith(MIXED))) throw new MixedSum('a sum of native histograms and numbers in one of several backends');
  const [first] = data;
  if (merge.kind === 'any' || !isObject(first)) return first;
  if (merge.kind === 'mean') return mergeMeans(data);
  const type = first.resultType;
  if (type !== 'vector' && type !== 'matrix') throw new Error('not an answer of the API');
  const all = new Map<string, Series>();
  const known = merge.kind === 'combine' ? histogramsIn(data) : new Map<unknown, Histogram>();
  if (isPartlyUnseen(known.values())) infos.add(PARTLY_UNSEEN);
  for (const one of data) {
    if (!isObject(one) || one.resultType !== type) throw new Error('not an answer of the API');
    for (const item of objectsOf(one.result)) add(all, item, merge, known);
  }
  const ordered = [...all].sort(([a], [b]) => compare(a, b)).map(([, series]) => series);
  // Over a range, Prometheus does not sort by value either.
  if (type === 'vector' && merge.kind === 'union' && merge.order !== 'labels') sortByValue(ordered, merge.order === 'ascending' ? 1 : -1);
  return { resultType: type, result: ordered.map((series) => (type === 'vector' ? sampleItem(series) : seriesItem(series))) };
}

/** Read together: some tell what others leave open. */
function histogramsIn(data: readonly unknown[]): Known {
  const items = data.flatMap((one) => (isObject(one) ? objectsOf(one.result) : []));
  const contents = items.flatMap((item) => samplesOf(item.histogram === undefined ? item.histograms : [item.histogram]).map(([, content]) => content));
  const read = readHistograms(contents);
  return new Map(read.map((histogram, index) => [contents[index], histogram]));
}

function add(all: Map<string, Series>, item: JsonObject, merge: Extract<Merge, { kind: 'union' | 'combine' }>, read: Known): void {
  const labels = labelsOf(item.metric);
  if (labels === undefined) throw new Error('not an answer of the API');
  const key = labelsKey(labels);
  const known = all.get(key) ?? { metric: labels, floats: new Map(), histograms: new Map() };
  all.set(key, known);
  const floats = samplesOf(item.value === undefined ? item.values : [item.value]);
  const histograms = samplesOf(item.histogram === undefined ? item.histograms : [item.histogram]);
  const isKnown = ([time]: Sample): boolean => known.floats.has(time) || known.histograms.has(time);
  if (merge.kind === 'union' && merge.disjoint && [...floats, ...histograms].some(isKnown)) throw new Unmergeable('vector cannot contain metrics with the same labelset: two backends of the group have it');
  if (merge.kind === 'combine' && merge.op === 'sum') addHistograms(known, floats, histograms, read);
  else for (const sample of histograms) if (!known.floats.has(sample[0]) && !known.histograms.has(sample[0])) known.histograms.set(sample[0], sample);
  for (const sample of floats) {
    const [time, value] = sample;
    const before = known.floats.get(time);
    if (before === undefined) {
      if (!known.histograms.has(time)) known.floats.set(time, sample);
    } else if (merge.kind === 'combine') known.floats.set(time, [time, formatValue(combine(merge.op, readValue(before[1]), readValue(value)))]);
  }
}

function addHistograms(known: Series, floats: readonly Sample[], histograms: readonly Sample[], read: Known): void {
  if (floats.some(([time]) => known.histograms.has(time)) || histograms.some(([time]) => known.floats.has(time))) throw new MixedSum('a sum of native histograms and numbers, of several backends');
  for (const [time, content] of histograms) {
    const [before, one] = [read.get(known.histograms.get(time)?.[1]), read.get(content)];
    const sum = before === undefined || one === undefined ? one : added(before, one);
    if (sum === undefined) throw new MixedSum('a sum of native histograms with exponential and with custom buckets');
    const written = before === undefined ? content : histogramJson(sum);
    read.set(written, sum);
    known.histograms.set(time, [time, written]);
  }
}

function combine(op: 'sum' | 'min' | 'max' | 'group', a: number, b: number): number {
  switch (op) {
    case 'sum':
      return a + b;
    case 'min':
      return Number.isNaN(a) || b < a ? b : a;
    case 'max':
      return Number.isNaN(a) || b > a ? b : a;
    case 'group':
      return 1;
  }
}

function samplesOf(value: unknown): readonly Sample[] {
  return Array.isArray(value) ? value.flatMap((sample: unknown) => (Array.isArray(sample) && sample.length === 2 ? [[sample[0], sample[1]] as const] : [])) : [];
}

function sampleItem({ metric, floats, histograms }: Series): JsonObject {
  const [value] = floats.values();
  const [histogram] = histograms.values();
  return value === undefined ? { metric, histogram } : { metric, value };
}

function seriesItem({ metric, floats, histograms }: Series): JsonObject {
  const inTime = (samples: Map<unknown, Sample>): readonly Sample[] => [...samples.values()].sort((a, b) => Number(a[0]) - Number(b[0]));
  return { metric, ...(floats.size > 0 && { values: inTime(floats) }), ...(histograms.size > 0 && { histograms: inTime(histograms) }) };
}

/** NaN last either way, as Prometheus does. */
function sortByValue(series: Series[], direction: 1 | -1): void {
  const valueOf = ({ floats }: Series): number => readValue([...floats.values()][0]?.[1]);
  series.sort((a, b) => {
    const [x, y] = [valueOf(a), valueOf(b)];
    if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y));
    return x === y ? 0 : (x < y ? -1 : 1) * direction;
  });
}
