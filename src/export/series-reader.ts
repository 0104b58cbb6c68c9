import { FieldCursor } from '../lib/wire.js';
import type { Histogram } from '../remotewrite/series.js';
import { BrokenChunk } from './chunk/bits.js';
import { CHUNK_XOR, decodeChunk } from './chunk/chunk.js';
import { FloatPoints, FloatReader } from './chunk/float-chunk.js';
import type { ReaderStates } from './chunk/float-chunk.js';
import type { KnownSeries } from './known-series.js';

/** One series of a frame after the other: who it is, then what it has that is wanted. Nothing is made for a series but what is new of it. */
export class SeriesReader {
  readonly floats = new FloatPoints();
  histograms: Histogram[] = [];
  failed = false;
  private bytes: Buffer = Buffer.alloc(0);
  private frame = new FieldCursor(this.bytes);
  private fields = new FieldCursor(this.bytes);
  private chunk = new FieldCursor(this.bytes);
  private readonly reader = new FloatReader();
  private readonly range = { bytes: this.bytes, start: 0, end: 0, minMs: 0 };
  private readonly span = { afterMs: 0, untilMs: 0 };

  /** The frame in this range. */
  open(bytes: Buffer, start: number, end: number): void {
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.frame = new FieldCursor(bytes);
      this.fields = new FieldCursor(bytes);
      this.chunk = new FieldCursor(bytes);
    }
    this.failed = false;
    this.frame.enter(start, end);
  }

  /** Goes on to the next series. False where there is none, or the frame cannot be read (`failed`). */
  next(): boolean {
    const { frame } = this;
    while (frame.next()) if (frame.field === SERIES) return !this.failed;
    this.failed ||= frame.failed;
    return false;
  }

  /** The number of this series; undefined: it has no labels, or they cannot be read. */
  numberIn(known: KnownSeries): number | undefined {
    const { fields, bytes } = this;
    const { start, end } = this.frame;
    const expected = known.expected(bytes, start, end);
    if (expected >= 0) {
      fields.enter(expected, end);
      return known.takeExpected();
    }
    fields.enter(start, end);
    let behind = start;
    while (fields.next() && fields.field === LABEL) behind = fields.end;
    this.failed ||= fields.failed;
    if (behind === start || fields.failed) return undefined;
    fields.enter(behind, end);
    return known.take(bytes, start, behind);
  }

  /** Reads the chunks of this series, later than `afterMs` and not later than `untilMs`. Returns what is wrong with them. */
  read(states: ReaderStates, series: number, afterMs: number, untilMs: number): string | undefined {
    const { fields, chunk, floats, range, span } = this;
    floats.count = 0;
    if (this.histograms.length > 0) this.histograms = [];
    span.afterMs = afterMs;
    span.untilMs = untilMs;
    range.bytes = this.bytes;
    while (fields.next()) {
      if (fields.field !== CHUNK) continue;
      chunk.enter(fields.start, fields.end);
      let [maxMs, encoding] = [0, 0];
      [range.minMs, range.start, range.end] = [0, 0, 0];
      while (chunk.next()) {
        if (chunk.field === 1) range.minMs = chunk.int();
        else if (chunk.field === 2) maxMs = chunk.int();
        else if (chunk.field === 3) encoding = chunk.number();
        else if (chunk.field === 4) [range.start, range.end] = [chunk.start, chunk.end];
      }
      if (floats.count + this.histograms.length > 0) span.afterMs = Math.max(afterMs, floats.lastMs, this.histograms.at(-1)?.timestampMs ?? -Infinity);
      if (maxMs <= span.afterMs) continue;
      const problem = encoding === CHUNK_XOR ? this.readFloats(states, series) : this.readOther(encoding);
      if (problem !== undefined) return problem;
    }
    this.failed ||= fields.failed || chunk.failed;
    return undefined;
  }

  private readFloats(states: ReaderStates, series: number): string | undefined {
    try {
      this.reader.floats(this.range, this.span, this.floats, states, series);
      return undefined;
    } catch (error) {
      if (error instanceof BrokenChunk) return `a chunk cannot be read: ${error.message}`;
      throw error;
    }
  }

  private readOther(encoding: number): string | undefined {
    const { bytes, start, end } = this.range;
    const decoded = decodeChunk(encoding, bytes.subarray(start, end), this.span, { samples: [], histograms: this.histograms });
    return decoded.ok ? undefined : decoded.error;
  }
}

/** Field number of ChunkedReadResponse. */
const SERIES = 1;
/** Field numbers of ChunkedSeries. */
const LABEL = 1;
const CHUNK = 2;
