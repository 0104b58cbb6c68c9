import { FRAME_HEADER_BYTES, MAX_FRAME_PAYLOAD_BYTES } from './frames.js';

/**
 * Buffers that hold a whole frame, and are used again. One that is left to the garbage collector for each frame that had to wait, or that
 * came in two reads, costs more of the collector than all else that is done with the frame (docs/performance.md, "Large bodies").
 */

export const CHUNK_BYTES = FRAME_HEADER_BYTES + MAX_FRAME_PAYLOAD_BYTES;
/** 8 MiB: beyond it they are left to the collector. */
const MAX_FREE = 512;

const free: Buffer[] = [];

/** Its contents are anybody's. */
export function takeChunk(): Buffer {
  return free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
}

/** Nobody may look at it any more. */
export function giveChunk(chunk: Buffer): void {
  if (free.length < MAX_FREE) free.push(chunk);
}
