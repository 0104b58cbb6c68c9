import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createTempDir } from '../../../test/support/temp-dir.js';
import type { TempDir } from '../../../test/support/temp-dir.js';
import type { Cursor, RecordRef } from './segment.js';
import { Spool } from './spool.js';
import type { SpoolOptions } from './spool.js';

let dir: TempDir;
let spools: Spool[];
beforeEach(async () => {
  dir = await createTempDir();
  spools = [];
});
afterEach(async () => {
  for (const each of spools) each.close();
  await dir[Symbol.asyncDispose]();
});

function open(options: Partial<SpoolOptions> = {}): Spool {
  const spool = new Spool({ folder: dir.path, maxBytes: 1024 * 1024, ...options });
  spools.push(spool);
  return spool;
}

function append(spool: Spool, ...payloads: readonly string[]): readonly RecordRef[] {
  return payloads.map((text) => spool.append({ kind: 'data', group: 1, groups: 4, samples: 2, newestMs: 1_700_000_000_000, certainty: 'doubtful' }, Buffer.from(text)));
}

function texts(spool: Spool, from: Cursor = spool.start): readonly string[] {
  const found: string[] = [];
  for (let ref = spool.next(from); ref !== undefined; ref = spool.next({ segment: ref.segment, offset: ref.offset + 1 })) found.push(spool.read(ref)?.toString() ?? '?');
  return found;
}

function lastSegment(): string {
  return dir.join(readdirSync(dir.path).toSorted().at(-1) ?? '');
}

describe('a spool', () => {
  it('gives back what was appended, from any place on', () => {
    const spool = open();
    const [, second] = append(spool, 'a', 'b', 'c');
    expect(texts(spool)).toEqual(['a', 'b', 'c']);
    expect(texts(spool, second)).toEqual(['b', 'c']);
    expect(spool.samplesFrom(second ?? spool.end)).toBe(4);
    expect(spool.next(spool.end)).toBeUndefined();
  });

  it('is the same after a restart, heads included', () => {
    append(open(), 'a', 'b');
    const again = open();
    append(again, 'c');
    expect(texts(again)).toEqual(['a', 'b', 'c']);
    expect(again.next(again.start)).toMatchObject({ kind: 'data', group: 1, groups: 4, samples: 2, newestMs: 1_700_000_000_000, certainty: 'doubtful' });
    expect(again.tornBytes).toBe(0);
  });

  it.each<readonly [string, (file: string) => void]>([
    ['a part of a record at its end', (file) => appendFileSync(file, Buffer.from([9, 0, 0, 0, 1, 2, 3]))],
    ['zeros at its end', (file) => appendFileSync(file, Buffer.alloc(100))],
    ['a last record with a wrong bit', (file) => {
      append(open(), 'x');
      const bytes = readFileSync(lastSegment());
      bytes[bytes.length - 1] = 0;
      writeFileSync(lastSegment(), bytes);
      expect(file).not.toBe(lastSegment());
    }],
  ])('starts without %s', (_, spoil) => {
    append(open(), 'a', 'b');
    spoil(lastSegment());
    const again = open();
    expect(again.tornBytes).toBeGreaterThan(0);
    append(again, 'c');
    expect(texts(again)).toEqual(['a', 'b', 'c']);
  });

  it('keeps segments as long as somebody needs them', () => {
    const spool = open({ segmentBytes: 40 });
    let needed: Cursor = spool.start;
    spool.hold(() => needed);
    append(spool, 'aaaaaaaaaa', 'bbbbbbbbbb', 'cccccccccc');
    spool.prune();
    expect(texts(spool)).toHaveLength(3);
    needed = spool.end;
    spool.prune();
    expect(texts(spool)).toEqual(['cccccccccc']);
    expect(readdirSync(dir.path)).toHaveLength(1);
  });

  it('drops the oldest where there is no room, and says which', () => {
    const dropped: RecordRef[] = [];
    const spool = open({ maxBytes: 400, segmentBytes: 100, onDropped: (refs) => dropped.push(...refs) });
    spool.hold(() => ({ segment: 0, offset: 0 }));
    append(spool, ...Array.from({ length: 20 }, (_, index) => `record ${index}`.padEnd(20)));
    expect(spool.bytes).toBeLessThanOrEqual(400);
    expect(dropped.length + texts(spool).length).toBe(20);
    expect(texts(spool).at(-1)?.trim()).toBe('record 19');
  });

  it('tells its listeners of each record', () => {
    const spool = open();
    let told = 0;
    const stop = spool.onAppend(() => (told += 1));
    append(spool, 'a', 'b');
    stop();
    append(spool, 'c');
    expect(told).toBe(2);
  });
});
