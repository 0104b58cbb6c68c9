import type { Clock } from '../../src/lib/clock.js';

export interface ManualClock extends Clock {
  /** Moves on by so many milliseconds, running what falls due on the way, in order. */
  advance(ms: number): void;
}

/** A clock that stands still until it is told. */
export function manualClock(): ManualClock {
  let now = 0;
  const due = new Set<{ readonly at: number; readonly callback: () => void }>();
  return {
    nowMs: () => now,
    after(delayMs, callback) {
      const timer = { at: now + delayMs, callback };
      due.add(timer);
      return () => due.delete(timer);
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const [next] = [...due].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        if (next === undefined) break;
        due.delete(next);
        now = next.at;
        next.callback();
      }
      now = end;
    },
  };
}
