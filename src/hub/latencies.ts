/**
 * How long each target's recent answers took to begin: what "slower than usual" is measured by. A ring of the last few for each
 * target, sorted only when somebody asks; the targets that were asked for longest ago make room.
 */

/** The 95th percentile of these is the second largest: a hedge needs no finer answer. */
const KEPT = 32;
/** With fewer, nothing is usual yet. */
const ENOUGH = 10;
const MAX_TARGETS = 20_000;

interface Ring {
  readonly ms: Float32Array;
  /** Ever recorded. */
  count: number;
}

export class Latencies {
  readonly #rings = new Map<string, Ring>();
  readonly #maxTargets: number;

  constructor(maxTargets: number = MAX_TARGETS) {
    this.#maxTargets = maxTargets;
  }

  record(target: string, ms: number): void {
    const ring = this.#rings.get(target) ?? { ms: new Float32Array(KEPT), count: 0 };
    ring.ms[ring.count % KEPT] = ms;
    ring.count += 1;
    this.#rings.delete(target);
    this.#rings.set(target, ring);
    const [oldest] = this.#rings.size > this.#maxTargets ? this.#rings.keys() : [];
    if (oldest !== undefined) this.#rings.delete(oldest);
  }

  /** ms; undefined: too few are known. */
  p95(target: string): number | undefined {
    const ring = this.#rings.get(target);
    if (ring === undefined || ring.count < ENOUGH) return undefined;
    const known = ring.ms.slice(0, Math.min(ring.count, KEPT)).sort();
    return known[Math.ceil(known.length * 0.95) - 1];
  }
}
