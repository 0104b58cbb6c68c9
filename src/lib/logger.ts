import { pino } from 'pino';
import type { Logger as PinoLogger, LevelWithSilent } from 'pino';

/** Structured logger: `logger.info({ agent, reason }, 'tunnel closed')`. */
export type Logger = PinoLogger;
export type LogLevel = LevelWithSilent;

/**
 * JSON lines on stderr's sibling: one object per line on the given file descriptor (1, stdout, by default).
 * Secrets never reach a logger; `redact` is the second line of defence for header objects.
 */
export function createLogger(level: LogLevel = 'info', base: Readonly<Record<string, string>> = {}): Logger {
  return pino({
    level,
    base,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: ['authorization', 'headers.authorization', 'headers["proxy-authorization"]', 'headers["x-api-key"]'], censor: '[redacted]' },
  });
}

/** Discards everything; for tests and for libraries whose caller gave no logger. */
export const silentLogger: Logger = pino({ level: 'silent' });
