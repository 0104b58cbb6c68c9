import { writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { createTempDir } from '../../test/support/temp-dir.js';
import { Positions } from './positions.js';
import { loadPositions, savePositions } from './positions-file.js';

const AT = { segment: 3, offset: 77 };
const PROGRESS = { collectedMs: 1_700_000_000_000, shape: 'shape' };

const labelled = (name: string) => [{ name: '__name__', value: name }, { name: 'job', value: 'app' }];

function positions(...entries: readonly (readonly [name: string, lastMs: number, isLive: boolean])[]): Positions {
  const made = new Positions();
  for (const [name, lastMs, isLive] of entries) made.move(made.of(labelled(name)), lastMs, isLive);
  return made;
}

const named = (all: Positions, number: number): string | undefined => all.labelsOf(number)[0]?.value;
const contentOf = (all: Positions): readonly unknown[] => Array.from({ length: all.size }, (_, number) => [named(all, number), all.lastMs(number), all.isLive(number)]);

describe('positions', () => {
  it('are of labels, in whichever order and form they come', () => {
    const some = new Positions();
    const number = some.of([{ name: 'job', value: 'a\u{1F600}' }, { name: '__name__', value: 'up' }]);
    const packed = Buffer.concat([Buffer.from('0a0e0a085f5f6e616d655f5f12027570', 'hex'), Buffer.from('0a0c0a036a6f621205', 'hex'), Buffer.from('a\u{1F600}')]);
    expect(some.ofPacked(packed, 0, packed.length)).toBe(number);
    expect(some.of([{ name: '__name__', value: 'up' }])).not.toBe(number);
    expect(some.labelsOf(number)).toEqual([{ name: '__name__', value: 'up' }, { name: 'job', value: 'a\u{1F600}' }]);
  });

  it('are many, and each its own', () => {
    const some = new Positions();
    const numbers = Array.from({ length: 5000 }, (_, index) => some.of(labelled(`series_${index}`)));
    expect(new Set(numbers).size).toBe(5000);
    expect(numbers.map((_, index) => some.of(labelled(`series_${index}`)))).toEqual(numbers);
  });

  it('are the same after a restart, whatever bytes labels have', async () => {
    await using dir = await createTempDir();
    savePositions(dir.join('positions'), positions(['a\u00ff\u0000', 1_700_000_000_001, true], ['never sent', -Infinity, false], ['b', -5, false]), PROGRESS, AT);
    const loaded = loadPositions(dir.join('positions'));
    expect(loaded).toMatchObject({ progress: PROGRESS, at: AT });
    expect(contentOf(loaded?.positions ?? new Positions())).toEqual([['a\u00ff\u0000', 1_700_000_000_001, true], ['b', -5, false]]);
  });

  it('have hashes that outlive the process, for shards are made of them', () => {
    const [one, other] = [positions(['a', 1, true], ['b', 1, true]), positions(['b', 1, true], ['a', 1, true])];
    expect([one.hash(0), one.hash(1)]).toEqual([other.hash(1), other.hash(0)]);
    expect(one.hash(0)).not.toBe(one.hash(1));
  });

  it.each([['nothing', undefined], ['half of them', 40], ['garbage', 0]])('of which there is %s are none', async (_, bytes) => {
    await using dir = await createTempDir();
    const path = dir.join('positions');
    if (bytes !== undefined) writeFileSync(path, Buffer.alloc(bytes, 7));
    expect(loadPositions(path)).toBeUndefined();
  });

  it('of series that no window can bring again are forgotten, and leave their room when they are many', () => {
    const some = positions(['young', 100, true], ['old', 99, true]);
    some.forgetBefore(100);
    expect(contentOf(some)).toEqual([['young', 100, true], ['old', -Infinity, false]]);
    expect(some.compact()).toBe(false);
    for (let index = 0; index < 2000; index += 1) some.move(some.of(labelled(`gone_${index}`)), 99, true);
    some.forgetBefore(100);
    expect(some.compact()).toBe(true);
    expect(contentOf(some)).toEqual([['young', 100, true]]);
    expect(some.symbols.size).toBe(4);
  });

  it('know which series have not been seen, and have not ended', () => {
    const some = positions(['seen', 1, true], ['unseen', 1, true], ['ended', 1, false]);
    some.see(some.of(labelled('seen')), 2);
    expect([...some.unseen(2)].map((number) => named(some, number))).toEqual(['unseen']);
  });
});
