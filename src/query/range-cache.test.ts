import { describe, expect, it } from '@jest/globals';
import { dataOf, extentOf, join } from './extent.js';
import type { Extent } from './extent.js';
import { RangeCache, rangeQuestion } from './range-cache.js';
import type { RangeQuestion } from './range-cache.js';

const NOW = 10_000_000;
const SETTLE_MS = 1_000_000;

function question(startMs: number, endMs: number, parts: Partial<RangeQuestion> = {}): RangeQuestion {
  return { tenant: 't', backend: 'b', asked: 'x', stepMs: 60_000, startMs, endMs, ...parts };
}

function answer(fromMs: number, toMs: number, metric: Readonly<Record<string, string>> = { a: '1' }): Extent {
  const values = Array.from({ length: (toMs - fromMs) / 60_000 + 1 }, (_, index) => [fromMs / 1000 + 60 * index, `${index}`]);
  const extent = extentOf({ resultType: 'matrix', result: [{ metric, values }] }, fromMs, toMs);
  if (extent === undefined) throw new Error('no matrix');
  return extent;
}

describe('the cache of ranges', () => {
  it('keeps what is settled, and gives out what is asked of it', () => {
    const cache = new RangeCache({ maxBytes: 1_000_000, settleMs: SETTLE_MS });
    cache.keep(question(6_000_000, 9_600_000), answer(6_000_000, 9_600_000), NOW);
    expect(cache.find(question(6_000_000, 8_400_000))).toMatchObject({ fromMs: 6_000_000, toMs: 8_400_000 });
    expect(cache.find(question(6_600_000, 9_600_000))).toMatchObject({ fromMs: 6_600_000, toMs: NOW - SETTLE_MS });
    expect(cache.results).toEqual({ hit: 1, partial: 1, miss: 0 });
  });

  it('knows nothing of other tenants, backends, queries, steps and phases, or of earlier times', () => {
    const cache = new RangeCache({ maxBytes: 1_000_000, settleMs: SETTLE_MS });
    cache.keep(question(6_000_000, 8_400_000), answer(6_000_000, 8_400_000), NOW);
    const others = [{ tenant: 'u' }, { backend: 'c' }, { asked: 'y' }, { stepMs: 30_000 }, { startMs: 6_030_000 }, { startMs: 5_940_000 }, { startMs: 8_460_000 }];
    for (const parts of others) expect(cache.find({ ...question(6_000_000, 8_400_000), ...parts })).toBeUndefined();
    expect(cache.results.miss).toBe(others.length);
  });

  it('keeps nothing of the present', () => {
    const cache = new RangeCache({ maxBytes: 1_000_000, settleMs: SETTLE_MS });
    cache.keep(question(9_600_000, 9_900_000), answer(9_600_000, 9_900_000), NOW);
    expect(cache.bytes).toBe(0);
  });

  it('has a budget of bytes', () => {
    const cache = new RangeCache({ maxBytes: 50_000, settleMs: SETTLE_MS });
    for (let index = 0; index < 100; index += 1) cache.keep(question(6_000_000, 8_400_000, { asked: `x${index}` }), answer(6_000_000, 8_400_000), NOW);
    expect(cache.bytes).toBeGreaterThan(0);
    expect(cache.bytes).toBeLessThanOrEqual(50_000);
  });

  it('joins series by their labels, in order', () => {
    const joined = join(answer(0, 60_000, { b: '1' }), { ...answer(120_000, 120_000, { b: '1' }), series: [...answer(120_000, 120_000, { b: '1' }).series, ...answer(120_000, 120_000, { a: '1' }).series] });
    expect(dataOf(joined)).toEqual({ resultType: 'matrix', result: [{ metric: { a: '1' }, values: [[120, '0']] }, { metric: { b: '1' }, values: [[0, '0'], [60, '1'], [120, '0']] }] });
  });
});

describe('a question for the cache', () => {
  const ask = (query: string, ...more: readonly (readonly [string, string])[]): RangeQuestion | undefined =>
    rangeQuestion({ method: 'POST', path: '/api/v1/query_range', parameters: [['query', query], ['start', '0'], ['end', '100'], ['step', '15s'], ['timeout', '5'], ...more] }, 't', 'b');

  it('ends with its last step', () => {
    expect(ask('rate(x[5m] offset 1m)')).toEqual({ tenant: 't', backend: 'b', asked: '[[["query","rate(x[5m] offset 1m)"]],[]]', startMs: 0, endMs: 90_000, stepMs: 15_000 });
  });

  it.each(['x @ start()', 'x @ end()', 'x @ 1700000000', 'x offset -5m', 'max_over_time(x[5m:1m] @ end())', 'max_over_time(x[5m:1m] offset -1m)', 'max_over_time(x[range()])', 'x offset (5m - 10m)', 'sum(x @ end()) + y'])('is not %s, whose steps depend on the range or on what is to come', (query) => {
    expect(ask(query)).toBeUndefined();
  });

  it('is none where the answer has more than steps', () => {
    expect(ask('x', ['limit', '5'])).toBeUndefined();
    expect(ask('x', ['stats', 'all'])).toBeUndefined();
    expect(ask('x', ['start', '0'], ['lookback_delta', '5m'])?.asked).toContain('lookback_delta');
  });
});
