import { rename, writeFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { eventually } from '../../../../test/support/eventually.js';
import { manualClock } from '../../../../test/support/manual-clock.js';
import { createTempDir } from '../../../../test/support/temp-dir.js';
import { followFile } from './file-asset.js';

describe('a file that objects may refer to', () => {
  it('is waited for, read, and read again when it rotates', async () => {
    await using dir = await createTempDir();
    const clock = manualClock();
    const path = dir.join('token');
    let changes = 0;
    const file = followFile(path, clock, () => void (changes += 1));
    expect(file.now()).toBe('pending');
    const becomes = (expected: unknown): Promise<void> =>
      eventually(() => {
        clock.advance(5000);
        expect(file.now()).toEqual(expected);
      });
    await becomes(undefined);
    await writeFile(path, 'one');
    await becomes({ texts: { '': 'one' } });
    const [before, told] = [file.now(), changes];
    clock.advance(5000);
    expect(file.now()).toBe(before);
    await writeFile(dir.join('next'), 'two');
    await rename(dir.join('next'), path);
    await becomes({ texts: { '': 'two' } });
    expect(changes).toBeGreaterThan(told);
    file.close();
  });

  it('is not read where it is none', async () => {
    const file = followFile('/dev/zero', manualClock(), () => undefined);
    await eventually(() => expect(file.now()).toEqual({ failed: 'it is no regular file of at most 1 MiB' }));
    file.close();
  });
});
