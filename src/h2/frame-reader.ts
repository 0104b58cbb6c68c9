import { giveChunk, takeChunk } from './chunks.js';
import { FRAME_HEADER_BYTES, MAX_FRAME_PAYLOAD_BYTES, readUint24, readUint31 } from './frames.js';

/**
 * Cuts a stream of bytes into frames without copying them: a frame that lies whole in the chunk is shown in place. Only one
 * that straddles two chunks is put together in a buffer of its own, which is given back as soon as the frame is complete.
 */

export interface FrameSink {
  /** One whole frame; its payload is `bytes[start..end)`, valid during the call. False: read no further. */
  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): boolean;
  /** A frame longer than we allow has begun. Nothing is read after it. */
  onOversizedFrame(type: number, streamId: number, length: number): void;
}

export class FrameReader {
  readonly #sink: FrameSink;
  /** The beginning of a frame that straddles chunks. */
  #partial: Buffer | undefined;
  #partialBytes = 0;
  /** Of how many: the whole frame's, or its header's while that is not whole. */
  #wantedBytes = 0;
  #stopped = false;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Takes the next bytes, `chunk[start..end)`; keeps nothing of `chunk` after it returns. */
  push(chunk: Buffer, start: number, end: number): void {
    let at = start;
    if (this.#partial !== undefined) at = this.#complete(chunk, at, end);
    while (!this.#stopped && end - at >= FRAME_HEADER_BYTES) {
      const frameEnd = at + FRAME_HEADER_BYTES + readUint24(chunk, at);
      if (this.#refuseOversized(chunk, at)) return;
      if (frameEnd > end) break;
      this.#show(chunk, at, frameEnd);
      at = frameEnd;
    }
    if (!this.#stopped && at < end) this.#keep(chunk, at, end);
  }

  #show(bytes: Buffer, at: number, end: number): void {
    const more = this.#sink.onFrame(bytes[at + 3] ?? 0, bytes[at + 4] ?? 0, readUint31(bytes, at + 5), bytes, at + FRAME_HEADER_BYTES, end);
    if (!more) this.#stopped = true;
  }

  #refuseOversized(bytes: Buffer, at: number): boolean {
    const length = readUint24(bytes, at);
    if (length <= MAX_FRAME_PAYLOAD_BYTES) return false;
    this.#stopped = true;
    this.#sink.onOversizedFrame(bytes[at + 3] ?? 0, readUint31(bytes, at + 5), length);
    return true;
  }

  /** Starts a partial frame with the rest of a chunk: less than a frame, and possibly less than a frame's header. */
  #keep(chunk: Buffer, at: number, end: number): void {
    const have = end - at;
    this.#wantedBytes = have < FRAME_HEADER_BYTES ? FRAME_HEADER_BYTES : FRAME_HEADER_BYTES + readUint24(chunk, at);
    this.#partial = takeChunk();
    chunk.copy(this.#partial, 0, at, end);
    this.#partialBytes = have;
  }

  /** Feeds the partial frame until it is whole or the chunk is used up; returns where the chunk goes on. */
  #complete(chunk: Buffer, start: number, end: number): number {
    let at = start;
    while (this.#partial !== undefined && at < end) {
      const taken = Math.min(this.#wantedBytes - this.#partialBytes, end - at);
      chunk.copy(this.#partial, this.#partialBytes, at, at + taken);
      this.#partialBytes += taken;
      at += taken;
      if (this.#partialBytes === this.#wantedBytes) this.#completed(this.#partial);
    }
    return at;
  }

  /** All that was wanted is there: either the header is known now, or the frame is whole. */
  #completed(partial: Buffer): void {
    const total = FRAME_HEADER_BYTES + readUint24(partial, 0);
    if (this.#wantedBytes < total && !this.#refuseOversized(partial, 0)) {
      this.#wantedBytes = total;
      return;
    }
    this.#partial = undefined;
    if (!this.#stopped) this.#show(partial, 0, total);
    giveChunk(partial);
  }
}
