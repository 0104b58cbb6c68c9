import { expect, it } from '@jest/globals';
import { Latencies } from './latencies.js';

it('p95 is of the last 32, and nothing before there are ten', () => {
  const latencies = new Latencies();
  for (let ms = 1; ms <= 9; ms += 1) latencies.record('a/x', ms);
  expect(latencies.p95('a/x')).toBeUndefined();
  for (let ms = 10; ms <= 100; ms += 1) latencies.record('a/x', ms);
  expect(latencies.p95('a/x')).toBe(99);
  expect(latencies.p95('a/y')).toBeUndefined();
});

it('forgets the target that was asked for longest ago, and no more than that', () => {
  const latencies = new Latencies(2);
  const record = (target: string): void => {
    for (let i = 0; i < 10; i += 1) latencies.record(target, 5);
  };
  for (const target of ['a/1', 'a/2', 'a/1', 'a/3']) record(target);
  expect(['a/1', 'a/2', 'a/3'].map((target) => latencies.p95(target))).toEqual([5, undefined, 5]);
});
