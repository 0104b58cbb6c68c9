import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';

/**
 * A file that is replaced as a whole: after a crash it is the old one or the new one. `sync` asks for more: that it also outlives the
 * machine.
 */

export function replaceFile(path: string, content: Buffer, { sync }: { readonly sync: boolean }): void {
  const next = `${path}.next`;
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32LE(crc32(content));
  writeFileSync(next, Buffer.concat([checksum, content]), { mode: 0o600, flush: sync });
  renameSync(next, path);
}

/** Undefined where there is none, or it is not what was written. */
export function readWhole(path: string): Buffer | undefined {
  try {
    const bytes = readFileSync(path);
    const content = bytes.subarray(4);
    return bytes.length >= 4 && bytes.readUInt32LE(0) === crc32(content) ? content : undefined;
  } catch {
    return undefined;
  }
}
