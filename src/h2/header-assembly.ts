import { connectionViolation, ErrorCode } from './frames.js';
import type { Violation } from './frames.js';
import { MAX_CONTINUATIONS } from './limits.js';

/**
 * A header block that comes in several frames (RFC 9113 §6.10), put together. Nearly every block fits into one frame and
 * never gets here. Bounded in bytes and in frames: a block without end is a known attack.
 */
export class HeaderAssembly {
  readonly #maxBytes: number;
  #parts: Buffer[] | undefined;
  #bytes = 0;
  streamId = 0;
  endStream = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get active(): boolean {
    return this.#parts !== undefined;
  }

  begin(streamId: number, endStream: boolean, bytes: Buffer, start: number, end: number): Violation | undefined {
    this.#parts = [];
    this.#bytes = 0;
    this.streamId = streamId;
    this.endStream = endStream;
    return this.add(bytes, start, end);
  }

  add(bytes: Buffer, start: number, end: number): Violation | undefined {
    this.#parts ??= [];
    this.#bytes += end - start;
    if (this.#bytes > this.#maxBytes || this.#parts.length > MAX_CONTINUATIONS) {
      return connectionViolation(ErrorCode.enhanceYourCalm, 'a header block without end');
    }
    this.#parts.push(Buffer.from(bytes.subarray(start, end)));
    return undefined;
  }

  take(): Buffer {
    const block = Buffer.concat(this.#parts ?? []);
    this.#parts = undefined;
    return block;
  }
}
