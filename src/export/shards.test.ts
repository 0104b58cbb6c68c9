import { describe, expect, it } from '@jest/globals';
import { desiredShards, mayShareSeries } from './shards.js';

const QUEUE = { minShards: 2, maxShards: 8 };

describe('shards', () => {
  it.each([
    ['nothing to do', { waitingBatches: 0, secondsPerBatch: 1, isFailing: false }, 2],
    ['little', { waitingBatches: 10, secondsPerBatch: 0.1, isFailing: false }, 2],
    ['as many as make it in five seconds', { waitingBatches: 50, secondsPerBatch: 0.5, isFailing: false }, 5],
    ['a backlog', { waitingBatches: 10_000, secondsPerBatch: 0.5, isFailing: false }, 8],
    ['a receiver that fails', { waitingBatches: 10_000, secondsPerBatch: 0.5, isFailing: true }, 2],
  ])('%s', (_, load, shards) => {
    expect(desiredShards(load, QUEUE)).toBe(shards);
  });
});

describe('batches may share series', () => {
  it.each([
    [[0, 1], [3, 4], true],
    [[1, 2], [3, 4], true],
    [[0, 2], [3, 4], false],
    [[2, 4], [2, 4], true],
    [[2, 4], [3, 4], false],
  ] as const)('group %j and %j: %s', ([group, groups], [otherGroup, otherGroups], expected) => {
    const [a, b] = [{ group, groups }, { group: otherGroup, groups: otherGroups }];
    expect([mayShareSeries(a, b), mayShareSeries(b, a)]).toEqual([expected, expected]);
  });
});
