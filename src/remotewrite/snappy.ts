import { compress, compressSync, uncompress } from 'snappy';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';

/**
 * Snappy's block format, as remote write has it (never the framed one). A block says first how long its content is: that is read, and
 * judged, before anything is unpacked. The work is done off the event loop, but where nobody else waits for that.
 */

export type SnappyFault = 'malformed' | 'too_large';

/** How many bytes a block says that it unpacks to; undefined if it is none. */
export function unpackedLength(block: Buffer): number | undefined {
  let value = 0;
  for (let at = 0, scale = 1; at < 5; at += 1, scale *= 128) {
    const byte = block[at];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value <= 0xffff_ffff ? value : undefined;
  }
  return undefined;
}

/** Unpacks a block of at most `maxBytes` unpacked. */
export async function unpack(block: Buffer, maxBytes: number): Promise<Result<Buffer, SnappyFault>> {
  const length = unpackedLength(block);
  if (length === undefined) return err('malformed');
  if (length > maxBytes) return err('too_large');
  try {
    const bytes = await uncompress(block, { asBuffer: true });
    return Buffer.isBuffer(bytes) && bytes.length === length ? ok(bytes) : err('malformed');
  } catch {
    return err('malformed');
  }
}

/** Packs into one block. */
export function pack(bytes: Buffer): Promise<Buffer> {
  return compress(bytes);
}

/** The same at once: in a thread that has nothing else to do this costs less, and leaves no memory behind in others. */
export function packNow(bytes: Buffer): Buffer {
  return compressSync(bytes);
}
