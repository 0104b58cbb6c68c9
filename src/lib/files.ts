import { randomUUID } from 'node:crypto';
import { link, mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';

/**
 * Files that appear whole or not at all: written beside their place, synced, then moved there.
 */

export interface FileToWrite {
  readonly path: string;
  readonly content: string | Uint8Array;
  /** 0o600 for keys, 0o644 for certificates. */
  readonly mode: number;
}

/** Writes a file. `replace: false` refuses (throws EEXIST) where there is one already, also when two processes race for it. */
export async function writeFileAtomically(file: FileToWrite, { replace }: { readonly replace: boolean }): Promise<void> {
  const directory = path.dirname(file.path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const temporary = path.join(directory, `.${path.basename(file.path)}.${randomUUID()}`);
  try {
    const handle = await open(temporary, 'wx', file.mode);
    try {
      await handle.writeFile(file.content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await (replace ? rename(temporary, file.path) : link(temporary, file.path));
  } finally {
    await rm(temporary, { force: true });
  }
}
