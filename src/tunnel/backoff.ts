/**
 * Reconnect with full jitter: the n-th pause is a random time between 0 and min(max, base × 2^n). A thousand agents that
 * lost one gateway at the same moment come back spread out, not in waves.
 */
export interface BackoffOptions {
  readonly baseMs: number;
  readonly maxMs: number;
}

export interface Backoff {
  /** The next pause, ms. Never below a tenth of its bound, so that a refusing gateway is not hammered. */
  next(): number;
  /** Back to the beginning: the tunnel was good. */
  reset(): void;
}

/** `random` returns a number in [0, 1). */
export function createBackoff({ baseMs, maxMs }: BackoffOptions, random: () => number = Math.random): Backoff {
  let attempt = 0;
  return {
    next: () => {
      const boundMs = Math.min(maxMs, baseMs * 2 ** attempt);
      attempt = Math.min(attempt + 1, 30);
      return boundMs * (0.1 + 0.9 * random());
    },
    reset: () => {
      attempt = 0;
    },
  };
}
