import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { makeBody } from './body.js';

describe('the body', () => {
  it.each([900, 6 * 1024, 300 * 1024])('has %d bytes of gzip, and little more', (wanted) => {
    const { gzipped, textBytes } = makeBody(wanted);
    expect(gzipped.length).toBeGreaterThanOrEqual(wanted);
    expect(gzipped.length).toBeLessThan(wanted + 200);
    expect(gunzipSync(gzipped)).toHaveLength(textBytes);
  });

  it('is the same each time', () => {
    expect(makeBody(900).gzipped).toEqual(makeBody(900).gzipped);
  });
});
