/**
 * Drain, then stop: the first SIGTERM or SIGINT drains within a bound, the second one ends the process at once
 * (facts/style.md, habit 17). Only src/main installs signal handlers or exits.
 */
import type { Logger } from '../lib/logger.js';

export interface ShutdownOptions {
  /** Finishes what is in flight and closes everything. */
  readonly drain: () => Promise<void>;
  /** After this long the process exits although `drain` has not ended. */
  readonly drainTimeoutMs: number;
  readonly logger: Logger;
}

/** Resolves with the exit code once a signal has been handled: 0 after a drain, 1 when it failed or ran out of time. */
export function untilShutdown({ drain, drainTimeoutMs, logger }: ShutdownOptions): Promise<number> {
  return new Promise((resolve) => {
    let signals = 0;
    const onSignal = (signal: NodeJS.Signals): void => {
      signals += 1;
      if (signals > 1) {
        logger.warn({ signal }, 'second signal: stopping at once');
        process.exit(1);
      }
      logger.info({ signal, drainTimeoutMs }, 'draining');
      const forced = setTimeout(() => {
        logger.error({ drainTimeoutMs }, 'drain did not end in time');
        resolve(1);
      }, drainTimeoutMs);
      drain().then(
        () => resolve(0),
        (error: unknown) => {
          logger.error({ err: error }, 'drain failed');
          resolve(1);
        },
      ).finally(() => clearTimeout(forced));
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}
