/**
 * The only way to wait in a test: ask again until the answer is right, or a deadline passes.
 */

export interface EventuallyOptions {
  /** Bound of the whole wait, ms. Default: 10,000. */
  readonly timeoutMs?: number;
  /** Pause between two tries, ms. Default: 25. */
  readonly intervalMs?: number;
  /** What is waited for, for the error: "target up". */
  readonly what?: string;
  /** Ends the wait at once: the reason that no further try can succeed, `undefined` while one may. */
  readonly hopeless?: () => string | undefined;
}

/** Resolves with what `probe` returns as soon as it does not throw. Rejects with its last error at the deadline. */
export async function eventually<T>(probe: () => T | Promise<T>, options: EventuallyOptions = {}): Promise<T> {
  const { timeoutMs = 20_000, intervalMs = 25, what = 'the condition', hopeless } = options;
  const deadline = performance.now() + timeoutMs;
  let lastError: unknown = new Error('the first try never came back');
  for (;;) {
    try {
      return await withDeadline(probe, deadline);
    } catch (error) {
      lastError = error instanceof OutOfTime ? lastError : error;
    }
    const end = hopeless?.() ?? (performance.now() >= deadline ? `not within ${timeoutMs} ms` : undefined);
    if (end !== undefined) throw new Error(`${what}: ${end}; last: ${messageOf(lastError)}`, { cause: lastError });
    await pause(intervalMs);
  }
}

class OutOfTime extends Error {}

async function withDeadline<T>(probe: () => T | Promise<T>, deadline: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new OutOfTime('deadline')), Math.max(0, deadline - performance.now()));
  });
  try {
    return await Promise.race([Promise.resolve().then(probe), late]);
  } finally {
    clearTimeout(timer);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
