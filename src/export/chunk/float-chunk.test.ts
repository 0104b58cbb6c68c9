import { describe, expect, it } from '@jest/globals';
import { floatChunk } from '../../../test/support/float-chunk.js';
import { STALE_NAN_BITS } from '../../remotewrite/series.js';
import { FloatPoints, FloatReader, ReaderStates } from './float-chunk.js';

/** Steps of every width that a chunk has for times, values of every kind. */
const STEPS = [0, 15_000, 15_000, 15_001, 14_000, 23_192, 100, 200_000, 15_000, 5_000_000_000, 1, 1, 1];
const VALUES = [0, 1, 1, -1, 1e300, 5e-324, Infinity, -Infinity, 0.1, 0.2, 0.30000000000000004, 1, 0];
const bitsOf = (value: number): bigint => new BigUint64Array(new Float64Array([value]).buffer)[0] ?? 0n;
const SAMPLES = STEPS.map((_, index) => [STEPS.slice(0, index + 1).reduce((sum, step) => sum + step, 1_700_000_000_000), index === 7 ? STALE_NAN_BITS : bitsOf(VALUES[index] ?? 0)] as const);

function contentOf(points: FloatPoints): readonly unknown[] {
  return Array.from({ length: points.count }, (_, at) => [points.times[at], (BigInt((points.highs[at] ?? 0) >>> 0) << 32n) | BigInt((points.lows[at] ?? 0) >>> 0)]);
}

function read(chunk: Buffer, afterMs = 0, untilMs = Infinity, states?: ReaderStates): readonly unknown[] {
  const points = new FloatPoints();
  // not at the beginning of what holds it
  const bytes = Buffer.concat([Buffer.from('holder'), chunk]);
  new FloatReader().floats({ bytes, start: 6, end: bytes.length, minMs: SAMPLES[0]?.[0] ?? 0 }, { afterMs, untilMs }, points, states, 3);
  return contentOf(points);
}

describe('a chunk of floats', () => {
  it('has its samples to the millisecond and to the bit', () => {
    expect(read(floatChunk(SAMPLES))).toEqual(SAMPLES);
  });

  it('gives what lies in a span of time', () => {
    expect(read(floatChunk(SAMPLES), SAMPLES[2]?.[0], SAMPLES[5]?.[0])).toEqual(SAMPLES.slice(3, 6));
  });

  it('is read on from where it was left, however far it has grown', () => {
    for (const step of [1, 2, 5]) {
      const states = new ReaderStates();
      states.reserve(4);
      const all: unknown[] = [];
      for (let count = 1; count <= SAMPLES.length; count += step) all.push(...read(floatChunk(SAMPLES.slice(0, count)), SAMPLES[all.length - 1]?.[0] ?? 0, Infinity, states));
      expect(all).toEqual(SAMPLES.slice(0, all.length));
      expect(all.length).toBeGreaterThan(SAMPLES.length - step);
    }
  });

  it('is read on after a span that ended within it', () => {
    const states = new ReaderStates();
    states.reserve(4);
    const chunk = floatChunk(SAMPLES);
    expect(read(chunk, 0, SAMPLES[6]?.[0], states)).toEqual(SAMPLES.slice(0, 7));
    expect(read(chunk, SAMPLES[6]?.[0], Infinity, states)).toEqual(SAMPLES.slice(7));
  });

  it('is read from its beginning where more is wanted than is new, or it is another', () => {
    const states = new ReaderStates();
    states.reserve(4);
    read(floatChunk(SAMPLES), 0, Infinity, states);
    expect(read(floatChunk(SAMPLES), 0, Infinity, states)).toEqual(SAMPLES);
    const others = SAMPLES.map(([timestampMs], index) => [timestampMs, bitsOf(index * 7)] as const);
    expect(read(floatChunk(others.slice(0, 9)), SAMPLES[7]?.[0], Infinity, states)).toEqual(others.slice(8, 9));
    const last = [...others, [(others.at(-1)?.[0] ?? 0) + 1, bitsOf(1)] as const];
    expect(read(floatChunk(last), others.at(-1)?.[0], Infinity, states)).toEqual(last.slice(-1));
  });

  it.each([2, 8, 11, 17])('that breaks off after %d bytes is refused', (length) => {
    expect(() => read(floatChunk(SAMPLES).subarray(0, length))).toThrow();
  });
});
