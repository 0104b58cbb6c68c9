import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import type { Remembered, StateFile } from './state-file.js';

/**
 * The last good state over a restart. What changes is written a moment later; what does not change is confirmed now and then, as long
 * as the cluster is heard of, so that the file's time says how old its word is.
 */
export interface OpenMemory {
  /** Of the process before; undefined where there is nothing that could be used. */
  readonly last: { readonly remembered: Remembered; readonly confirmedMs: number } | undefined;
  /** There is something new to remember: `make` is called when it is written. */
  changed(make: () => Remembered): void;
  /** From now on what was written is confirmed, for as long as it is still so. */
  confirmWhile(isCurrent: () => boolean): void;
  /** Writes what is not written yet. */
  close(): Promise<void>;
}

export interface MemoryOptions {
  readonly file: StateFile;
  /** Older than that it is not used; 0: nothing is remembered. */
  readonly rememberForMs: number;
  readonly clock: Clock;
  readonly wallMs: () => number;
  readonly logger: Logger;
}

/** How much of the last changes a process that is killed may forget. */
const WRITE_AFTER_MS = 1_000;
/** Under changes that do not end a write takes its share of the time and no more, so that much is forgotten. */
const REST_FACTOR = 50;
const MAX_REST_MS = 15_000;
const CONFIRM_EVERY_MS = 30_000;

export async function openMemory({ file, rememberForMs, clock, wallMs, logger }: MemoryOptions): Promise<OpenMemory> {
  if (rememberForMs === 0) {
    await file.remove();
    return { last: undefined, changed: () => {}, confirmWhile: () => {}, close: async () => {} };
  }
  const last = await readLast({ file, rememberForMs, wallMs, logger });
  let make: (() => Remembered) | undefined;
  let cancel = (): void => {};
  let cancelConfirm = (): void => {};
  let work: Promise<void> = Promise.resolve();
  let failed = false;
  const run = (what: () => Promise<void>): Promise<void> => {
    work = work.then(what).then(() => void (failed = false), (error: unknown) => {
      // Once, and not each second.
      if (!failed) logger.warn({ err: error }, 'what the cluster says cannot be kept for the next start');
      failed = true;
    });
    return work;
  };
  let restUntilMs = 0;
  const write = (): Promise<void> => {
    const now = make;
    make = undefined;
    cancel();
    if (now === undefined) return work;
    return run(async () => {
      const startMs = clock.nowMs();
      await file.write(now());
      const endMs = clock.nowMs();
      restUntilMs = endMs + Math.min(MAX_REST_MS, REST_FACTOR * (endMs - startMs));
    });
  };
  return {
    last,
    changed: (next) => {
      const waiting = make !== undefined;
      make = next;
      if (!waiting) cancel = clock.after(Math.max(WRITE_AFTER_MS, restUntilMs - clock.nowMs()), () => void write());
    },
    confirmWhile: (isCurrent) => {
      const again = (): void => {
        if (isCurrent() && !failed) void run(() => file.confirm());
        cancelConfirm = clock.after(CONFIRM_EVERY_MS, again);
      };
      cancelConfirm = clock.after(CONFIRM_EVERY_MS, again);
    },
    close: async () => {
      cancelConfirm();
      await write();
    },
  };
}

async function readLast({ file, rememberForMs, wallMs, logger }: Omit<MemoryOptions, 'clock'>): Promise<OpenMemory['last']> {
  const read = await file.read();
  if (!read.ok) {
    logger.warn({ why: read.error }, 'what the cluster said before the restart is not used');
    return undefined;
  }
  if (read.value === undefined) return undefined;
  const ageMs = wallMs() - read.value.confirmedMs;
  if (ageMs <= rememberForMs) return read.value;
  logger.warn({ ageS: Math.round(ageMs / 1_000), rememberForS: rememberForMs / 1_000 }, 'what the cluster said before the restart is too old, and is not used');
  return undefined;
}
