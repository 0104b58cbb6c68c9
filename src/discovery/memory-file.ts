import { readFile, rename, writeFile } from 'node:fs/promises';
import { errnoOf } from '../lib/errno.js';
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import type { Target } from '../model/target.js';
import type { Remembered } from './inventory.js';

/**
 * The inventory over a restart: one JSON file, written a moment after a change and replaced as a whole. It is a help and not
 * the truth: without it, or with a broken one, the gateway waits for its agents as at the first start.
 */

const VERSION = 1;
const WRITE_AFTER_MS = 1000;

export interface MemoryFileOptions {
  readonly path: string;
  readonly logger: Logger;
  readonly clock: Clock;
  /** The registration's own check: what is read back is outside input as well. */
  readonly validate: (targets: unknown) => readonly Target[];
}

/** What was remembered; nothing where there is no file, or one of another kind. */
export async function readMemory({ path, logger, validate }: MemoryFileOptions): Promise<readonly Remembered[]> {
  try {
    const parsed: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (property(parsed, 'version') !== VERSION) return [];
    const agents = property(parsed, 'agents');
    return Array.isArray(agents) ? agents.flatMap((each) => readEntry(each, validate)) : [];
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') logger.warn({ err: error, path }, 'what agents offered before the restart cannot be read; waiting for them instead');
    return [];
  }
}

function readEntry(entry: unknown, validate: MemoryFileOptions['validate']): readonly Remembered[] {
  const [agent, awaySinceMs] = [property(entry, 'agent'), property(entry, 'awaySinceMs')];
  if (typeof agent !== 'string' || typeof awaySinceMs !== 'number') return [];
  return [{ agent, awaySinceMs, targets: validate(property(entry, 'targets')) }];
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

export interface MemoryWriter {
  /** Something changed. */
  touch(): void;
  /** Writes what is not written yet. */
  flush(): Promise<void>;
}

/** Writes `remembered()` some time after each `touch`, at most once a second. */
export function createMemoryWriter({ path, logger, clock, onFailure }: MemoryFileOptions & { readonly onFailure?: () => void }, remembered: () => readonly Remembered[]): MemoryWriter {
  let cancel: (() => void) | undefined;
  let writing: Promise<void> = Promise.resolve();
  const write = (): Promise<void> => {
    cancel?.();
    cancel = undefined;
    writing = writing.then(() => replaceFile(path, JSON.stringify({ version: VERSION, agents: remembered() }))).catch((error: unknown) => {
      logger.warn({ err: error, path }, 'what agents offer cannot be kept for the next start');
      onFailure?.();
    });
    return writing;
  };
  return {
    touch: () => {
      cancel ??= clock.after(WRITE_AFTER_MS, () => void write());
    },
    flush: () => (cancel === undefined ? writing : write()),
  };
}

async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}
