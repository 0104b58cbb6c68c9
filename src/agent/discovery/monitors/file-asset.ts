/** A file that objects may refer to: a token that rotates, a CA. Looked at every few seconds, read when it has changed. */
import { readFile, stat } from 'node:fs/promises';
import type { Clock } from '../../../lib/clock.js';
import { errnoOf } from '../../../lib/errno.js';
import { fileVersion } from '../../../lib/file-version.js';
import type { Asset } from './translate.js';

export interface FileAsset {
  /** The same value for as long as the file is the same. */
  readonly now: () => Asset;
  close(): void;
}

const LOOK_MS = 5_000;
const MAX_BYTES = 2 ** 20;

/** Looks at once. */
export function followFile(path: string, clock: Clock, onChange: () => void): FileAsset {
  let asset: Asset = 'pending';
  let known: string | undefined;
  let closed = false;
  let cancel: () => void = () => undefined;

  const look = async (): Promise<void> => {
    const version = await fileVersion(path);
    if (version !== known) {
      asset = await readAsset(path);
      known = version;
      if (!closed) onChange();
    }
    if (!closed) cancel = clock.after(LOOK_MS, () => void look());
  };
  void look();
  return {
    now: () => asset,
    close: () => {
      closed = true;
      cancel();
    },
  };
}

async function readAsset(path: string): Promise<Asset> {
  try {
    const stats = await stat(path);
    if (!stats.isFile() || stats.size > MAX_BYTES) return { failed: 'it is no regular file of at most 1 MiB' };
    return { texts: { '': await readFile(path, 'utf8') } };
  } catch (error) {
    return errnoOf(error) === 'ENOENT' ? undefined : { failed: errnoOf(error) ?? 'unknown error' };
  }
}
