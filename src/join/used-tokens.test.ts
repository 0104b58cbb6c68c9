import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { createTempDir } from '../../test/support/temp-dir.js';
import type { TempDir } from '../../test/support/temp-dir.js';
import { openUsedTokens } from './used-tokens.js';

let dir: TempDir;
beforeEach(async () => {
  dir = await createTempDir();
});
afterEach(async () => {
  await dir[Symbol.asyncDispose]();
});

const token = (id: string, expiresMs = 1000) => ({ id, agent: 'a', expiresMs, joinAt: 'x', gateway: 'x', caFingerprint: 'x' });

describe('used tokens', () => {
  it('are used once, also after a restart; the same key may ask again, since an answer can be lost', async () => {
    const first = await openUsedTokens(dir.join('used'), () => 0);
    expect(await first.use(token('t'), 'key-1')).toBe(true);
    expect(await first.use(token('t'), 'key-2')).toBe(false);
    const second = await openUsedTokens(dir.join('used'), () => 0);
    expect(await second.use(token('t'), 'key-2')).toBe(false);
    expect(await second.use(token('t'), 'key-1')).toBe(true);
    expect((await stat(dir.join('used'))).mode & 0o777).toBe(0o600);
  });

  it('used at the same moment by two: one gets it', async () => {
    const used = await openUsedTokens(dir.join('used'), () => 0);
    expect((await Promise.all(['1', '2', '3'].map((key) => used.use(token('t'), key)))).filter((each) => each)).toHaveLength(1);
  });

  it('are forgotten when they have expired', async () => {
    let now = 0;
    const used = await openUsedTokens(dir.join('used'), () => now);
    await used.use(token('old', 1000), 'k');
    now = 1000;
    await used.use(token('new', 2000), 'k');
    expect(await readFile(dir.join('used'), 'utf8')).not.toContain('old');
  });

  it('that cannot be written down give no certificate', async () => {
    await writeFile(dir.join('file'), '');
    const used = await openUsedTokens(dir.join('file/used'), () => 0);
    await expect(used.use(token('t'), 'k')).rejects.toThrow();
  });

  it('in a file that is broken count as none', async () => {
    await writeFile(dir.join('used'), '[["x",{"key":1}],[');
    expect(await (await openUsedTokens(dir.join('used'), () => 0)).use(token('x'), 'k')).toBe(true);
  });
});
