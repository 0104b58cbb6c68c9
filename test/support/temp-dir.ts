import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface TempDir extends AsyncDisposable {
  readonly path: string;
  /** Absolute path of something in it. */
  join(...parts: string[]): string;
}

/** A folder that goes when it is disposed of. Its path is short: a Unix socket's may have 107 bytes. */
export async function createTempDir(): Promise<TempDir> {
  const dir = await mkdtemp(path.join(tmpdir(), 'sw-'));
  return {
    path: dir,
    join: (...parts) => path.join(dir, ...parts),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}
