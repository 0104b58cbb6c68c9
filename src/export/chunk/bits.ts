/**
 * Bits of a chunk, the highest of each byte first, as Prometheus's storage writes them. A 64-bit float is kept as two halves: a number
 * of JavaScript would forget which NaN it was, and one of them ends a series.
 */

/** Thrown inside of this folder and caught by `decodeChunk`. */
export class BrokenChunk extends Error {}

/** What is wanted of a chunk: later than `afterMs`, and not later than `untilMs`. */
export interface Span {
  readonly afterMs: number;
  readonly untilMs: number;
}

export class BitReader {
  /** In bits, from the beginning of `bytes`. */
  at = 0;
  private end = 0;

  constructor(
    public bytes: Uint8Array = new Uint8Array(0),
    firstByte = 0,
  ) {
    this.enter(bytes, firstByte, bytes.length);
  }

  /** Starts over, with other bytes. */
  enter(bytes: Uint8Array, firstByte: number, endByte: number): void {
    this.bytes = bytes;
    this.at = firstByte * 8;
    this.end = endByte * 8;
  }

  /** At most 32, unsigned. */
  bits(count: number): number {
    const { at, bytes } = this;
    if (at + count > this.end) throw new BrokenChunk('it ends too early');
    if (count === 0) return 0;
    this.at = at + count;
    const byte = at >>> 3;
    const shift = at & 7;
    const word = ((bytes[byte] ?? 0) << 24) | ((bytes[byte + 1] ?? 0) << 16) | ((bytes[byte + 2] ?? 0) << 8) | (bytes[byte + 3] ?? 0);
    const rest = shift + count <= 32 ? 0 : (bytes[byte + 4] ?? 0) >>> (8 - shift);
    return ((word << shift) | rest) >>> (32 - count);
  }

  /** As many ones as there are before the first zero, which is read too; `max` of them are followed by none. */
  ones(max: number): number {
    let count = 0;
    while (count < max && this.bits(1) === 1) count += 1;
    return count;
  }

  /** Two's complement, where the largest positive number is written as if it were positive (`bitRange` of chunkenc). */
  signed(count: number): number {
    if (count <= 32) {
      const value = this.bits(count);
      return value > 2 ** (count - 1) ? value - 2 ** count : value;
    }
    const wide = (BigInt(this.bits(count - 32)) << 32n) | BigInt(this.bits(32));
    return Number(BigInt.asIntN(count, wide));
  }

  unsigned(count: number): number {
    return count <= 32 ? this.bits(count) : this.bits(count - 32) * 2 ** 32 + this.bits(32);
  }

  /** Varints of whole bytes, which begin a chunk of floats. */
  uvarint(): number {
    let value = 0;
    for (let scale = 1, length = 0; length < 10; length += 1, scale *= 128) {
      const byte = this.bits(8);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new BrokenChunk('a varint has no end');
  }

  varint(): number {
    const zigzag = this.uvarint();
    return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  }

  varbitInt(): number {
    const count = VARBIT_BITS[this.ones(8)] ?? 0;
    return count === 0 ? 0 : this.signed(count);
  }

  varbitUint(): number {
    const count = VARBIT_BITS[this.ones(8)] ?? 0;
    return count === 0 ? 0 : this.unsigned(count);
  }

  double(): number {
    const bits = new XorFloat();
    bits.readWhole(this);
    return bits.value;
  }
}

/** By the number of ones before. */
const VARBIT_BITS = [0, 3, 6, 9, 12, 18, 25, 56, 64];

const scratch = new DataView(new ArrayBuffer(8));
const STALE_HIGH = 0x7ff0_0000;
const STALE_LOW = 2;

/** A float of which each next one is told as the difference of its bits (Gorilla). */
export class XorFloat {
  private high = 0;
  private low = 0;
  private leading = 0;
  private trailing = 0;

  get isStale(): boolean {
    return this.high === STALE_HIGH && this.low === STALE_LOW;
  }

  get value(): number {
    scratch.setInt32(0, this.high);
    scratch.setInt32(4, this.low);
    return scratch.getFloat64(0);
  }

  readWhole(bits: BitReader): void {
    this.high = bits.bits(32) | 0;
    this.low = bits.bits(32) | 0;
  }

  readNext(bits: BitReader): void {
    if (bits.bits(1) === 0) return;
    if (bits.bits(1) === 1) {
      this.leading = bits.bits(5);
      const count = bits.bits(6) || 64;
      this.trailing = 64 - this.leading - count;
      if (this.trailing < 0) throw new BrokenChunk('a float has too many bits');
    }
    const { trailing } = this;
    const count = 64 - this.leading - trailing;
    const high = count > 32 ? bits.bits(count - 32) : 0;
    const low = bits.bits(Math.min(count, 32));
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
}
