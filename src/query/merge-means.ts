import type { Aggregation, Binary, Call, Expr, Span, StringLiteral } from '../promql/ast.js';
import { isObject, labelsOf, objectsOf } from './json.js';
import type { JsonObject } from './json.js';
import { labelsKey } from './label-order.js';
import { formatValue, readValue } from './series-json.js';
import { Unmergeable } from './unmergeable.js';

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
  readonly mean: number;
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
  const sample = ({ time, mean }: Mean): Sample => [time, formatValue(mean)];
  const inTime = (means: Iterable<Mean>): readonly Sample[] => [...means].sort((a, b) => Number(a.time) - Number(b.time)).map(sample);
  const result = [...all].filter(([, { means }]) => means.size > 0).map(([, { metric, means }]) => {
    const samples = inTime(means.values());
    return resultType === 'vector' ? { metric, value: samples[0] } : { metric, values: samples };
  });
  return { resultType, result };
}

function together(known: Mean | undefined, { time, mean, count }: Mean): Mean {
  if (known === undefined) return { time, mean, count };
  const total = known.count + count;
  return { time, mean: known.mean * (known.count / total) + mean * (count / total), count: total };
}

interface Pair {
  readonly metric: JsonObject;
  mean: ReadonlyMap<unknown, number>;
  count: ReadonlyMap<unknown, number>;
}

/** Of one member, by the labels of the group. */
function pairs(items: readonly JsonObject[]): ReadonlyMap<string, Pair> {
  const found = new Map<string, Pair>();
  for (const item of items) {
    const { [PART_LABEL]: part, ...metric } = labelsOf(item.metric) ?? {};
    if (part !== 'mean' && part !== 'count') throw new Error('not an answer of the API');
    if (item.histogram !== undefined || item.histograms !== undefined) throw new Unmergeable('native histograms are not aggregated over several backends');
    const key = labelsKey(metric);
    const pair = found.get(key) ?? { metric, mean: new Map<unknown, number>(), count: new Map<unknown, number>() };
    found.set(key, pair);
    pair[part] = valuesOf(item.value === undefined ? item.values : [item.value]);
  }
  return found;
}

function valuesOf(samples: unknown): ReadonlyMap<unknown, number> {
  return new Map((Array.isArray(samples) ? samples : []).map((sample: unknown): [unknown, number] => (Array.isArray(sample) ? [sample[0], readValue(sample[1])] : [undefined, Number.NaN])));
}
