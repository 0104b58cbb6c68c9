/**
 * Keep-alive, the same rule at both ends: any received byte proves the other end alive; after a silence we PING, after a longer
 * one the tunnel is dead. A half-open connection is so noticed by either end within `timeoutMs`, which no TCP keep-alive
 * through Envoy would do (it would only prove Envoy alive).
 */
import type { Clock } from '../lib/clock.js';

export interface KeepAliveOptions {
  /** Silence after which a PING is sent, ms. */
  readonly intervalMs: number;
  /** Silence after which the tunnel is given up, ms; larger than `intervalMs`. */
  readonly timeoutMs: number;
}

export interface KeepAlive {
  /** To be called for whatever arrives; costs one clock reading. */
  received(): void;
  stop(): void;
}

/** Watches one tunnel until `stop`. One timer, set again when it fires, never per received byte. */
export function startKeepAlive({ intervalMs, timeoutMs }: KeepAliveOptions, clock: Clock, act: { ping(): void; dead(silentMs: number): void }): KeepAlive {
  let lastMs = clock.nowMs();
  let pinged = false;
  let cancel: () => void;
  const check = (): void => {
    const silentMs = clock.nowMs() - lastMs;
    if (silentMs >= timeoutMs) return act.dead(silentMs);
    if (silentMs >= intervalMs) {
      if (!pinged) act.ping();
      pinged = true;
      cancel = clock.after(timeoutMs - silentMs, check);
      return;
    }
    pinged = false;
    cancel = clock.after(intervalMs - silentMs, check);
  };
  cancel = clock.after(intervalMs, check);
  return {
    received: () => {
      lastMs = clock.nowMs();
      pinged = false;
    },
    stop: () => cancel(),
  };
}
