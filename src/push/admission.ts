import type { Clock } from '../lib/clock.js';
import type { Reason } from '../model/reasons.js';
import type { PushLimits } from './options.js';

/**
 * Who may push now: a token bucket and a number of places for each tenant, and one budget of bytes for all. Nothing queues; a sender
 * that is told to wait has the queue.
 */
export class Admission {
  private readonly tenants = new Map<string, TenantUse>();
  private heldBytes = 0;

  constructor(
    private limits: PushLimits,
    private readonly clock: Clock,
  ) {}

  /** A pass that must be given back with `leave`, or why there is none. */
  enter(tenant: string): Pass | Reason {
    const { requestsPerSecond, concurrentPerTenant } = this.limits;
    const nowMs = this.clock.nowMs();
    const burst = requestsPerSecond * 2;
    const use = this.tenants.get(tenant) ?? { tokens: burst, atMs: nowMs, underWay: 0 };
    this.tenants.set(tenant, use);
    use.tokens = Math.min(burst, use.tokens + ((nowMs - use.atMs) / 1000) * requestsPerSecond);
    use.atMs = nowMs;
    if (use.tokens < 1) return 'rate_limited';
    if (use.underWay >= concurrentPerTenant) return 'push_busy';
    use.tokens -= 1;
    use.underWay += 1;
    return new Pass((bytes) => this.take(bytes), (bytes) => {
      this.heldBytes -= bytes;
      use.underWay -= 1;
    });
  }

  /** From the next push on. */
  setLimits(limits: PushLimits): void {
    this.limits = limits;
  }

  /** Forgets tenants that are not among these any more. */
  keepOnly(tenants: ReadonlySet<string>): void {
    for (const tenant of this.tenants.keys()) if (!tenants.has(tenant)) this.tenants.delete(tenant);
  }

  private take(bytes: number): boolean {
    if (this.heldBytes + bytes > this.limits.inFlightBytes) return false;
    this.heldBytes += bytes;
    return true;
  }
}

interface TenantUse {
  tokens: number;
  atMs: number;
  underWay: number;
}

/** One push under way, and the memory that it holds. */
export class Pass {
  private bytes = 0;

  constructor(
    private readonly take: (bytes: number) => boolean,
    private readonly giveBack: (bytes: number) => void,
  ) {}

  /** Before memory is used: false if there is none left. */
  hold(bytes: number): boolean {
    if (!this.take(bytes)) return false;
    this.bytes += bytes;
    return true;
  }

  leave(): void {
    this.giveBack(this.bytes);
  }
}
