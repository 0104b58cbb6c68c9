import { randomBytes } from 'node:crypto';
import { readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { manualClock } from '../../test/support/manual-clock.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import type { TempDir } from '../../test/support/temp-dir.js';
import { silentLogger } from '../lib/logger.js';
import { METRIC_ACCESS, TENANT } from '../kube/kinds.js';
import { keepObject } from './kube-object.js';
import type { KubeObject } from './kube-object.js';
import { openMemory } from './memory.js';
import type { OpenMemory } from './memory.js';
import { stateFile } from './state-file.js';
import type { Remembered, StateFileOptions } from './state-file.js';

const HOUR_MS = 3_600_000;
let dir: TempDir;
beforeEach(async () => {
  dir = await createTempDir();
});
afterEach(async () => {
  await dir[Symbol.asyncDispose]();
});

function object(name: string): KubeObject {
  const kept = keepObject({ metadata: { namespace: 'shop', name, uid: name, generation: 3, creationTimestamp: '2026-01-01T00:00:00Z' }, spec: { metrics: ['up'] } }, undefined);
  if (kept === undefined) throw new Error('an object of a namespace is kept');
  return kept;
}

/** All that is remembered, with what JSON could not say. */
const REMEMBERED: Remembered = {
  accesses: new Map([[METRIC_ACCESS.plural, [object('one'), object('two')]]]),
  own: [{ kind: TENANT, object: object('tenant'), compiled: { ok: false, error: [{ place: 'spec', message: 'is missing' }] } }],
  endpoints: new Map([['/api/v1/pods', [{ namespace: 'mon', name: 'p', annotations: {}, addresses: ['::1'], ports: [{ name: 'web', port: 9090 }], anyPort: true }]]]),
};

function file(change: Partial<StateFileOptions> = {}): ReturnType<typeof stateFile> {
  return stateFile({ path: dir.join('state'), version: '1.0.0', subject: { namespace: 'mon' }, ...change });
}

describe('the file of the last state', () => {
  it('says what was written, and is for its owner only', async () => {
    await file().write(REMEMBERED);
    expect(await file().read()).toEqual({ ok: true, value: { remembered: REMEMBERED, confirmedMs: expect.any(Number) } });
    expect((await stat(dir.join('state'))).mode & 0o777).toBe(0o600);
  });

  it('that is not there is nothing to complain of, and neither is its removal', async () => {
    expect(await file().read()).toEqual({ ok: true, value: undefined });
    await file().remove();
  });

  it.each<[what: string, change: Partial<StateFileOptions>, why: string]>([
    ['of another version of the gateway', { version: '1.0.1' }, 'another version of the gateway wrote it'],
    ['of other settings', { subject: { namespace: 'shop' } }, 'it is of other settings'],
  ])('%s is not used', async (_what, change, why) => {
    await file().write(REMEMBERED);
    expect(await file(change).read()).toEqual({ ok: false, error: why });
  });

  it.each<[what: string, change: (content: Buffer) => Buffer, why: string]>([
    ['cut off', (content) => content.subarray(0, -1), 'it is damaged'],
    ['changed in one bit', (content) => Buffer.concat([content.subarray(0, -1), Buffer.from([(content.at(-1) ?? 0) ^ 1])]), 'it is damaged'],
    ['empty', () => Buffer.alloc(0), 'it is no such file'],
    ['something else', () => Buffer.from('{"kind":"something else"}\n'), 'it is no such file'],
  ])('that is %s is not used', async (_what, change, why) => {
    await file().write(REMEMBERED);
    await writeFile(dir.join('state'), change(await readFile(dir.join('state'))));
    expect(await file().read()).toEqual({ ok: false, error: why });
  });

  it('larger than a pod has room for is not written, and the one before stays', async () => {
    await file().write(REMEMBERED);
    const noise = randomBytes(2_000).toString('hex');
    await expect(file({ maxBytes: 2_000 }).write({ ...REMEMBERED, accesses: new Map([['x', [object(noise)]]]) })).rejects.toThrow(/more than 2000/);
    expect(await file().read()).toMatchObject({ value: { remembered: REMEMBERED } });
  });
});

describe('the memory', () => {
  const open = (options: Partial<Parameters<typeof openMemory>[0]> = {}): Promise<OpenMemory> => openMemory({ file: file(), rememberForMs: HOUR_MS, clock: manualClock(), wallMs: Date.now, logger: silentLogger, ...options });
  const confirmedAt = async (ms: number): Promise<void> => utimes(dir.join('state'), new Date(ms), new Date(ms));

  it.each([
    ['as old as allowed', HOUR_MS - 60_000, true],
    ['older', HOUR_MS + 60_000, false],
    ['from the future, since clocks are set', -HOUR_MS, true],
  ])('of a state that is %s', async (_what, ageMs, used) => {
    await file().write(REMEMBERED);
    await confirmedAt(Date.now() - ageMs);
    expect((await open()).last?.remembered).toEqual(used ? REMEMBERED : undefined);
  });

  it('that is turned off forgets what is there, and writes nothing', async () => {
    await file().write(REMEMBERED);
    const memory = await open({ rememberForMs: 0 });
    memory.changed(() => REMEMBERED);
    await memory.close();
    expect([memory.last, await file().read()]).toEqual([undefined, { ok: true, value: undefined }]);
  });

  it('writes the latest of several changes, a second after the first, and the rest when it closes', async () => {
    const clock = manualClock();
    const memory = await open({ clock });
    let made = 0;
    const change = (): void => memory.changed(() => ((made += 1), REMEMBERED));
    change();
    change();
    clock.advance(999);
    expect(made).toBe(0);
    clock.advance(1);
    change();
    await memory.close();
    expect(made).toBe(2);
    expect(await file().read()).toMatchObject({ value: { remembered: REMEMBERED } });
  });

  it('confirms what is still so, and only that', async () => {
    const clock = manualClock();
    await file().write(REMEMBERED);
    await confirmedAt(0);
    let isCurrent = false;
    const memory = await open({ clock, rememberForMs: Number.MAX_SAFE_INTEGER });
    memory.confirmWhile(() => isCurrent);
    clock.advance(30_000);
    await memory.close();
    expect(await file().read()).toMatchObject({ value: { confirmedMs: 0 } });
    isCurrent = true;
    memory.confirmWhile(() => isCurrent);
    clock.advance(30_000);
    await memory.close();
    expect(await file().read()).not.toMatchObject({ value: { confirmedMs: 0 } });
  });

  it('does without a folder that cannot be written', async () => {
    await writeFile(dir.join('blocked'), '');
    const memory = await open({ file: file({ path: dir.join('blocked/state') }) });
    memory.changed(() => REMEMBERED);
    await expect(memory.close()).resolves.toBeUndefined();
  });
});
