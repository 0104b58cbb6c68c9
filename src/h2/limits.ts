/**
 * Flood limits: frames that cost us more than they cost the peer are counted per connection, and over its budget the peer is
 * shown out with ENHANCE_YOUR_CALM (facts/h2-switch.md, trap 9). Each kind has a leaky bucket: a burst, refilled by the second.
 */

/** What is counted. */
export type FloodKind =
  /** RST_STREAM by the peer, and streams that we had to reset for its faults: "rapid reset" and "made you reset". */
  | 'reset'
  /** PING that asks for an answer. */
  | 'ping'
  | 'settings'
  /** DATA, HEADERS and CONTINUATION that carry no byte and end nothing. */
  | 'empty'
  /** PRIORITY, unknown types, frames for streams that are gone. */
  | 'stray'
  | 'windowUpdate';

export interface FloodLimit {
  /** Frames at once. */
  readonly burst: number;
  /** Frames per second in the long run. */
  readonly perSecond: number;
}

export type FloodLimits = Readonly<Record<FloodKind, FloodLimit>>;

/** For peers on the network: agents. Far above what a sound peer does with 1,000 streams, far below what hurts. */
export const STRICT_LIMITS: FloodLimits = {
  reset: { burst: 1000, perSecond: 200 },
  ping: { burst: 50, perSecond: 5 },
  settings: { burst: 20, perSecond: 1 },
  empty: { burst: 1000, perSecond: 100 },
  stray: { burst: 1000, perSecond: 100 },
  windowUpdate: { burst: 20_000, perSecond: 20_000 },
};

/**
 * For Envoy, on a Unix socket: it is trusted, and one connection carries every client's requests, so a thousand clients that
 * hang up at once are no attack. The limits only keep a fault from spinning.
 */
export const TRUSTED_LIMITS: FloodLimits = {
  reset: { burst: 200_000, perSecond: 50_000 },
  ping: { burst: 1000, perSecond: 100 },
  settings: { burst: 1000, perSecond: 100 },
  empty: { burst: 200_000, perSecond: 50_000 },
  stray: { burst: 200_000, perSecond: 50_000 },
  windowUpdate: { burst: 1_000_000, perSecond: 1_000_000 },
};

/** A header block may come in this many CONTINUATION frames; 16 KiB each would be four times the largest list. */
export const MAX_CONTINUATIONS = 32;

/** A burst, refilled by the second. */
export class LeakyBucket {
  readonly #limit: FloodLimit;
  readonly #nowMs: () => number;
  #level = 0;
  /** When it was last let leak. */
  #leakedMs: number;

  constructor(limit: FloodLimit, nowMs: () => number) {
    this.#limit = limit;
    this.#nowMs = nowMs;
    this.#leakedMs = nowMs();
  }

  /** Counts one. False: over the budget. */
  admit(): boolean {
    const { burst, perSecond } = this.#limit;
    this.#level += 1;
    if (this.#level <= burst) return true;
    // Only a full bucket looks at the clock.
    const now = this.#nowMs();
    const leaked = ((now - this.#leakedMs) * perSecond) / 1000;
    this.#leakedMs = now;
    this.#level = Math.max(0, Math.min(this.#level, burst + 1) - leaked);
    return this.#level <= burst;
  }
}

/** One connection's buckets. */
export class FloodGuard {
  readonly #limits: FloodLimits;
  readonly #nowMs: () => number;
  /** Allocated at the first frame that is counted: most idle connections never need it. */
  #buckets: Record<FloodKind, LeakyBucket> | undefined;

  constructor(limits: FloodLimits, nowMs: () => number) {
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  /** Counts one frame of `kind`. False: over the budget. */
  admit(kind: FloodKind): boolean {
    this.#buckets ??= newBuckets(this.#limits, this.#nowMs);
    return this.#buckets[kind].admit();
  }
}

function newBuckets(limits: FloodLimits, nowMs: () => number): Record<FloodKind, LeakyBucket> {
  const bucket = (kind: FloodKind): LeakyBucket => new LeakyBucket(limits[kind], nowMs);
  return { reset: bucket('reset'), ping: bucket('ping'), settings: bucket('settings'), empty: bucket('empty'), stray: bucket('stray'), windowUpdate: bucket('windowUpdate') };
}
