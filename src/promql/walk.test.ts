import { describe, expect, it } from '@jest/globals';
import type { Expr } from './ast.js';
import { ALL_FEATURES } from './features.js';
import { parse } from './parse.js';
import { print } from './print.js';
import { equal, mapSelectors, selectorsOf } from './walk.js';

function parsed(text: string): Expr {
  const result = parse(text, { features: ALL_FEATURES });
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

/** Where a selector `secret` can hide. */
const HIDING_PLACES = [
  'secret', 'secret[5m]', '(secret)', '-secret', 'mine + secret', 'secret or mine', 'mine and on() secret', 'sum(secret)', 'topk(scalar(secret), mine)',
  'quantile(scalar(secret) / 2, mine)',
  'bottomk(scalar(sum_over_time(secret[5m])), mine)', 'limitk(scalar(max_over_time(secret[5m:1m])), mine)', 'count_values("x", secret)', 'rate(secret[5m] offset 1m)',
  'max_over_time(rate(secret[5m])[1h:1m])',
  'scalar(secret)', 'vector(scalar(secret))', 'clamp_min(mine, scalar(secret))', 'round(mine, scalar(secret))', 'histogram_quantile(scalar(secret), mine)',
  'predict_linear(mine[5m], scalar(secret))',
  'quantile_over_time(scalar(secret), mine[5m])', 'label_replace(secret, "ns", "a", "", "")', 'absent(secret)', 'absent_over_time(secret[5m])', 'timestamp(secret)',
  'info(secret)', 'info(mine, {secret="x"})',
  'secret @ 5', 'secret smoothed', 'mine + fill(0) secret',
];

describe('selectorsOf and mapSelectors', () => {
  it.each(HIDING_PLACES)('reach the selector in %s', (text) => {
    const expr = parsed(text);
    const hidden = selectorsOf(expr).filter(({ name, matchers }) => name === 'secret' || matchers.some((matcher) => matcher.name === 'secret'));
    expect(hidden).toHaveLength(1);
    const mapped = mapSelectors(expr, (selector) => ({ ...selector, matchers: [...selector.matchers, { name: 'ns', op: '=', value: 'a' }] }));
    expect(selectorsOf(parsed(print(mapped))).every(({ matchers }) => matchers.some(({ name }) => name === 'ns'))).toBe(true);
  });

  it('come in the order of the text, aggregation parameters first', () => {
    expect(selectorsOf(parsed('topk(scalar(a), b) + rate(c[5m]) * d')).map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('leave a tree that does not change as it is', () => {
    const expr = parsed('topk(scalar(a), b) + rate(c[5m]) * max_over_time(d[5m:1m] @ 5)');
    expect(mapSelectors(expr, (selector) => selector)).toBe(expr);
  });
});

describe('equal', () => {
  it('does not heed positions', () => expect(equal(parsed('sum(a)  by (x)'), parsed('sum by(x)(a)'))).toBe(true));

  it.each([
    ['a', 'b'], ['a', '(a)'], ['a{x="y"}', 'a{x!="y"}'], ['a[5m]', 'a[6m]'], ['a + b', 'b + a'], ['0', '-0'], ['a offset 5m', 'a'], ['a @ 5', 'a @ 6'],
    ['a and b', 'a and on () b'], ['topk(1, a)', 'topk(2, a)'],
  ])('tells %s from %s', (one, other) => expect(equal(parsed(one), parsed(other))).toBe(false));
});
