import { describe, expect, it } from '@jest/globals';
import { decodeChunk } from './chunk.js';

/** Refusals; what real servers send: test/integration/export-histograms.test.ts. */

describe('a chunk', () => {
  it.each([
    ['that ends too early', 1, Buffer.from([0, 5, 1])],
    ['of a kind that is not known', 9, Buffer.from([0, 1])],
    ['without a header', 2, Buffer.from([0])],
  ])('%s is refused', (_, encoding, bytes) => {
    expect(decodeChunk(encoding, bytes, { afterMs: 0, untilMs: Infinity }, { samples: [], histograms: [] }).ok).toBe(false);
  });
});
