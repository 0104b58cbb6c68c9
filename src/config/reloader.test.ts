import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Clock } from '../lib/clock.js';
import { err, ok } from '../lib/result.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import type { TempDir } from '../../test/support/temp-dir.js';
import { manualClock } from '../../test/support/manual-clock.js';
import { ConfigFiles } from './config-files.js';
import type { Loaded } from './load.js';
import { startReloader } from './reloader.js';
import type { Reloader } from './reloader.js';

let dir: TempDir;
beforeEach(async () => {
  dir = await createTempDir();
});
afterEach(async () => dir[Symbol.asyncDispose]());

/** A clock whose next look can be awaited: a look ends by asking for the next one. */
function steppedClock(): { readonly clock: Clock; readonly look: () => Promise<void>; readonly waiting: () => number } {
  const manual = manualClock();
  let asked: (() => void) | undefined;
  let waiting = 0;
  const clock: Clock = {
    nowMs: manual.nowMs,
    after: (delayMs, callback) => {
      waiting += 1;
      asked?.();
      const cancel = manual.after(delayMs, () => {
        waiting -= 1;
        callback();
      });
      return () => {
        waiting -= 1;
        cancel();
      };
    },
  };
  const look = async (): Promise<void> => {
    const next = new Promise<void>((resolve) => {
      asked = resolve;
    });
    manual.advance(1000);
    await next;
  };
  return { clock, look, waiting: () => waiting };
}

interface Rig {
  readonly reloader: Reloader;
  /** What took effect, and what was told of the others. */
  readonly log: readonly string[];
  readonly look: () => Promise<void>;
  readonly waiting: () => number;
}

/** A configuration of two files, `main` and the one that it names; a text with "bad" in it is broken. */
async function start(main: string, refuse = ''): Promise<Rig> {
  const log: string[] = [];
  const { clock, look, waiting } = steppedClock();
  const load = async (): Promise<Loaded<string>> => {
    const files = new ConfigFiles();
    const text = await files.read(main);
    const other = text.ok && text.value.startsWith('+') ? await files.read(dir.join('other')) : ok('');
    const value = text.ok && other.ok ? text.value + other.value : undefined;
    const message = value?.includes('bad') === true ? 'is bad' : [text, other].map((each) => (each.ok ? '' : each.error)).join('');
    return { result: value === undefined || message !== '' ? err([{ place: '', message }]) : ok(value), warnings: [], files: files.versions };
  };
  const reloader = startReloader({
    load,
    loaded: await load(),
    apply: (value) => {
      if (value === refuse) return [{ place: '', message: `refused ${value}` }];
      log.push(`applied ${value}`);
      return [];
    },
    onResult: ({ faults }) => log.push(...faults.map(({ message }) => `told ${message}`)),
    clock,
  });
  return { reloader, log, look, waiting };
}

describe('a reload', () => {
  it('does not come while nothing changes', async () => {
    await writeFile(dir.join('main'), 'one');
    const { log, look } = await start(dir.join('main'));
    for (let i = 0; i < 5; i += 1) await look();
    expect(log).toEqual([]);
  });

  it('comes when the file has changed and then been still for one look, once', async () => {
    await writeFile(dir.join('main'), 'one');
    const { log, look } = await start(dir.join('main'));
    await look();
    await writeFile(dir.join('main'), 'second');
    await look();
    expect(log).toEqual([]);
    await look();
    expect(log).toEqual(['applied second']);
    await look();
    await look();
    expect(log).toEqual(['applied second']);
  });

  it('does not read a file that is still being written', async () => {
    await writeFile(dir.join('main'), 'one');
    const { log, look } = await start(dir.join('main'));
    for (const part of ['s', 'se', 'sec', 'seco', 'secon', 'second']) {
      await writeFile(dir.join('main'), part);
      await look();
    }
    expect(log).toEqual([]);
    await look();
    expect(log).toEqual(['applied second']);
  });

  it('comes when a file that the configuration names changes', async () => {
    await writeFile(dir.join('main'), '+');
    await writeFile(dir.join('other'), 'one');
    const { log, look } = await start(dir.join('main'));
    await writeFile(dir.join('other'), 'second');
    await look();
    await look();
    expect(log).toEqual(['applied +second']);
  });

  it('watches files that a new version names, and no more those that only the old one named', async () => {
    await writeFile(dir.join('main'), 'one');
    await writeFile(dir.join('other'), 'x');
    const { log, look } = await start(dir.join('main'));
    await writeFile(dir.join('main'), '+second');
    await look();
    await look();
    await writeFile(dir.join('other'), 'yy');
    await look();
    await look();
    await writeFile(dir.join('main'), 'third');
    await look();
    await look();
    await writeFile(dir.join('other'), 'zzz');
    await look();
    await look();
    expect(log).toEqual(['applied +secondx', 'applied +secondyy', 'applied third']);
  });

  it('follows links, as Kubernetes swaps them', async () => {
    const version = async (name: string, text: string): Promise<void> => {
      await mkdir(dir.join(name));
      await writeFile(dir.join(name, 'main'), text);
    };
    await version('..v1', 'one');
    await version('..v2', 'two');
    await symlink('..v1', dir.join('..data'));
    await symlink('..data/main', dir.join('main'));
    const { log, look } = await start(dir.join('main'));
    await symlink('..v2', dir.join('..data_tmp'));
    await rename(dir.join('..data_tmp'), dir.join('..data'));
    await rm(dir.join('..v1'), { recursive: true });
    await look();
    await look();
    expect(log).toEqual(['applied two']);
  });
});

describe('a broken version', () => {
  it('changes nothing and is told once; when it is mended, it takes effect', async () => {
    await writeFile(dir.join('main'), 'one');
    const { log, look } = await start(dir.join('main'));
    await writeFile(dir.join('main'), 'bad thing');
    for (let i = 0; i < 5; i += 1) await look();
    expect(log).toEqual(['told is bad']);
    await writeFile(dir.join('main'), 'mended');
    for (let i = 0; i < 5; i += 1) await look();
    expect(log).toEqual(['told is bad', 'applied mended']);
  });

  it('may be one that only the other side refuses', async () => {
    await writeFile(dir.join('main'), 'one');
    const { log, look } = await start(dir.join('main'), 'odd');
    await writeFile(dir.join('main'), 'odd');
    for (let i = 0; i < 4; i += 1) await look();
    expect(log).toEqual(['told refused odd']);
  });

  it('may be no file at all, for a while', async () => {
    await writeFile(dir.join('main'), '+');
    await writeFile(dir.join('other'), 'one');
    const { log, look } = await start(dir.join('main'));
    await rm(dir.join('other'));
    for (let i = 0; i < 4; i += 1) await look();
    expect(log).toEqual(['told does not exist']);
    await writeFile(dir.join('other'), 'again');
    for (let i = 0; i < 4; i += 1) await look();
    expect(log).toEqual(['told does not exist', 'applied +again']);
  });
});

describe('a reload that is asked for', () => {
  it('reads at once, changed or not, and resolves when it has taken effect', async () => {
    await writeFile(dir.join('main'), 'one');
    const { reloader, log, look } = await start(dir.join('main'));
    await reloader.reload();
    await writeFile(dir.join('main'), 'second');
    await reloader.reload();
    expect(log).toEqual(['applied one', 'applied second']);
    await look();
    await look();
    expect(log).toEqual(['applied one', 'applied second']);
  });

  it('tells of a broken version each time', async () => {
    await writeFile(dir.join('main'), 'bad');
    const { reloader, log } = await start(dir.join('main'));
    await reloader.reload();
    await reloader.reload();
    expect(log).toEqual(['told is bad', 'told is bad']);
  });

  it('waits for the one before it', async () => {
    await writeFile(dir.join('main'), 'one');
    const { reloader, log } = await start(dir.join('main'));
    await Promise.all([reloader.reload(), reloader.reload(), reloader.reload()]);
    expect(log).toEqual(['applied one', 'applied one', 'applied one']);
  });
});

describe('a stopped reloader', () => {
  it('waits for nothing and changes nothing any more', async () => {
    await writeFile(dir.join('main'), 'one');
    const { reloader, log, waiting } = await start(dir.join('main'));
    const underWay = reloader.reload();
    reloader.stop();
    await underWay;
    expect(log).toEqual([]);
    expect(waiting()).toBe(0);
  });
});
