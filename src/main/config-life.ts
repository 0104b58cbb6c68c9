import { isDeepStrictEqual } from 'node:util';
import type { Registry } from 'prom-client';
import type { Loaded } from '../config/load.js';
import { startReloader } from '../config/reloader.js';
import { formatFault } from '../lib/result.js';
import type { Fault } from '../lib/result.js';
import type { Logger } from '../lib/logger.js';
import { complain, parseCommandLine, UsageError } from './command.js';
import { createReloadMetrics } from './reload-metrics.js';

/** A configuration file in the life of a process: named on the command line, read at the start, read again when it changes. */

/** The FILE of `-c FILE`. */
export function configFile(argv: readonly string[]): string {
  const { values, positionals } = parseCommandLine(argv, { config: { type: 'string', short: 'c' } });
  if (positionals.length > 0) throw new UsageError(`unexpected "${positionals.join(' ')}"`);
  if (values.config === undefined) throw new UsageError('-c FILE is missing');
  return values.config;
}

/** A version of the configuration that had no fault, with all that was read for it. */
export interface FirstLoad<T> {
  readonly value: T;
  readonly loaded: Loaded<T>;
}

/** Reads the file for the first time. Undefined: it has faults, and they have been told. */
export async function firstLoad<T>(file: string, load: (file: string) => Promise<Loaded<T>>): Promise<FirstLoad<T> | undefined> {
  const loaded = await load(file);
  for (const warning of loaded.warnings) complain(`warning: ${formatFault(warning, file)}`);
  if (loaded.result.ok) return { value: loaded.result.value, loaded };
  for (const fault of loaded.result.error) complain(formatFault(fault, file));
  return undefined;
}

export interface ReloadingOptions<T> {
  readonly file: string;
  readonly first: FirstLoad<T>;
  readonly load: () => Promise<Loaded<T>>;
  readonly apply: (value: T) => readonly Fault[];
  /** What takes effect at the next start only. */
  readonly fixedPart: (value: T) => unknown;
  readonly logger: Logger;
  readonly registry: Registry;
}

/** Reads the file again when it, or a file that it names, changes, and on SIGHUP; a version with a fault changes nothing. */
export function startReloading<T>({ file, first, load, apply, fixedPart, logger, registry }: ReloadingOptions<T>): { stop(): void } {
  const metrics = createReloadMetrics(registry);
  metrics.result(true);
  const running = fixedPart(first.value);
  const reloader = startReloader<T>({
    load,
    loaded: first.loaded,
    apply: (value) => {
      if (!isDeepStrictEqual(fixedPart(value), running)) logger.warn('some of what changed in the configuration takes effect at the next start only (docs/configuration.md says which)');
      return apply(value);
    },
    onResult: ({ faults, warnings }) => {
      metrics.result(faults.length === 0);
      for (const warning of warnings) logger.warn({ place: formatFault(warning, file) }, 'configuration');
      if (faults.length === 0) logger.info({ file }, 'configuration taken');
      else logger.error({ file, faults: faults.map((fault) => formatFault(fault, file)) }, 'configuration refused; the last good one stays');
    },
  });
  const onHangUp = (): void => void reloader.reload();
  process.on('SIGHUP', onHangUp);
  return {
    stop: () => {
      process.off('SIGHUP', onHangUp);
      reloader.stop();
    },
  };
}
