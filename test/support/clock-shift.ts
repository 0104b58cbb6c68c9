import { readFileSync } from 'node:fs';

/**
 * Preloaded into a process under test (`--import`), worker threads included: its wall clock is off by what a file says, from one reading
 * to the next, as when somebody sets the clock. The monotonic clock is not touched, nor what OpenSSL and Envoy think the time is.
 */

const file = process.env['CLOCK_SHIFT_FILE'] ?? '';
const now = Date.now.bind(Date);

function shiftMs(): number {
  try {
    return Number(readFileSync(file, 'utf8')) || 0;
  } catch {
    return 0;
  }
}

Date.now = () => now() + shiftMs();
