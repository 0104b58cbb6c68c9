import { stat } from 'node:fs/promises';
import { errnoOf } from './errno.js';

/** Changes whenever the file is replaced or written; links are followed, as the swap of a Kubernetes volume needs. */
export async function fileVersion(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(file, { bigint: true });
    return `${dev}:${ino}:${size}:${mtimeNs}`;
  } catch (error) {
    return errnoOf(error) ?? 'unreadable';
  }
}
