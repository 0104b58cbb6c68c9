import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { FieldCursor } from '../lib/wire.js';

/**
 * Remote read with streamed chunks: the one way to have from a Prometheus what it has stored, as it has stored it, a piece at a time
 * (facts/remote-write.md §7, ADR 51). Here is what is in one frame.
 */

export interface RawChunk {
  readonly encoding: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly bytes: Uint8Array;
}

/** A series with some of its chunks; the next ones of the same series may come in the next frame. */
export interface RawSeries {
  /** The labels' fields as they came: those of remote write 1.0, in order. */
  readonly labels: Buffer;
  readonly chunks: readonly RawChunk[];
}

/** The series of one frame. */
export function decodeFrame(frame: Buffer): Result<readonly RawSeries[], string> {
  const cursor = new FieldCursor(frame).enter(0, frame.length);
  const all: RawSeries[] = [];
  while (cursor.next()) if (cursor.field === 1) all.push(decodeRawSeries(cursor.inside()));
  return cursor.failed ? err('a frame of the remote read cannot be understood') : ok(all);
}

function decodeRawSeries(cursor: FieldCursor): RawSeries {
  const { bytes } = cursor;
  const chunks: RawChunk[] = [];
  let [labelsStart, labelsEnd] = [cursor.end, cursor.end];
  let isFirst = true;
  while (cursor.next()) {
    if (cursor.field === 1) {
      if (isFirst) labelsStart = cursor.tagStart;
      isFirst = false;
      labelsEnd = cursor.end;
    } else if (cursor.field === 2) {
      chunks.push(decodeRawChunk(cursor.inside()));
    }
  }
  return { labels: bytes.subarray(labelsStart, labelsEnd), chunks };
}

function decodeRawChunk(cursor: FieldCursor): RawChunk {
  const chunk = { encoding: 0, minMs: 0, maxMs: 0, bytes: cursor.bytes.subarray(0, 0) };
  while (cursor.next()) {
    if (cursor.field === 1) chunk.minMs = cursor.int();
    else if (cursor.field === 2) chunk.maxMs = cursor.int();
    else if (cursor.field === 3) chunk.encoding = cursor.number();
    else if (cursor.field === 4) chunk.bytes = cursor.bytes.subarray(cursor.start, cursor.end);
  }
  return chunk;
}
