import { FieldCursor } from '../lib/wire.js';
import type { Histogram } from '../remotewrite/series.js';
import { BrokenChunk } from './chunk/bits.js';
import type { Span } from './chunk/bits.js';
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
  private fields = new FieldCursor(this.bytes);
  private chunk = new FieldCursor(this.bytes);
  private readonly reader = new FloatReader();

  open(frame: Buffer): void {
    this.bytes = frame;
    this.fields = new FieldCursor(frame);
    this.chunk = new FieldCursor(frame);
    this.failed = false;
  }

  /** The number of the series in this range; undefined: it has no labels, or they cannot be read. */
  enter(known: KnownSeries, start: number, end: number): number | undefined {
    const { fields, bytes } = this;
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

  /** Reads the chunks of the series that was entered. Returns what is wrong with them. */
  read(states: ReaderStates, series: number, { afterMs, untilMs }: Span): string | undefined {
    const { fields, chunk, floats } = this;
    floats.count = 0;
    if (this.histograms.length > 0) this.histograms = [];
    while (fields.next()) {
      if (fields.field !== CHUNK) continue;
      chunk.enter(fields.start, fields.end);
      let [minMs, maxMs, encoding, start, end] = [0, 0, 0, 0, 0];
      while (chunk.next()) {
        if (chunk.field === 1) minMs = chunk.int();
        else if (chunk.field === 2) maxMs = chunk.int();
        else if (chunk.field === 3) encoding = chunk.number();
        else if (chunk.field === 4) [start, end] = [chunk.start, chunk.end];
      }
      const lastMs = Math.max(afterMs, floats.lastMs, this.histograms.at(-1)?.timestampMs ?? -Infinity);
      if (maxMs <= lastMs) continue;
      const problem = this.decode(encoding, { start, end, minMs }, { afterMs: lastMs, untilMs }, states, series);
      if (problem !== undefined) return problem;
    }
    this.failed ||= fields.failed || chunk.failed;
    return undefined;
  }

  private decode(encoding: number, { start, end, minMs }: { readonly start: number; readonly end: number; readonly minMs: number }, span: Span, states: ReaderStates, series: number): string | undefined {
    const { bytes } = this;
    if (encoding !== CHUNK_XOR) {
      const decoded = decodeChunk(encoding, bytes.subarray(start, end), span, { samples: [], histograms: this.histograms });
      return decoded.ok ? undefined : decoded.error;
    }
    try {
      this.reader.floats({ bytes, start, end, minMs }, span, this.floats, states, series);
      return undefined;
    } catch (error) {
      if (error instanceof BrokenChunk) return `a chunk cannot be read: ${error.message}`;
      throw error;
    }
  }
}

/** Field numbers of ChunkedSeries. */
const LABEL = 1;
const CHUNK = 2;
