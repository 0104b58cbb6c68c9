import type { DesiredState, TenantLimits } from '../model/desired-state.js';
import type { Reason } from '../model/reasons.js';
import { Standing } from '../model/standing.js';
import type { Party } from '../model/standing.js';

/**
 * What the hub knows of tenants: how much each may have in flight, and whether a scrape that ext_authz let through a while ago
 * would still be known.
 */

/** A scrape, as far as it is counted. */
export interface Admission {
  readonly party: { readonly tenant: string };
  readonly agent: string;
  readonly target: string;
  /** Of the tenant at the target; Infinity without a bound. */
  readonly maxScrapes: number;
}

/** What a scrape is counted under; names have no slash in them. */
function countersOf({ party: { tenant }, agent, target, maxScrapes }: Admission): readonly string[] {
  return maxScrapes === Infinity ? [tenant] : [tenant, `${tenant}/${agent}/${target}`];
}

export class Tenancy {
  #limits: ReadonlyMap<string, TenantLimits> = new Map();
  readonly #standing = new Standing();
  readonly #inFlight = new Map<string, number>();

  setState(state: DesiredState): void {
    this.#limits = new Map(state.tenants.map(({ name, limits }) => [name, limits]));
    this.#standing.setState(state);
  }

  /** Counts a scrape in; a reason where the tenant may have no more, or none at this target. `leave` must follow where there is none. */
  enter(scrape: Admission): Reason | undefined {
    const { party, maxScrapes } = scrape;
    const bounds = [this.#limits.get(party.tenant)?.maxConcurrentScrapes ?? Infinity, maxScrapes];
    const counters = countersOf(scrape);
    if (counters.some((counter, index) => (this.#inFlight.get(counter) ?? 0) >= (bounds[index] ?? Infinity))) return 'tenant_busy';
    for (const counter of counters) this.#inFlight.set(counter, (this.#inFlight.get(counter) ?? 0) + 1);
    return undefined;
  }

  leave(scrape: Admission): void {
    for (const counter of countersOf(scrape)) {
      const count = this.#inFlight.get(counter) ?? 0;
      if (count > 1) this.#inFlight.set(counter, count - 1);
      else this.#inFlight.delete(counter);
    }
  }

  /** Of one answer. */
  maxBodyBytes(tenant: string): number {
    return this.#limits.get(tenant)?.maxBodyBytes ?? Infinity;
  }

  /** Whether what was let through is revoked now. */
  isRevoked(party: Party): boolean {
    return this.#standing.isRevoked(party);
  }
}
