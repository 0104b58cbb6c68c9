import { err, ok } from '../../lib/result.js';
import type { Result } from '../../lib/result.js';
import { STALE } from '../../remotewrite/series.js';
import type { Histogram, Sample } from '../../remotewrite/series.js';
import { BitReader, BrokenChunk, XorFloat } from './bits.js';
import type { Span } from './bits.js';
import { floatHistograms, intHistograms } from './histogram-chunk.js';

/**
 * The chunks that remote read sends, as the storage has them: nothing has been evaluated, so times are those of the scrapes, a NaN is
 * the NaN that was stored, and histograms have their buckets. A chunk can only be read from its beginning; what is outside of the
 * wanted span of time is read over.
 */

/** Numbers of `prometheus.Chunk.Encoding`. */
export const CHUNK_XOR = 1;
export const CHUNK_HISTOGRAM = 2;
export const CHUNK_FLOAT_HISTOGRAM = 3;

/** Appended to, in order of time. */
export interface Points {
  readonly samples: Sample[];
  readonly histograms: Histogram[];
}

export function decodeChunk(encoding: number, bytes: Uint8Array, span: Span, into: Points): Result<void, string> {
  try {
    switch (encoding) {
      case CHUNK_XOR:
        floats(bytes, span, into.samples);
        return ok(undefined);
      case CHUNK_HISTOGRAM:
        intHistograms(bytes, span, into.histograms);
        return ok(undefined);
      case CHUNK_FLOAT_HISTOGRAM:
        floatHistograms(bytes, span, into.histograms);
        return ok(undefined);
      default:
        return err(`chunks of encoding ${encoding} are not known`);
    }
  } catch (error) {
    if (error instanceof BrokenChunk) return err(`a chunk cannot be read: ${error.message}`);
    throw error;
  }
}

const HEADER_BYTES = 2;
/** Of the change of the distance in time, by the number of ones before. */
const TIME_BITS = [0, 14, 17, 20, 64];

function floats(bytes: Uint8Array, { afterMs, untilMs }: Span, into: Sample[]): void {
  const bits = new BitReader(bytes, 0);
  const count = bits.bits(HEADER_BYTES * 8);
  const value = new XorFloat();
  let timestampMs = 0;
  let distance = 0;
  for (let read = 0; read < count; read += 1) {
    if (read === 0) {
      timestampMs = bits.varint();
      value.readWhole(bits);
    } else {
      if (read === 1) distance = bits.uvarint();
      else distance += bits.signed(TIME_BITS[bits.ones(4)] ?? 0);
      timestampMs += distance;
      value.readNext(bits);
    }
    if (timestampMs > untilMs) return;
    if (timestampMs > afterMs) into.push({ timestampMs, value: value.isStale ? STALE : value.value });
  }
}
