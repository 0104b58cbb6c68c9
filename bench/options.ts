import { parseArgs } from 'node:util';
import { err, ok } from '../src/lib/result.js';
import type { Result } from '../src/lib/result.js';

/** The command line of `npm run bench`. Pure. */

export interface BenchOptions {
  readonly rounds: number;
  /** Measured time of each round, s. */
  readonly seconds: number;
  readonly agents: number;
  /** Scrapes in flight, each on a connection of its own that is kept alive. */
  readonly connections: number;
  /** What a target answers, bytes of gzip. */
  readonly bodyBytes: number;
  /** Names of contestants; undefined: all. */
  readonly only: readonly string[] | undefined;
}

const MIN_BODY_BYTES = 100;
const MAX_BODY_BYTES = 100 * 1024 * 1024;

export const USAGE = 'npm run bench -- [--rounds 5] [--seconds 8] [--agents 1000] [--connections 100] [--body 6144] [--only NAME,NAME…]';

export function readOptions(argv: readonly string[], contestants: readonly string[]): Result<BenchOptions, string> {
  const text = { type: 'string' } as const;
  let values: Readonly<Record<'rounds' | 'seconds' | 'agents' | 'connections' | 'body' | 'only', string | undefined>>;
  try {
    const defaults = { rounds: '5', seconds: '8', agents: '1000', connections: '100', body: '6144', only: undefined };
    values = { ...defaults, ...parseArgs({ args: [...argv], options: { rounds: text, seconds: text, agents: text, connections: text, body: text, only: text } }).values };
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error));
  }
  const only = values.only?.split(',');
  const unknown = only?.filter((name) => !contestants.includes(name)) ?? [];
  if (unknown.length > 0) return err(`no contestant ${unknown.join(', ')}; there are ${contestants.join(', ')}`);
  const counts = { rounds: Number(values.rounds), seconds: Number(values.seconds), agents: Number(values.agents), connections: Number(values.connections) };
  const bad = Object.entries(counts).find(([, value]) => !Number.isInteger(value) || value < 1 || value > 100_000);
  if (bad !== undefined) return err(`--${bad[0]} must be a whole number from 1 to 100000`);
  const bodyBytes = Number(values.body);
  return Number.isInteger(bodyBytes) && bodyBytes >= MIN_BODY_BYTES && bodyBytes <= MAX_BODY_BYTES
    ? ok({ ...counts, bodyBytes, only })
    : err(`--body must be a whole number of bytes from ${MIN_BODY_BYTES} to ${MAX_BODY_BYTES}`);
}
