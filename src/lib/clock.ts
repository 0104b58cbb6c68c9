/**
 * Time as a dependency: whatever waits or measures takes a `Clock`, so that its tests need no sleep.
 */
export interface Clock {
  /** Milliseconds on a clock that never jumps (not the wall clock). */
  nowMs(): number;
  /** Runs `callback` once after `delayMs`, unless the returned function is called first. Does not keep the process alive. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
