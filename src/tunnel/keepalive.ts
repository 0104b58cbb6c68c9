/**
 * Keep-alive, the same rule at both ends: any received byte proves the other end alive; after a silence we PING, after a longer
 * one the tunnel is dead. A half-open connection is so noticed by either end within `timeoutMs`, which no TCP keep-alive
 * through Envoy would do (it would only prove Envoy alive).
 *
 * Whoever wants to know sooner must not be wrong more often: on a long way that loses packets an answer is late, not missing. A PING and its
 * answer that TCP has to send again, each twice, come within ten round trips; so much time a PING has at least, however short `timeoutMs`
 * is; before the way is known, that of the longest.
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
  /** A PING and its answer took so long, ms. (Not what came first after a PING: that may be the other end's own.) */
  measured(roundTripMs: number): void;
  stop(): void;
}

const ROUND_TRIPS = 10;
/** What a long way adds ends here, ms: that of the default time-out. */
const MAX_FLOOR_MS = 8500;
/** Weight of the latest measurement (RFC 6298 §2). */
const SMOOTHING = 1 / 8;

/** Watches one tunnel until `stop`. One timer, set again when it fires, never per received byte. */
export function startKeepAlive({ intervalMs, timeoutMs }: KeepAliveOptions, clock: Clock, act: { ping(): void; dead(silentMs: number): void }): KeepAlive {
  let lastMs = clock.nowMs();
  let pinged = false;
  let roundTripMs: number | undefined;
  let cancel: () => void;
  const measured = (ms: number): void => {
    roundTripMs = roundTripMs === undefined ? ms : roundTripMs + (ms - roundTripMs) * SMOOTHING;
  };
  const check = (): void => {
    const silentMs = clock.nowMs() - lastMs;
    // nothing known of the way: it may be long, and its first packets may be lost
    const patienceMs = Math.max(timeoutMs, Math.min(intervalMs + Math.ceil(ROUND_TRIPS * (roundTripMs ?? Infinity)), MAX_FLOOR_MS));
    if (silentMs >= patienceMs) return act.dead(silentMs);
    if (silentMs >= intervalMs) {
      if (!pinged) act.ping();
      pinged = true;
      cancel = clock.after(patienceMs - silentMs, check);
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
    measured,
    stop: () => cancel(),
  };
}
