import { delimitedAt, FieldWriter, MAX_LENGTH_BYTES } from '../lib/wire.js';
import { crc32c } from './crc32c.js';

/** The body of a streamed answer: one message after the other, each with its length and its checksum. */

/** Prometheus cuts at 1 MiB (`--storage.remote.read-max-bytes-in-frame`), but never within a series' chunk. */
const MAX_FRAME_BYTES = 64 * 1024 * 1024;
const CRC_BYTES = 4;

const FIRST_BYTES = 64 * 1024;

/**
 * Cuts the body into frames: a varint with the length, the checksum, the message. All go through one piece of memory, for an answer may be
 * made of hundreds of megabytes. After each `next()` that returned true, `bytes[start, end)` is a frame, until the next `add`. Prometheus
 * makes a frame for each series, so nothing is made for a frame.
 */
export class FrameReader {
  bytes = Buffer.allocUnsafe(FIRST_BYTES);
  start = 0;
  end = 0;
  /** Why there are no more frames: it sticks at the first fault. */
  fault: string | undefined;
  private readTo = 0;
  private filledTo = 0;

  add(piece: Buffer): void {
    if (this.filledTo + piece.length > this.bytes.length) this.makeRoom(piece.length);
    piece.copy(this.bytes, this.filledTo);
    this.filledTo += piece.length;
  }

  /** False where there is no whole one yet, and at a fault. */
  next(): boolean {
    if (this.fault !== undefined) return false;
    const { bytes, readTo, filledTo } = this;
    const head = delimitedAt(bytes, readTo, filledTo);
    if (head === undefined) return filledTo - readTo < MAX_LENGTH_BYTES ? false : this.failed('a frame without a length');
    const { start: crcAt, length } = head;
    if (length > MAX_FRAME_BYTES) return this.failed(`a frame of ${length} bytes`);
    const start = crcAt + CRC_BYTES;
    const end = start + length;
    if (filledTo < end) return false;
    if (crc32c(bytes, start, end) !== bytes.readUInt32BE(crcAt)) return this.failed('the checksum of a frame is wrong');
    this.start = start;
    this.end = end;
    this.readTo = end;
    return true;
  }

  /** The frame that `next` has found. */
  get frame(): Buffer {
    return this.bytes.subarray(this.start, this.end);
  }

  /** Whether nothing is left over. */
  get isEmpty(): boolean {
    return this.readTo === this.filledTo;
  }

  private failed(fault: string): false {
    this.fault = fault;
    return false;
  }

  private makeRoom(length: number): void {
    const kept = this.filledTo - this.readTo;
    const target = kept + length > this.bytes.length ? Buffer.allocUnsafe(Math.max(this.bytes.length * 2, kept + length)) : this.bytes;
    this.bytes.copy(target, 0, this.readTo, this.filledTo);
    this.bytes = target;
    this.readTo = 0;
    this.filledTo = kept;
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
