import { describe, expect, it } from '@jest/globals';
import { precedes } from './sorting.js';

describe('the natural order of texts', () => {
  it.each<readonly [string, string]>([
    ['pod-2', 'pod-10'], ['2', '10'], ['a', 'b'], ['a', 'a1'], ['a1', 'a1b'], ['a1b2', 'a1b10'], ['x9y', 'x10'], ['', 'a'].toReversed() as [string, string], ['99999999999999999999', 'a'], ['007', '8'],
  ])('has %s before %s, or nothing before it', (first, second) => {
    expect([precedes(first, second), precedes(second, first)]).toEqual(second === '' ? [false, false] : [true, false]);
  });
});
