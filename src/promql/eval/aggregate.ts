import type { Aggregation, AggregationOp } from '../ast.js';
import { METRIC_NAME_LABEL } from '../ast.js';
import { formatNumber } from '../numbers.js';
import { quote } from '../strings.js';
import { accumulator, largestFirst, smallestFirst } from './accumulators.js';
import type { AccumulatingOp } from './accumulators.js';
import { dropping, keeping, perLabelSet, withLabel } from './labels.js';
import type { LabelSet } from './labels.js';
import { isPartlyUnseen, meanOf, PARTLY_UNSEEN, sumOf } from '../histogram/add.js';
import { Inexact } from '../histogram/histogram.js';
import type { Histogram } from '../histogram/histogram.js';
import { Collector, EvaluationFault, HISTOGRAM, isSomewhere, newSeries, NUMBER, place, sampleAt } from './series.js';
import type { Context, Sample, Series } from './series.js';

/** Aggregations: which series go together is the same at all steps, what is made of them is each step's own. */

type Grouping = Pick<Aggregation, 'grouping' | 'without'>;

/** Those that are evaluated here; `limit_ratio` picks by the hash that labels have in a server. */
export function isAggregated(op: AggregationOp): boolean {
  return op !== 'limit_ratio';
}

function groupLabels(labels: LabelSet, { grouping, without }: Grouping): LabelSet {
  return without ? dropping(labels, [...grouping, METRIC_NAME_LABEL]) : keeping(labels, grouping);
}

/** Without `without`, `__name__` counts like any label; with it, series that differ in it alone are still of different groups. */
function grouped(series: readonly Series[], grouping: Grouping): readonly (readonly Series[])[] {
  const keyOf = (labels: LabelSet): string => (grouping.without ? dropping(labels, [...grouping.grouping, METRIC_NAME_LABEL]) : keeping(labels, grouping.grouping)).key;
  return [...Map.groupBy(series, ({ labels }) => keyOf(labels)).values()];
}

export function aggregate(op: AccumulatingOp, grouping: Grouping, series: readonly Series[], parameter: Float64Array | undefined, context: Context): readonly Series[] {
  const quantileAt = (step: number): number => parameter?.[step] ?? Number.NaN;
  if (op === 'quantile') for (const q of parameter ?? []) if (!(q >= 0 && q <= 1)) context.warnings.add(`PromQL warning: quantile value should be between 0 and 1, got ${goNumber(q)}`);
  const state = accumulator(op, quantileAt);
  return grouped(series, grouping).flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const result = newSeries(groupLabels(first.labels, grouping), context);
    for (let step = 0; step < context.steps.count; step += 1) {
      let begun = false;
      const histograms: Histogram[] = [];
      for (const one of group) {
        const kind = one.present[step];
        if (kind === 0) continue;
        if (kind === HISTOGRAM && op !== 'count' && op !== 'group') {
          const histogram = one.histograms?.get(step);
          if (histogram !== undefined) histograms.push(histogram);
          continue;
        }
        const value = one.values[step] ?? Number.NaN;
        if (begun) state.add(value);
        else state.begin(value);
        begun = true;
      }
      const sample = histograms.length === 0 ? (begun ? state.result(step) : undefined) : withHistograms(op, histograms, begun ? state.result(step) : undefined, context);
      if (sample !== undefined) place(result, step, sample, context);
    }
    return isSomewhere(result) ? [result] : [];
  });
}

/** Of a group in which there are native histograms; `ofNumbers` is what the numbers beside them give. */
export function withHistograms(op: AccumulatingOp, histograms: readonly Histogram[], ofNumbers: number | undefined, { warnings, infos }: Pick<Context, 'warnings' | 'infos'>): Sample | undefined {
  if (op !== 'sum' && op !== 'avg') {
    infos.add(`PromQL info: ignored histogram in ${op} aggregation`);
    return ofNumbers;
  }
  if (ofNumbers !== undefined) {
    warnings.add('PromQL warning: encountered a mix of histograms and floats for aggregation');
    return undefined;
  }
  if (isPartlyUnseen(histograms)) infos.add(PARTLY_UNSEEN);
  const result = op === 'sum' ? sumOf(histograms) : meanOf(histograms);
  if (result === undefined) warnings.add('PromQL warning: vector contains a mix of histograms with exponential and custom buckets schemas for metric name ""');
  return result;
}

/** The first `k` of each group, by the order of `series`: which ones, Prometheus leaves open. */
export function firstOf(grouping: Grouping, series: readonly Series[], parameter: Float64Array, context: Context): readonly Series[] {
  if (parameter.every((k) => k < 1)) return [];
  checkCounts(parameter);
  const collector = new Collector(context);
  for (const group of grouped(series, grouping)) {
    for (let step = 0; step < context.steps.count; step += 1) {
      let left = Math.trunc(parameter[step] ?? 0);
      for (const one of group) {
        const sample = left < 1 ? undefined : sampleAt(one, step);
        if (sample === undefined) continue;
        collector.add(one.labels, step, sample);
        left -= 1;
      }
    }
  }
  return collector.series;
}

/** `topk` and `bottomk`. Of equal values Prometheus takes any; here it is the first by the order of `series`. */
export function rank(op: 'topk' | 'bottomk', grouping: Grouping, series: readonly Series[], parameter: Float64Array, context: Context): readonly Series[] {
  if (parameter.every((k) => k < 1)) return [];
  checkCounts(parameter);
  const collector = new Collector(context);
  const groups = grouped(series, grouping).map((group) => ({ group, natives: group.filter(({ histograms }) => histograms !== undefined) }));
  const order = op === 'topk' ? largestFirst : smallestFirst;
  for (let step = 0; step < context.steps.count; step += 1) {
    const k = Math.trunc(parameter[step] ?? 0);
    if (k < 1) continue;
    for (const { group, natives } of groups) {
      if (natives.some(({ present }) => present[step] === HISTOGRAM)) context.infos.add(`PromQL info: ignored histogram in ${op} aggregation`);
      for (const { series: chosen, value } of best(group, { step, k, order })) collector.add(chosen.labels, step, value);
    }
  }
  return collector.series;
}

interface Ranked {
  readonly series: Series;
  readonly value: number;
}

/** In order. Few of many are wanted, so these few are kept in order, and not all are sorted. */
function best(group: readonly Series[], { step, k, order }: { readonly step: number; readonly k: number; readonly order: (a: number, b: number) => number }): readonly Ranked[] {
  const ranked: Ranked[] = [];
  for (const series of group) {
    if (series.present[step] !== NUMBER) continue;
    const value = series.values[step] ?? Number.NaN;
    const last = ranked.at(-1);
    if (ranked.length >= k && last !== undefined && order(last.value, value) <= 0) continue;
    let at = ranked.length;
    for (let before = ranked[at - 1]; before !== undefined && order(before.value, value) > 0; before = ranked[at - 1]) at -= 1;
    ranked.splice(at, 0, { series, value });
    if (ranked.length > k) ranked.pop();
  }
  return ranked;
}

const INT64_MAX = 2 ** 63;

function checkCounts(parameter: Float64Array): void {
  if (parameter.some(Number.isNaN)) throw new EvaluationFault('Parameter value is NaN');
  const [least, most] = [parameter.reduce((a, b) => Math.min(a, b)), parameter.reduce((a, b) => Math.max(a, b))];
  if (least <= -INT64_MAX) throw new EvaluationFault(`Scalar value ${goNumber(least)} underflows int64`);
  if (most >= INT64_MAX) throw new EvaluationFault(`Scalar value ${goNumber(most)} overflows int64`);
}

export function countValues(label: string, grouping: Grouping, series: readonly Series[], context: Context): readonly Series[] {
  if (label === '') throw new EvaluationFault(`invalid label name ${quote(label)}`);
  const within = grouping.without ? grouping : { ...grouping, grouping: [...grouping.grouping, label] };
  const labelsFor = new Map<string, (labels: LabelSet) => LabelSet>();
  const collector = new Collector(context);
  for (let step = 0; step < context.steps.count; step += 1) {
    const counts = new Map<string, { readonly labels: LabelSet; count: number }>();
    for (const { labels, values, present } of series) {
      if (present[step] === HISTOGRAM) throw new Inexact('count_values of native histograms');
      if (present[step] !== NUMBER) continue;
      const text = valueText(values[step] ?? Number.NaN);
      const groupOf = labelsFor.get(text) ?? perLabelSet((set) => groupLabels(withLabel(set, label, text), within));
      labelsFor.set(text, groupOf);
      const group = groupOf(labels);
      const known = counts.get(group.key);
      if (known === undefined) counts.set(group.key, { labels: group, count: 1 });
      else known.count += 1;
    }
    for (const { labels, count } of counts.values()) collector.add(labels, step, count);
  }
  return collector.series;
}

/** Go's FormatFloat(value, 'f', -1, 64). */
function valueText(value: number): string {
  return value === Infinity ? '+Inf' : formatNumber(value);
}

/** Go's %v. */
function goNumber(value: number): string {
  return Math.abs(value) === Infinity ? (value > 0 ? '+Inf' : '-Inf') : `${value}`;
}
