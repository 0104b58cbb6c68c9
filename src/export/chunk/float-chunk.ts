import { STALE, STALE_NAN_BITS } from '../../remotewrite/series.js';
import { longerFloats, longerInts } from '../../lib/typed-arrays.js';
import { BitReader, BrokenChunk } from './bits.js';
import type { Span } from './bits.js';

/**
 * Chunks of floats (Gorilla). A chunk that is still written to only gets longer, and is read again at each collection: so where the
 * reading ended is kept for each series, and the next one goes on there. Values stay two halves of 64 bits: a number of JavaScript would
 * forget which NaN it was, and one of them ends a series.
 */

const scratch = new DataView(new ArrayBuffer(8));
export const STALE_HIGH = Number(STALE_NAN_BITS >> 32n);
export const STALE_LOW = Number(STALE_NAN_BITS & 0xffff_ffffn);

/** What was read, in order of time. */
export class FloatPoints {
  count = 0;
  times = new Float64Array(256);
  highs = new Int32Array(256);
  lows = new Int32Array(256);

  get lastMs(): number {
    return this.count === 0 ? -Infinity : (this.times[this.count - 1] ?? -Infinity);
  }

  value(at: number): number | typeof STALE {
    const [high = 0, low = 0] = [this.highs[at], this.lows[at]];
    if (high === STALE_HIGH && low === STALE_LOW) return STALE;
    scratch.setInt32(0, high);
    scratch.setInt32(4, low);
    return scratch.getFloat64(0);
  }

  add(timestampMs: number, high: number, low: number): void {
    const at = this.count;
    if (at === this.times.length) {
      this.times = longerFloats(this.times, at + 1);
      this.highs = longerInts(this.highs, this.times.length);
      this.lows = longerInts(this.lows, this.times.length);
    }
    this.times[at] = timestampMs;
    this.highs[at] = high;
    this.lows[at] = low;
    this.count = at + 1;
  }
}

const HEADER_BITS = 16;
/** Of the change of the distance in time, by the number of ones before. */
const TIME_BITS = [0, 14, 17, 20, 64];
/** Bytes before the place where reading ended that must still be what they were. */
const GUARD_BYTES = 4;

/** A chunk, as a part of what holds it. */
export interface ChunkRange {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** Time of its first sample, as the source says. */
  readonly minMs: number;
}

export class FloatReader {
  private readonly bits = new BitReader();
  private start = 0;
  private read = 0;
  private timestampMs = 0;
  private distance = 0;
  private high = 0;
  private low = 0;
  private leading = 0;
  private trailing = 0;

  /** Appends what is wanted; `states` has where this `series` was left, and is told. Throws BrokenChunk. */
  floats({ bytes, start, end, minMs }: ChunkRange, { afterMs, untilMs }: Span, into: FloatPoints, states?: ReaderStates, series = 0): void {
    this.bits.enter(bytes, start, end);
    this.start = start;
    this.read = 0;
    const count = this.bits.bits(HEADER_BITS);
    if (states?.firstMs[series] === minMs && (states.times[series] ?? Infinity) <= afterMs && (states.reads[series] ?? Infinity) <= count) this.resume(states, series, end);
    while (this.read < count) {
      const { read, timestampMs, distance, high, low, leading, trailing } = this;
      const { at } = this.bits;
      this.step();
      if (this.timestampMs > untilMs) {
        this.bits.at = at;
        Object.assign(this, { read, timestampMs, distance, high, low, leading, trailing });
        break;
      }
      if (this.timestampMs > afterMs) into.add(this.timestampMs, this.high, this.low);
    }
    if (states !== undefined && this.read > 1) this.keep(states, series, minMs);
  }

  private step(): void {
    const { bits } = this;
    if (this.read === 0) {
      this.timestampMs = bits.varint();
      this.distance = 0;
      this.high = bits.bits(32) | 0;
      this.low = bits.bits(32) | 0;
      this.leading = 0;
      this.trailing = 0;
    } else {
      if (this.read === 1) this.distance = bits.uvarint();
      else if (bits.bits(1) === 1) this.distance += bits.signed(TIME_BITS[1 + bits.ones(3)] ?? 0);
      this.timestampMs += this.distance;
      if (bits.bits(1) === 1) this.value();
    }
    this.read += 1;
  }

  /** Behind the one that says that it is another than the last. */
  private value(): void {
    const { bits } = this;
    if (bits.bits(1) === 1) {
      this.leading = bits.bits(5);
      this.trailing = 64 - this.leading - (bits.bits(6) || 64);
      if (this.trailing < 0) throw new BrokenChunk('a float has too many bits');
    }
    const { trailing } = this;
    const count = 64 - this.leading - trailing;
    const high = count > 32 ? bits.bits(count - 32) : 0;
    const low = bits.bits(count > 32 ? 32 : count);
    if (trailing >= 32) {
      this.high ^= low << (trailing - 32);
    } else if (trailing === 0) {
      this.high ^= high;
      this.low ^= low;
    } else {
      this.high ^= (high << trailing) | (low >>> (32 - trailing));
      this.low ^= low << trailing;
    }
  }

  /** Whole bytes before the place, which nobody writes to any more. */
  private guard(at: number): number {
    const { bytes } = this.bits;
    let guard = 0;
    for (let byte = (at >>> 3) - GUARD_BYTES; byte < at >>> 3; byte += 1) guard = (guard << 8) | (bytes[byte] ?? 0);
    return guard;
  }

  private resume(states: ReaderStates, series: number, end: number): void {
    const at = this.start * 8 + (states.ats[series] ?? 0);
    if (at > end * 8 || this.guard(at) !== states.guards[series]) return;
    this.bits.at = at;
    this.read = states.reads[series] ?? 0;
    this.timestampMs = states.times[series] ?? 0;
    this.distance = states.distances[series] ?? 0;
    this.high = states.highs[series] ?? 0;
    this.low = states.lows[series] ?? 0;
    const widths = states.widths[series] ?? 0;
    this.leading = widths >>> 8;
    this.trailing = widths & 0xff;
  }

  private keep(states: ReaderStates, series: number, minMs: number): void {
    states.firstMs[series] = minMs;
    states.ats[series] = this.bits.at - this.start * 8;
    states.guards[series] = this.guard(this.bits.at);
    states.reads[series] = this.read;
    states.times[series] = this.timestampMs;
    states.distances[series] = this.distance;
    states.highs[series] = this.high;
    states.lows[series] = this.low;
    states.widths[series] = (this.leading << 8) | this.trailing;
  }
}

/** Where the reading of each series' last chunk ended. */
export class ReaderStates {
  /** Which chunk: the time of its first sample. NaN: none. */
  firstMs = new Float64Array(0);
  ats = new Int32Array(0);
  guards = new Int32Array(0);
  reads = new Int32Array(0);
  times = new Float64Array(0);
  distances = new Float64Array(0);
  highs = new Int32Array(0);
  lows = new Int32Array(0);
  widths = new Int32Array(0);

  /** Room for series with numbers below it. */
  reserve(count: number): void {
    const had = this.firstMs.length;
    if (count <= had) return;
    this.firstMs = longerFloats(this.firstMs, count).fill(Number.NaN, had);
    const { length } = this.firstMs;
    this.ats = longerInts(this.ats, length);
    this.guards = longerInts(this.guards, length);
    this.reads = longerInts(this.reads, length);
    this.times = longerFloats(this.times, length);
    this.distances = longerFloats(this.distances, length);
    this.highs = longerInts(this.highs, length);
    this.lows = longerInts(this.lows, length);
    this.widths = longerInts(this.widths, length);
  }

  /** Knows nothing any more. */
  clear(): void {
    this.firstMs.fill(Number.NaN);
  }
}
