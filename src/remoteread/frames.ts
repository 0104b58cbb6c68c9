import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { FieldWriter } from '../lib/wire.js';
import { crc32c } from './crc32c.js';

/** The body of a streamed answer: one message after the other, each with its length and its checksum. */

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
