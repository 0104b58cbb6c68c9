import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { delimitedAt, FieldWriter, MAX_LENGTH_BYTES } from '../lib/wire.js';
import { crc32c } from './crc32c.js';

/** The body of a streamed answer: one message after the other, each with its length and its checksum. */

/** Prometheus cuts at 1 MiB (`--storage.remote.read-max-bytes-in-frame`), but never within a series' chunk. */
const MAX_FRAME_BYTES = 64 * 1024 * 1024;
const CRC_BYTES = 4;

const FIRST_BYTES = 64 * 1024;

/**
 * Cuts the body into frames: a varint with the length, the checksum, the message. All go through one piece of memory, for an answer may be
 * made of hundreds of megabytes: a frame is good until the next `add`.
 */
export class FrameReader {
  private bytes = Buffer.allocUnsafe(FIRST_BYTES);
  private start = 0;
  private end = 0;

  add(piece: Buffer): void {
    if (this.end + piece.length > this.bytes.length) this.makeRoom(piece.length);
    piece.copy(this.bytes, this.end);
    this.end += piece.length;
  }

  /** Undefined: there is no whole one yet. */
  next(): Result<Buffer | undefined, string> {
    const head = delimitedAt(this.bytes.subarray(0, this.end), this.start);
    if (head === undefined) return this.end - this.start < MAX_LENGTH_BYTES ? ok(undefined) : err('a frame without a length');
    const { start: crcAt, length } = head;
    if (length > MAX_FRAME_BYTES) return err(`a frame of ${length} bytes`);
    const start = crcAt + CRC_BYTES;
    if (this.end < start + length) return ok(undefined);
    this.start = start + length;
    const frame = this.bytes.subarray(start, this.start);
    return crc32c(frame) === this.bytes.readUInt32BE(crcAt) ? ok(frame) : err('the checksum of a frame is wrong');
  }

  /** Whether nothing is left over. */
  get isEmpty(): boolean {
    return this.start === this.end;
  }

  private makeRoom(length: number): void {
    const kept = this.end - this.start;
    const target = kept + length > this.bytes.length ? Buffer.allocUnsafe(Math.max(this.bytes.length * 2, kept + length)) : this.bytes;
    this.bytes.copy(target, 0, this.start, this.end);
    this.bytes = target;
    this.start = 0;
    this.end = kept;
  }
}

/** A message as a frame. */
export function framed(message: Buffer): Buffer {
  const writer = new FieldWriter(message.length + MAX_LENGTH_BYTES + CRC_BYTES);
  writer.varint(message.length);
  const checksum = Buffer.alloc(CRC_BYTES);
  checksum.writeUInt32BE(crc32c(message));
  writer.raw(checksum);
  writer.raw(message);
  return writer.finish();
}
