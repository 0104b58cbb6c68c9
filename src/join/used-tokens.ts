/**
 * Which tokens were used, until they expire: a token that has expired is refused anyway, so that the list cannot grow for ever. It is
 * on disk before the certificate is out. The key that a token was used for is kept with it: the same request may come again, since an
 * answer can be lost on the way.
 */
import { readFile } from 'node:fs/promises';
import { writeFileAtomically } from '../lib/files.js';
import type { JoinToken } from './token.js';

export interface UsedTokens {
  /** False: it was used for another key. Rejects where that cannot be written down. */
  use(token: JoinToken, keyFingerprint: string): Promise<boolean>;
}

interface Use {
  readonly key: string;
  readonly expiresMs: number;
}

/** `wallMs`: ms since the epoch. A file that cannot be read is as good as none: tokens live for an hour or so. */
export async function openUsedTokens(path: string, wallMs: () => number): Promise<UsedTokens> {
  const uses = await readUses(path);
  let writing: Promise<unknown> = Promise.resolve();
  return {
    use: async (token, key) => {
      for (const [id, { expiresMs }] of uses) if (expiresMs <= wallMs()) uses.delete(id);
      const before = uses.get(token.id);
      if (before !== undefined && before.key !== key) return false;
      uses.set(token.id, { key, expiresMs: token.expiresMs });
      const write = writing.then(() => writeFileAtomically({ path, content: JSON.stringify([...uses]), mode: 0o600 }, { replace: true }));
      writing = write.catch(() => undefined);
      await write;
      return true;
    },
  };
}

async function readUses(path: string): Promise<Map<string, Use>> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    return new Map(Array.isArray(value) ? value.filter(isEntry) : []);
  } catch {
    return new Map();
  }
}

function isEntry(value: unknown): value is [string, Use] {
  if (!Array.isArray(value) || typeof value[0] !== 'string') return false;
  const { key, expiresMs }: { key?: unknown; expiresMs?: unknown } = typeof value[1] === 'object' && value[1] !== null ? value[1] : {};
  return typeof key === 'string' && typeof expiresMs === 'number';
}
