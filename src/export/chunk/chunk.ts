import { err, ok } from '../../lib/result.js';
import type { Result } from '../../lib/result.js';
import type { Histogram, Sample } from '../../remotewrite/series.js';
import { BrokenChunk } from './bits.js';
import type { Span } from './bits.js';
import { FloatPoints, FloatReader } from './float-chunk.js';
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

function floats(bytes: Uint8Array, span: Span, into: Sample[]): void {
  const points = new FloatPoints();
  new FloatReader().floats({ bytes, start: 0, end: bytes.length, minMs: 0 }, span, points);
  for (let at = 0; at < points.count; at += 1) into.push({ timestampMs: points.times[at] ?? 0, value: points.value(at) });
}
