import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { Matcher } from '../promql/ast.js';
import { METRIC_NAME_LABEL } from '../promql/ast.js';
import { escapeRegex } from '../promql/enforce/merge.js';
import { FieldCursor, FieldWriter } from '../lib/wire.js';
import { crc32c } from './crc32c.js';

/**
 * Remote read with streamed chunks: the one way to have from a Prometheus what it has stored, as it has stored it, a piece at a time
 * (facts/remote-write.md §7, ADR 51).
 */

export const REMOTE_READ_HEADERS = {
  'content-type': 'application/x-protobuf',
  'content-encoding': 'snappy',
  'x-prometheus-remote-read-version': '0.1.0',
} as const;
export const STREAMED_CONTENT_TYPE = 'application/x-streamed-protobuf';

const STREAMED_XOR_CHUNKS = 1;
const MATCHER_TYPES = { '=': 0, '!=': 1, '=~': 2, '!~': 3 } as const;

/** The request, not yet packed: one query for each list of matchers. */
export function encodeReadRequest(rules: readonly (readonly Matcher[])[], startMs: number, endMs: number): Buffer {
  const writer = new FieldWriter();
  for (const matchers of rules) {
    writer.nested(1, () => {
      writer.int(1, startMs);
      writer.int(2, endMs);
      for (const matcher of matchers) writeMatcher(writer, againstStored(matcher));
    });
  }
  writer.uint(2, STREAMED_XOR_CHUNKS);
  return writer.finish();
}

function writeMatcher(writer: FieldWriter, { name, op, value }: Matcher): void {
  writer.nested(3, () => {
    if (op !== '=') writer.uint(1, MATCHER_TYPES[op]);
    writer.text(2, name);
    writer.text(3, value);
  });
}

/**
 * Prometheus leaves out an equality that its own `external_labels` fulfil (and one with the empty string), where a query asks what is stored.
 * What it leaves out would widen what the tenant sees; a regular expression it never leaves out.
 */
function againstStored(matcher: Matcher): Matcher {
  if (matcher.op !== '=' || (matcher.name === METRIC_NAME_LABEL && matcher.value !== '')) return matcher;
  return { ...matcher, op: '=~', value: escapeRegex(matcher.value) };
}

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

/** Prometheus cuts at 1 MiB (`--storage.remote.read-max-bytes-in-frame`), but never within a series' chunk. */
const MAX_FRAME_BYTES = 64 * 1024 * 1024;
const MAX_LENGTH_BYTES = 5;
const CRC_BYTES = 4;

/** Cuts the body into frames: a varint with the length, the checksum, the message. */
export class FrameReader {
  private pieces: Buffer[] = [];
  private available = 0;

  add(piece: Buffer): void {
    this.pieces.push(piece);
    this.available += piece.length;
  }

  /** Undefined: there is no whole one yet. */
  next(): Result<Buffer | undefined, string> {
    const head = this.peekLength();
    if (head === undefined) return ok(undefined);
    const [length, lengthBytes] = head;
    if (length > MAX_FRAME_BYTES) return err(`a frame of ${length} bytes`);
    const start = lengthBytes + CRC_BYTES;
    if (this.available < start + length) return ok(undefined);
    const whole = this.joined();
    const frame = whole.subarray(start, start + length);
    const rest = whole.subarray(start + length);
    this.pieces = rest.length > 0 ? [rest] : [];
    this.available = rest.length;
    return crc32c(frame) === whole.readUInt32BE(lengthBytes) ? ok(frame) : err('the checksum of a frame is wrong');
  }

  /** Whether nothing is left over. */
  get isEmpty(): boolean {
    return this.available === 0;
  }

  private peekLength(): readonly [length: number, bytes: number] | undefined {
    const [first] = this.pieces;
    const head = first !== undefined && first.length >= MAX_LENGTH_BYTES ? first : this.joined();
    let length = 0;
    for (let at = 0, scale = 1; at < Math.min(head.length, MAX_LENGTH_BYTES); at += 1, scale *= 128) {
      const byte = head[at] ?? 0;
      length += (byte & 0x7f) * scale;
      if (byte < 0x80) return [length, at + 1];
    }
    return head.length >= MAX_LENGTH_BYTES ? [Infinity, MAX_LENGTH_BYTES] : undefined;
  }

  private joined(): Buffer {
    const [first, ...others] = this.pieces;
    if (first === undefined) return Buffer.alloc(0);
    if (others.length === 0) return first;
    const whole = Buffer.concat(this.pieces);
    this.pieces = [whole];
    return whole;
  }
}
