import type { Aggregation, Binary, Call, Expr, Span, StringLiteral } from '../promql/ast.js';
import { isObject, labelsOf, objectsOf } from './json.js';
import type { JsonObject } from './json.js';
import { labelsKey } from './label-order.js';
import { histogramJson, readHistograms } from './histogram-json.js';
import { formatValue, readValue } from './numbers.js';
import { added } from '../promql/histogram/add.js';
import { scaled } from '../promql/histogram/histogram.js';
import type { Histogram } from '../promql/histogram/histogram.js';
import { MixedSum } from './unmergeable.js';

/**
 * Means of what is spread over members: each is asked for its mean and for how many values it is of, in one question, so that both are
 * of one moment and of one answer. A mean of means with their weights cannot overflow where the sum of all would.
 */

const PART_LABEL = '__scrapeway_part__';

/** `avg by (…) (x)`, and beside it the count of the same. */
export function meansAndCounts(node: Aggregation): Expr {
  const { span } = node;
  const matching = { card: 'many-to-many', on: false, labels: [], include: [], fillLeft: undefined, fillRight: undefined } as const;
  return { kind: 'binary', op: 'or', lhs: marked(node, 'mean'), rhs: marked({ ...node, op: 'count' }, 'count'), bool: false, matching, span } satisfies Binary;
}

function marked(expr: Expr, part: string): Call {
  const { span } = expr;
  return { kind: 'call', name: 'label_replace', args: [expr, ...[PART_LABEL, part, '', ''].map((value) => text(value, span))], span };
}

function text(value: string, span: Span): StringLiteral {
  return { kind: 'string', value, span };
}

type Sample = readonly unknown[];

/** At a time. */
interface Mean {
  readonly time: unknown;
  readonly mean: number | Histogram;
  readonly count: number;
}

/** `data` of the members' answers to that question, as that of the answer to the mean of all. Throws as `mergeEvaluations` does. */
export function mergeMeans(data: readonly unknown[]): JsonObject {
  const [first] = data;
  const resultType = isObject(first) ? first.resultType : undefined;
  const all = new Map<string, { readonly metric: JsonObject; readonly means: Map<unknown, Mean> }>();
  for (const one of data) {
    if (!isObject(one) || one.resultType !== resultType || (resultType !== 'vector' && resultType !== 'matrix')) throw new Error('not an answer of the API');
    for (const [key, { metric, mean, count }] of pairs(objectsOf(one.result))) {
      const known = all.get(key) ?? { metric, means: new Map<unknown, Mean>() };
      all.set(key, known);
      for (const [time, value] of mean) {
        const weight = count.get(time);
        if (weight === undefined) throw new Error('not an answer of the API: a mean without its count');
        known.means.set(time, together(known.means.get(time), { time, mean: value, count: weight }));
      }
    }
  }
  const result = [...all].filter(([, { means }]) => means.size > 0).map(([, { metric, means }]) => {
    const inTime = [...means.values()].sort((a, b) => Number(a.time) - Number(b.time));
    const values = inTime.flatMap(({ time, mean }): readonly Sample[] => (typeof mean === 'number' ? [[time, formatValue(mean)]] : []));
    const histograms = inTime.flatMap(({ time, mean }): readonly Sample[] => (typeof mean === 'number' ? [] : [[time, histogramJson(mean)]]));
    if (resultType === 'vector') return values.length > 0 ? { metric, value: values[0] } : { metric, histogram: histograms[0] };
    return { metric, ...(values.length > 0 && { values }), ...(histograms.length > 0 && { histograms }) };
  });
  return { resultType, result };
}

function together(known: Mean | undefined, { time, mean, count }: Mean): Mean {
  if (known === undefined) return { time, mean, count };
  const total = known.count + count;
  const [mine, others] = [known.count / total, count / total];
  if (typeof known.mean === 'number' && typeof mean === 'number') return { time, mean: known.mean * mine + mean * others, count: total };
  const both = typeof known.mean === 'number' || typeof mean === 'number' ? undefined : added(scaled(known.mean, mine), scaled(mean, others));
  if (both === undefined) throw new MixedSum('a mean of native histograms with numbers, or with such of other buckets, of several backends');
  return { time, mean: both, count: total };
}

interface Pair {
  readonly metric: JsonObject;
  mean: ReadonlyMap<unknown, number | Histogram>;
  count: ReadonlyMap<unknown, number>;
}

/** Of one member, by the labels of the group. */
function pairs(items: readonly JsonObject[]): ReadonlyMap<string, Pair> {
  const found = new Map<string, Pair>();
  const written = items.flatMap(histogramSamples);
  const histograms = new Map(readHistograms(written.map(([, content]) => content)).map((histogram, index) => [written[index]?.[1], histogram]));
  for (const item of items) {
    const { [PART_LABEL]: part, ...metric } = labelsOf(item.metric) ?? {};
    const key = labelsKey(metric);
    const pair = found.get(key) ?? { metric, mean: new Map<unknown, number>(), count: new Map<unknown, number>() };
    found.set(key, pair);
    const numbers = numbersOf(item.value === undefined ? item.values : [item.value]);
    if (part === 'count') pair.count = new Map(numbers);
    else if (part === 'mean') pair.mean = new Map([...numbers, ...histogramSamples(item).map(([time, content]): [unknown, number | Histogram] => [time, histograms.get(content) ?? Number.NaN])]);
    else throw new Error('not an answer of the API');
  }
  return found;
}

function numbersOf(samples: unknown): readonly [unknown, number][] {
  return (Array.isArray(samples) ? samples : []).map((sample: unknown): [unknown, number] => (Array.isArray(sample) ? [sample[0], readValue(sample[1])] : [undefined, Number.NaN]));
}

function histogramSamples({ histogram, histograms }: JsonObject): readonly Sample[] {
  const samples: readonly unknown[] = histogram === undefined ? (Array.isArray(histograms) ? histograms : []) : [histogram];
  return samples.map((sample) => (Array.isArray(sample) ? sample : []));
}
