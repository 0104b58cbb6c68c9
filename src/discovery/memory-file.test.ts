import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { target } from '../../test/support/desired-state.js';
import { eventually } from '../../test/support/eventually.js';
import { manualClock } from '../../test/support/manual-clock.js';
import type { ManualClock } from '../../test/support/manual-clock.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import type { TempDir } from '../../test/support/temp-dir.js';
import type { Target } from '../model/target.js';
import type { Remembered } from './inventory.js';
import { createMemoryWriter, readMemory } from './memory-file.js';
import type { MemoryFileOptions } from './memory-file.js';

let dir: TempDir;
let clock: ManualClock;
let logged: string[];
let options: MemoryFileOptions;
beforeEach(async () => {
  dir = await createTempDir();
  clock = manualClock();
  logged = [];
  const known = [target('one'), target('two')];
  // stands for the registration's own check: what it does not know, it leaves out
  const validate = (targets: unknown): readonly Target[] => known.filter(({ name }) => JSON.stringify(targets).includes(`"${name}"`));
  options = { path: dir.join('memory.json'), clock, validate, logger: pino({ level: 'warn' }, { write: (line: string) => logged.push(line) }) };
});
afterEach(async () => dir[Symbol.asyncDispose]());

const REMEMBERED: readonly Remembered[] = [
  { agent: 'site-a', targets: [target('one'), target('two')], awaySinceMs: 1 },
  { agent: 'site-b', targets: [], awaySinceMs: 2 },
];

describe('what was written', () => {
  it('is read back', async () => {
    const writer = createMemoryWriter(options, () => REMEMBERED);
    writer.touch();
    await writer.flush();
    expect(await readMemory(options)).toEqual(REMEMBERED);
    expect((await stat(options.path)).mode & 0o777).toBe(0o600);
    expect(logged).toEqual([]);
  });

  it('is the state of the moment of writing, a second after the first touch', async () => {
    let now = [...REMEMBERED];
    const writer = createMemoryWriter(options, () => now);
    writer.touch();
    clock.advance(999);
    writer.touch();
    await expect(stat(options.path)).rejects.toMatchObject({ code: 'ENOENT' });
    now = now.slice(1);
    clock.advance(1);
    await eventually(async () => expect(await readMemory(options)).toEqual(REMEMBERED.slice(1)));
    now = [];
    clock.advance(10_000);
    await writer.flush();
    expect(await readMemory(options)).toEqual(REMEMBERED.slice(1));
  });

  it('cannot be kept: a warning, and the next time is tried again', async () => {
    await mkdir(`${options.path}.new`);
    const writer = createMemoryWriter(options, () => REMEMBERED);
    writer.touch();
    await writer.flush();
    expect(logged).toEqual([expect.stringContaining('cannot be kept')]);
    const other = createMemoryWriter({ ...options, path: dir.join('other.json') }, () => REMEMBERED);
    other.touch();
    await other.flush();
    expect(await readFile(dir.join('other.json'), 'utf8')).toContain('"site-a"');
  });

  it('is nothing where nothing was touched', async () => {
    await createMemoryWriter(options, () => REMEMBERED).flush();
    await expect(stat(options.path)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('what cannot be used', () => {
  it('no file: nothing, without a word', async () => {
    expect(await readMemory(options)).toEqual([]);
    expect(logged).toEqual([]);
  });

  it.each(['', '{"version":1,"agents":[', 'not JSON', '\0\0\0'])('a broken file (%j): nothing, with a warning', async (text) => {
    await writeFile(options.path, text);
    expect(await readMemory(options)).toEqual([]);
    expect(logged).toEqual([expect.stringContaining('cannot be read; waiting for them instead')]);
  });

  it.each(['null', '[]', '7', '{}', '{"version":2,"agents":[{"agent":"site-a","awaySinceMs":1,"targets":[]}]}', '{"version":1}', '{"version":1,"agents":{}}'])(
    'a file of another version or shape (%s): nothing',
    async (text) => {
      await writeFile(options.path, text);
      expect(await readMemory(options)).toEqual([]);
    },
  );

  it('bad entries are left out, the good ones stay', async () => {
    const agents = [null, 7, { agent: 7, awaySinceMs: 1 }, { agent: 'x' }, { agent: 'y', awaySinceMs: '1' }, { agent: 'site-a', awaySinceMs: 1, targets: [{ name: 'one' }, { name: 'evil' }] }];
    await writeFile(options.path, JSON.stringify({ version: 1, agents }));
    expect(await readMemory(options)).toEqual([{ agent: 'site-a', awaySinceMs: 1, targets: [target('one')] }]);
  });
});
