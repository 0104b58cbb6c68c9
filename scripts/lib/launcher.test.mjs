import { describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './run.mjs';

const launcher = fileURLToPath(new URL('../../bin/scrapeway', import.meta.url));

describe('bin/scrapeway', () => {
  it('runs on the project’s Node where the machine has none, from any folder, through a link', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'scrapeway-'));
    try {
      symlinkSync(launcher, join(dir, 'scrapeway'));
      const version = await run(join(dir, 'scrapeway'), ['version'], { cwd: dir, env: { PATH: '/usr/bin:/bin' }, timeoutMs: 30_000 });
      expect(version).toMatch(/^\d+\.\d+\.\d+/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
