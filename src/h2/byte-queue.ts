import { giveChunk, takeChunk } from './chunks.js';
import { MAX_FRAME_PAYLOAD_BYTES } from './frames.js';

/** Of a chunk, what one DATA frame can carry: the few bytes above it would leave as a frame of their own. */
const ROOM_BYTES = MAX_FRAME_PAYLOAD_BYTES;

/** Bytes that wait, oldest first. What is put in is copied, side by side, so that many small pieces leave as few large ones. */
export class ByteQueue {
  readonly #chunks: Buffer[] = [];
  /** Where the oldest byte stands in the first chunk, and where the next one will in the last. */
  #start = 0;
  #end = ROOM_BYTES;
  length = 0;

  push(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end) {
      const chunk = this.#roomy();
      const part = Math.min(end - at, ROOM_BYTES - this.#end);
      bytes.copy(chunk, this.#end, at, at + part);
      this.#end += part;
      at += part;
    }
    this.length += end - start;
  }

  #roomy(): Buffer {
    const last = this.#chunks.at(-1);
    if (last !== undefined && this.#end < ROOM_BYTES) return last;
    const chunk = takeChunk();
    this.#chunks.push(chunk);
    this.#end = 0;
    return chunk;
  }

  /** The oldest bytes that lie together, valid until the next call: `bytes[start..end)`. */
  head(): { readonly bytes: Buffer; readonly start: number; readonly end: number } | undefined {
    const [bytes] = this.#chunks;
    return bytes === undefined ? undefined : { bytes, start: this.#start, end: this.#chunks.length === 1 ? this.#end : ROOM_BYTES };
  }

  /** The oldest `count` bytes, of those of `head`, have gone. */
  drop(count: number): void {
    const head = this.head();
    if (head === undefined || count > head.end - head.start) throw new RangeError(`${count} bytes are more than the head has`);
    this.#start += count;
    this.length -= count;
    if (this.#start < head.end) return;
    this.#chunks.shift();
    this.#start = 0;
    giveChunk(head.bytes);
    if (this.#chunks.length === 0) this.#end = ROOM_BYTES;
  }

  clear(): void {
    for (const chunk of this.#chunks) giveChunk(chunk);
    this.#chunks.length = 0;
    this.#start = 0;
    this.#end = ROOM_BYTES;
    this.length = 0;
  }
}
