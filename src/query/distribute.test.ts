import { describe, expect, it } from '@jest/globals';
import { ALL_FEATURES } from '../promql/features.js';
import { parse } from '../promql/parse.js';
import { distribute } from './distribute.js';

function judged(query: string, disjointBy: readonly string[]): unknown {
  const parsed = parse(query, { features: ALL_FEATURES });
  if (!parsed.ok) throw new Error(parsed.error.message);
  const merge = distribute(parsed.value, disjointBy);
  if (!merge.ok) return 'refused';
  const { value } = merge;
  return value.kind === 'union' ? `union ${value.order}` : value.kind === 'combine' ? value.op : value.kind;
}

/** Query, with members told apart by `cluster`, with members that may hold the same. */
const TABLE: readonly (readonly [string, string, string])[] = [
  ['1 + 1', 'any', 'any'],
  ['vector(time())', 'any', 'any'],
  ['sum(vector(1))', 'any', 'any'],
  ['up{job="a"}', 'union labels', 'union labels'],
  ['rate(x[5m]) * 60 > 3', 'union labels', 'union labels'],
  ['max_over_time(rate(x[5m])[1h:1m])', 'union labels', 'union labels'],
  ['sort(x)', 'union ascending', 'union ascending'],
  ['(sort_desc(x))', 'union descending', 'union descending'],
  ['sort_by_label(x, "a")', 'refused', 'refused'],
  ['sum(rate(x[5m]))', 'sum', 'refused'],
  ['sum by (job) (x)', 'sum', 'refused'],
  ['count(x)', 'sum', 'refused'],
  ['count_values("v", x)', 'sum', 'refused'],
  ['min(x)', 'min', 'min'],
  ['max by (job) (x)', 'max', 'max'],
  ['group(x)', 'group', 'group'],
  ['avg(x)', 'refused', 'refused'],
  ['topk(3, x)', 'refused', 'refused'],
  ['quantile(0.9, x)', 'refused', 'refused'],
  ['avg by (cluster) (x)', 'union labels', 'refused'],
  ['topk by (job, cluster) (3, x)', 'union labels', 'refused'],
  ['avg without (instance) (x)', 'union labels', 'refused'],
  ['avg without (cluster) (x)', 'refused', 'refused'],
  ['sum(avg by (cluster) (x))', 'sum', 'refused'],
  ['sum(avg(x))', 'refused', 'refused'],
  ['sum(x) > 3', 'refused', 'refused'],
  ['rate(x[5m]) / rate(y[5m])', 'union labels', 'refused'],
  ['x and on (cluster, pod) y', 'union labels', 'refused'],
  ['x and on (pod) y', 'refused', 'refused'],
  ['x / ignoring (code) group_left y', 'union labels', 'refused'],
  ['x / ignoring (cluster) y', 'refused', 'refused'],
  ['x or vector(0)', 'refused', 'refused'],
  ['sum(x) / sum(y)', 'refused', 'refused'],
  ['sum by (cluster) (x) / sum by (cluster) (y)', 'union labels', 'refused'],
  ['absent(x)', 'refused', 'refused'],
  ['x * scalar(y)', 'refused', 'refused'],
  ['clamp_max(x, scalar(vector(2)))', 'union labels', 'union labels'],
  ['histogram_quantile(0.9, rate(x_bucket[5m]))', 'union labels', 'refused'],
  ['histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))', 'refused', 'refused'],
  ['histogram_quantile(0.9, sum by (le, cluster) (rate(x_bucket[5m])))', 'union labels', 'refused'],
  ['avg by (cluster) (label_replace(x, "cluster", "one", "", ""))', 'refused', 'refused'],
  ['avg by (cluster) (label_replace(x, "other", "one", "", ""))', 'union labels', 'refused'],
  ['sum by (cluster) (count_values by (cluster) ("cluster", x))', 'sum', 'refused'],
  ['topk by (cluster) (scalar(y), x)', 'refused', 'refused'],
];

describe('a query over a group is asked of each member only where their answers make the exact one', () => {
  it.each(TABLE)('%s', (query, disjoint, overlapping) => {
    expect([judged(query, ['cluster']), judged(query, [])]).toEqual([disjoint, overlapping]);
  });
});
