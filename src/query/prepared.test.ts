import { describe, expect, it } from '@jest/globals';
import { parse } from '../promql/parse.js';
import { print } from '../promql/print.js';
import { prepared } from './prepared.js';

const RANGE = { kind: 'range', startMs: 60_000, endMs: 120_500, stepMs: 1000 } as const;

function said(query: string, window: Parameters<typeof prepared>[1] = RANGE): string {
  const parsed = parse(query);
  if (!parsed.ok) throw new Error(parsed.error.message);
  return print(prepared(parsed.value, window));
}

describe('a query that is to be asked in parts', () => {
  it.each([
    ['max_over_time(avg(x @ start())[5m:1m] @ end())', 'max_over_time(avg(x @ 60)[5m:1m] @ 120.5)'],
    ['rate(x[5m] @ end()) / y @ 7', 'rate(x[5m] @ 120.5) / y @ 7'],
    ['predict_linear(x[5m], scalar(y))', '(predict_linear(x[5m], 1048576) - predict_linear(x[5m], 0)) / 1048576 * scalar(y) + predict_linear(x[5m], 0)'],
    ['predict_linear(x[5m], 600)', 'predict_linear(x[5m], 600)'],
    ['predict_linear(sum(x)[5m:1m], scalar(y))', 'predict_linear(sum(x)[5m:1m], scalar(y))'],
  ])('%s is said as %s', (query, expected) => {
    expect(said(query)).toBe(print(read(expected)));
  });

  it('has one moment for start and end', () => {
    expect(said('x @ start() + x @ end()', { kind: 'instant', timeMs: 5000 })).toBe(print(read('x @ 5 + x @ 5')));
  });

  it('stays as it is where its times are not known', () => {
    expect(said('x @ end()', { kind: 'instant', timeMs: undefined })).toBe('x @ end()');
  });
});

function read(query: string): Parameters<typeof print>[0] {
  const parsed = parse(query);
  if (!parsed.ok) throw new Error(parsed.error.message);
  return parsed.value;
}
