/**
 * Something that holds for a while, such as a token, and is asked for again before it ends: one request at a time, and whoever waits gets
 * its answer.
 */

export interface Renewed<T> {
  current(): Promise<T>;
  /** Forgets it before its time: it was revoked, or the keys of its issuer have changed. False: it is too new for that to be the reason. */
  drop(): boolean;
}

/** It is asked for again when a tenth of its life is left. */
const LIFE_USED = 0.9;
/** What is this new and refused would be refused again. */
const NEW_MS = 10_000;

/** `nowMs` runs evenly; what it counts from is all one. */
export function renewed<T>(fetch: () => Promise<{ readonly value: T; readonly lifeMs: number }>, nowMs: () => number): Renewed<T> {
  let held: { readonly value: T; readonly fromMs: number; untilMs: number } | undefined;
  let underWay: Promise<T> | undefined;

  async function renew(): Promise<T> {
    const { value, lifeMs } = await fetch();
    const fromMs = nowMs();
    held = { value, fromMs, untilMs: fromMs + lifeMs * LIFE_USED };
    return value;
  }

  return {
    current: () => {
      if (held !== undefined && nowMs() < held.untilMs) return Promise.resolve(held.value);
      underWay ??= renew().finally(() => {
        underWay = undefined;
      });
      return underWay;
    },
    drop: () => {
      if (held === undefined || nowMs() < held.fromMs + NEW_MS) return false;
      held.untilMs = -Infinity;
      return true;
    },
  };
}
