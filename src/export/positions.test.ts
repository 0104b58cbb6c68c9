import { writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { createTempDir } from '../../test/support/temp-dir.js';
import { loadPositions, Positions, savePositions } from './positions.js';

const AT = { segment: 3, offset: 77 };
const PROGRESS = { collectedMs: 1_700_000_000_000, shape: 'shape' };

function positions(...entries: readonly (readonly [labels: string, lastMs: number, isLive: boolean])[]): Positions {
  const made = new Positions();
  for (const [labels, lastMs, isLive] of entries) Object.assign(made.of(labels), { lastMs, isLive });
  return made;
}

describe('positions', () => {
  it('are the same after a restart, whatever bytes labels have', async () => {
    await using dir = await createTempDir();
    savePositions(dir.join('positions'), positions(['a\u00ff\u0000', 1_700_000_000_001, true], ['b', -5, false], ['never sent', -Infinity, false]), PROGRESS, AT);
    const loaded = loadPositions(dir.join('positions'));
    expect(loaded).toMatchObject({ progress: PROGRESS, at: AT });
    expect([...(loaded?.positions ?? [])].map(({ labels, lastMs, isLive }) => [labels, lastMs, isLive])).toEqual([['a\u00ff\u0000', 1_700_000_000_001, true], ['b', -5, false]]);
  });

  it.each([['nothing', undefined], ['half of them', 40], ['garbage', 0]])('of which there is %s are none', async (_, bytes) => {
    await using dir = await createTempDir();
    const path = dir.join('positions');
    if (bytes !== undefined) writeFileSync(path, Buffer.alloc(bytes, 7));
    expect(loadPositions(path)).toBeUndefined();
  });

  it('of series that no window can bring again are forgotten', () => {
    const some = positions(['old', 99, true], ['young', 100, true]);
    some.forgetBefore(100);
    expect([...some].map(({ labels }) => labels)).toEqual(['young']);
  });

  it('know which series have not been seen, and have not ended', () => {
    const some = positions(['seen', 1, true], ['unseen', 1, true], ['ended', 1, false]);
    some.of('seen').round = 2;
    expect([...some.unseen(2)].map(({ labels }) => labels)).toEqual(['unseen']);
  });
});
