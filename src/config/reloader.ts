import { systemClock } from '../lib/clock.js';
import type { Clock } from '../lib/clock.js';
import { fileVersion } from '../lib/file-version.js';
import type { Fault } from '../lib/result.js';
import type { FileVersions } from './config-files.js';
import type { Loaded } from './load.js';

/**
 * Hot reload. The one idea: look at every file's version several times a second instead of asking the kernel for events. It sees what
 * events miss (a Kubernetes volume's link swap, network file systems, a file that was not there yet) and costs one `stat` a file.
 *
 * A file that is being written is read when it has been still for one look; a broken version changes nothing and is told once.
 */
export interface ReloaderOptions<T> {
  readonly load: () => Promise<Loaded<T>>;
  /** The version that runs now. */
  readonly loaded: Loaded<T>;
  /** Takes a new version; its faults mean that it was refused as a whole. */
  readonly apply: (value: T) => readonly Fault[];
  readonly onResult: (result: ReloadResult) => void;
  readonly clock?: Clock;
  /** Default: 150 ms: a revocation must take effect within a second, and a change is read at the second look. */
  readonly intervalMs?: number;
}

export interface ReloadResult {
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

export interface Reloader {
  /** Reads everything again, changed or not (SIGHUP). Resolves when it has taken effect or was refused. */
  reload(): Promise<void>;
  stop(): void;
}

export function startReloader<T>({ load, loaded, apply, onResult, clock = systemClock, intervalMs = 150 }: ReloaderOptions<T>): Reloader {
  let known = loaded.files;
  let seen: FileVersions | undefined;
  let running: Promise<void> = Promise.resolve();
  let stopped = false;
  let pauseMs = intervalMs;
  let cancel: () => void;

  async function reload(): Promise<void> {
    const { result, warnings, files } = await load();
    known = files;
    if (stopped) return;
    onResult({ faults: result.ok ? apply(result.value) : result.error, warnings });
  }
  /** One at a time, in the order asked for. */
  const queue = (work: () => Promise<void>): Promise<void> => (running = running.then(work));

  async function look(): Promise<void> {
    const startMs = clock.nowMs();
    const now = new Map<string, string>();
    for (const file of known.keys()) now.set(file, await fileVersion(file));
    const changed = !sameVersions(now, known);
    const still = seen !== undefined && sameVersions(now, seen);
    seen = now;
    // With thousands of files a look takes a while, and then comes less often; but never so rarely that a revocation waits.
    pauseMs = changed ? intervalMs : Math.min(3 * intervalMs, Math.max(intervalMs, 10 * (clock.nowMs() - startMs)));
    if (changed && still) await reload();
  }
  const schedule = (): void => {
    cancel = clock.after(pauseMs, () => {
      void queue(look).finally(() => {
        if (!stopped) schedule();
      });
    });
  };
  schedule();

  return {
    reload: () => queue(reload),
    stop: () => {
      stopped = true;
      cancel();
    },
  };
}

function sameVersions(a: FileVersions, b: FileVersions): boolean {
  return a.size === b.size && [...a].every(([file, version]) => b.get(file) === version);
}
