import type { Clock } from '../../lib/clock.js';

/** Changes within it are one: a deployment that is rolled out is a hundred of them. */
const GATHER_MS = 250;

export interface GatheredOptions {
  readonly clock: Clock;
  /** Looks at all there is. Never two at a time. */
  readonly look: () => Promise<void>;
  /** What is wrong now; empty: nothing. */
  readonly onLook: (faults: readonly string[]) => void;
}

export interface Gathered {
  changed(): void;
  /** Once for each state: a busy cluster changes four times a second, its faults do not. */
  tell(faults: readonly string[]): void;
  isStopped(): boolean;
  stop(): void;
}

/** Looks soon after a change, once for all that come together. */
export function gatherChanges({ clock, look, onLook }: GatheredOptions): Gathered {
  let stopped = false;
  let looking = Promise.resolve();
  let cancel: (() => void) | undefined;
  let told: string | undefined;
  return {
    changed: () => {
      if (stopped || cancel !== undefined) return;
      cancel = clock.after(GATHER_MS, () => {
        cancel = undefined;
        looking = looking.then(look);
      });
    },
    tell: (faults) => {
      const text = JSON.stringify(faults);
      if (text === told) return;
      told = text;
      onLook(faults);
    },
    isStopped: () => stopped,
    stop: () => {
      stopped = true;
      cancel?.();
    },
  };
}
