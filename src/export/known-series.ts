import { ByteStrings } from '../lib/byte-strings.js';
import { longerInts, longerUints } from '../lib/typed-arrays.js';
import { ReaderStates } from './chunk/float-chunk.js';

/**
 * Series as the source names them, by number: what each becomes at the receiver, and how far its chunk was read. A source tells its series
 * in the same order each time, so each is looked for first where it was the last time: behind the one before.
 */

/** It is not exported. */
export const DROPPED = -1;
/** Nobody has asked yet. */
export const UNSHAPED = -2;
const FEW = 1000;

export class KnownSeries {
  readonly states = new ReaderStates();
  private readonly keys = new ByteStrings();
  private positions = new Int32Array(64);
  private rounds = new Uint32Array(64);
  private nexts = new Int32Array(64);
  private last = 0;
  /** In this round. */
  private seen = 0;

  get size(): number {
    return this.seen;
  }

  begin(): void {
    this.seen = 0;
  }

  /** End of the labels that stand at `start`, if they are those of the series that came next the last time; −1 if not. */
  expected(bytes: Buffer, start: number, end: number): number {
    const number = this.nexts[this.last] ?? 0;
    const behind = start + this.keys.lengthOf(number);
    return number < this.keys.size && behind <= end && bytes[behind] !== LABEL_TAG && this.keys.isAt(number, bytes, start) ? behind : -1;
  }

  /** The one that `expected` has found. */
  takeExpected(): number {
    this.last = this.nexts[this.last] ?? 0;
    return this.last;
  }

  /** The number of the series with these labels, which may be new. */
  take(bytes: Buffer, start: number, end: number): number {
    const number = this.keys.add(bytes, start, end);
    if (number >= this.positions.length) {
      this.positions = longerInts(this.positions, number + 1);
      this.rounds = longerUints(this.rounds, this.positions.length);
      this.nexts = longerInts(this.nexts, this.positions.length);
    }
    this.states.reserve(number + 1);
    if (this.rounds[number] === 0) this.positions[number] = UNSHAPED;
    this.nexts[this.last] = number;
    this.last = number;
    return number;
  }

  /** A position, or DROPPED, or UNSHAPED. */
  position(number: number): number {
    return this.positions[number] ?? UNSHAPED;
  }

  shaped(number: number, position: number): void {
    this.positions[number] = position;
  }

  /** Rounds begin at 1. */
  see(number: number, round: number): void {
    if (this.rounds[number] === round) return;
    this.rounds[number] = round;
    this.seen += 1;
  }

  key(number: number): Buffer {
    return this.keys.get(number);
  }

  /** Whether most are gone, and it should be made anew. */
  get isWorn(): boolean {
    return this.keys.size > this.seen * 2 + FEW;
  }
}

/** Of field 1, delimited: another label. */
const LABEL_TAG = 0x0a;
