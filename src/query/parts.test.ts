import { describe, expect, it } from '@jest/globals';
import { ALL_FEATURES } from '../promql/features.js';
import { parse } from '../promql/parse.js';
import { print } from '../promql/print.js';
import { partsOf } from './parts.js';

/** Each part, and how its answers become one. */
function partsIn(query: string, disjointBy: readonly string[]): readonly string[] | string {
  const parsed = parse(query, { features: ALL_FEATURES });
  if (!parsed.ok) throw new Error(parsed.error.message);
  const parts = partsOf(parsed.value, disjointBy);
  return parts.ok ? [...parts.value.values()].map(({ expr, merge, within }) => [`${merge.kind === 'combine' ? merge.op : merge.kind} ${print(expr)}`, ...within.map((subquery) => ` in ${/\[[^[]*$/.exec(print(subquery))?.[0] ?? ''}`)].join('')) : parts.error;
}

const TABLE: readonly (readonly [query: string, disjoint: readonly string[], overlapping: readonly string[]])[] = [
  ['stddev(rate(x[5m]))', ['union rate(x[5m])'], ['union rate(x[5m])']],
  ['avg by (pod) (x)', ['mean label_replace(avg by (pod) (x), "__scrapeway_part__", "mean", "", "") or label_replace(count by (pod) (x), "__scrapeway_part__", "count", "", "")'], ['union x']],
  ['sum(x) / sum(y)', ['sum sum(x)', 'sum sum(y)'], ['union x', 'union y']],
  ['max(x) - min(x)', ['max max(x)', 'min min(x)'], ['max max(x)', 'min min(x)']],
  ['sum by (pod) (stdvar by (pod) (x))', ['union x'], ['union x']],
  ['sum(avg by (cluster) (x)) * 2', ['sum sum(avg by (cluster) (x))'], ['union x']],
  ['topk(3, x)', ['union topk(3, x)'], ['union x']],
  ['topk(scalar(y), x)', ['union y', 'union x'], ['union y', 'union x']],
  ['topk(3, sum by (pod) (x))', ['sum sum by (pod) (x)'], ['union x']],
  ['absent(x{a="b"})', ['group group(x{a="b"})'], ['group group(x{a="b"})']],
  ['absent_over_time(x[5m])', ['group group(last_over_time(x[5m]))'], ['group group(last_over_time(x[5m]))']],
  ['x or vector(0)', ['union x'], ['union x']],
  ['x + sum_over_time(vector(1)[5m:1m])', ['union x', 'any sum_over_time(vector(1)[5m:1m])'], ['union x', 'any sum_over_time(vector(1)[5m:1m])']],
  ['histogram_quantile(0.9, sum by (le) (rate(x[5m])))', ['sum sum by (le) (rate(x[5m]))'], ['union rate(x[5m])']],
  ['x / on (pod) group_left y', ['union x', 'union y'], ['union x', 'union y']],
  ['max_over_time(stddev(x)[1h:1m])', ['union x in [1h:1m]'], ['union x in [1h:1m]']],
  ['max_over_time(min_over_time(stddev(x)[3m:1m])[1h:1m]) + x', ['union x in [1h:1m] in [3m:1m]', 'union x'], ['union x in [1h:1m] in [3m:1m]', 'union x']],
  ['rate(sum(x)[1h:1m])', ['sum sum(x) in [1h:1m]'], ['union x in [1h:1m]']],
  ['predict_linear(stddev(x)[1h:], scalar(y))', ['union y', 'union x in [1h:]'], ['union y', 'union x in [1h:]']],
  ['max_over_time(stddev(x)[1h:1m] @ 7)', ['union x in [1h:1m] @ 7'], ['union x in [1h:1m] @ 7']],
  ['count(limitk(2, x))', ['union limitk(2, x)'], ['union x']],
  ['avg(limit_ratio(0.5, x))', ['mean label_replace(avg(limit_ratio(0.5, x)), "__scrapeway_part__", "mean", "", "") or label_replace(count(limit_ratio(0.5, x)), "__scrapeway_part__", "count", "", "")'], ['union limit_ratio(0.5, x)']],
  ['sort_by_label(x, "pod")', ['union x'], ['union x']],
  ['time() - quantile(0.5, x)', ['union x'], ['union x']],
];

describe('a query that no member can answer alone', () => {
  it.each(TABLE)('%s: the largest parts that they can', (query, disjoint, overlapping) => {
    expect([partsIn(query, ['cluster']), partsIn(query, [])]).toEqual([disjoint, overlapping]);
  });

  it.each(['max_over_time(avg(x @ end())[1h:1m])', 'max_over_time(avg(x offset (2 * step()))[1h:1m])', 'avg(x)[1h:1m]', 'predict_linear(x[5m], scalar(y))', 'quantile_over_time(scalar(y), x[5m])', 'info(x) + sum(x)', 'limit_ratio(0.5, avg(x))', 'start_timestamp(avg(x))'])(
    'is refused where neither they nor we can: %s', (query) => {
      expect([partsIn(query, ['cluster']), partsIn(query, [])]).toEqual([expect.any(String), expect.any(String)]);
    },
  );
});
