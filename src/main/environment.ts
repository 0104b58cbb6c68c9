import { readEnvironment } from '../config/env.js';
import type { Environment } from '../config/env.js';
import { formatFault } from '../lib/result.js';
import { UsageError } from './command.js';

/** The environment variables that we know; a bad one is a fault of the command line. */
export function environment(): Environment {
  const read = readEnvironment();
  if (read.ok) return read.value;
  throw new UsageError(read.error.map((fault) => formatFault(fault)).join('\n'));
}
