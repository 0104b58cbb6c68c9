import { parseArgs } from 'node:util';
import type { ParseArgsConfig } from 'node:util';

/** One subcommand of the command line. */
export interface Command {
  readonly name: string;
  /** `scrapeway <usage>` */
  readonly usage: string;
  readonly summary: string;
  /** Runs it; resolves with the exit code. Throws `UsageError` for a command line that makes no sense. */
  run(argv: readonly string[]): Promise<number>;
}

/** The command line cannot be understood: the message and the usage go to stderr, exit code 2. */
export class UsageError extends Error {}

/** `parseArgs`, strict, with its complaints as `UsageError`. */
export function parseCommandLine<T extends NonNullable<ParseArgsConfig['options']>>(argv: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** A line for a person on standard output. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A line for a person on standard error. */
export function complain(line: string): void {
  process.stderr.write(`${line}\n`);
}
