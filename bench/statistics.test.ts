import { describe, expect, it } from '@jest/globals';
import { median, percentile } from './statistics.js';

describe('the median', () => {
  it.each([
    [[3, 1, 2], 2],
    [[4, 1, 3, 2], 2.5],
    [[10, 9, 100], 10],
    [[7], 7],
    [[], 0],
  ])('of %j is %d', (values, expected) => expect(median(values)).toBe(expected));
});

describe('a percentile', () => {
  const hundred = Float64Array.from({ length: 100 }, (_, index) => index + 1);

  it.each([
    [0.5, 50],
    [0.99, 99],
    [0.991, 100],
    [1, 100],
    [0.001, 1],
  ])('%d of 1 to 100 is %d', (share, expected) => expect(percentile(hundred, share)).toBe(expected));

  it('of one value is that value', () => expect(percentile([5], 0.99)).toBe(5));
  it('of nothing is 0', () => expect(percentile([], 0.5)).toBe(0));
});
