import { isDeepStrictEqual } from 'node:util';
import type { DesiredState, Tenant } from '../model/desired-state.js';

/**
 * A state for a thread that knows the one before: of thousands of tenants only those that have changed. The others stay the same values
 * there, so that what was worked out from them stays known too. Plain data: it crosses by structured clone.
 */
export interface StateChange {
  readonly rest: Omit<DesiredState, 'tenants'>;
  /** All, in their order. */
  readonly names: readonly string[];
  readonly changed: readonly Tenant[];
}

/** `before` undefined: the thread knows nothing yet. */
export function changeBetween(before: DesiredState | undefined, { tenants, ...rest }: DesiredState): StateChange {
  const known = byName(before?.tenants ?? []);
  return { rest, names: tenants.map(({ name }) => name), changed: tenants.filter((tenant) => !isDeepStrictEqual(tenant, known.get(tenant.name))) };
}

/** Throws where the change was made for another state than `before`. */
export function changed(before: DesiredState | undefined, change: StateChange): DesiredState {
  const tenants = new Map([...byName(before?.tenants ?? []), ...byName(change.changed)]);
  return {
    ...change.rest,
    tenants: change.names.map((name) => {
      const tenant = tenants.get(name);
      if (tenant === undefined) throw new Error(`the tenant ${name} was never told of`);
      return tenant;
    }),
  };
}

function byName(tenants: readonly Tenant[]): ReadonlyMap<string, Tenant> {
  return new Map(tenants.map((tenant) => [tenant.name, tenant]));
}
