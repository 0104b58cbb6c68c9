import { describe, expect, it } from '@jest/globals';
import { desiredState } from '../../test/support/desired-state.js';
import type { TenantLimits } from '../model/desired-state.js';
import { Tenancy } from './tenancy.js';

const SCRAPE = { party: { tenant: 'team-a' }, agent: 'site-a', target: 'web', maxScrapes: Infinity };

function tenancy({ limits }: { readonly limits?: Partial<TenantLimits> } = {}): Tenancy {
  const made = new Tenancy();
  made.setState(desiredState({ tenants: [{ name: 'team-a', limits: { requestsPerSecond: 1, burst: 1, ...limits } }] }));
  return made;
}

describe('scrapes in flight', () => {
  it('are as many as the tenant may have, and one that ends makes room', () => {
    const made = tenancy({ limits: { maxConcurrentScrapes: 2 } });
    expect([made.enter(SCRAPE), made.enter(SCRAPE), made.enter(SCRAPE)]).toEqual([undefined, undefined, 'tenant_busy']);
    made.leave(SCRAPE);
    expect(made.enter(SCRAPE)).toBeUndefined();
  });

  it('at one target are as many as its template allows, and others are not counted with them', () => {
    const made = tenancy();
    const bounded = { ...SCRAPE, maxScrapes: 1 };
    expect([made.enter(bounded), made.enter(bounded)]).toEqual([undefined, 'tenant_busy']);
    expect(made.enter({ ...bounded, target: 'db' })).toBeUndefined();
    expect(made.enter({ ...bounded, party: { tenant: 'team-b' } })).toBeUndefined();
    made.leave(bounded);
    expect(made.enter(bounded)).toBeUndefined();
  });

  it('that the target has no room for take none of the tenant', () => {
    const made = tenancy({ limits: { maxConcurrentScrapes: 2 } });
    const bounded = { ...SCRAPE, maxScrapes: 1 };
    expect([made.enter(bounded), made.enter(bounded), made.enter(bounded), made.enter(SCRAPE)]).toEqual([undefined, 'tenant_busy', 'tenant_busy', undefined]);
  });

  it('have no bound without one', () => {
    const made = tenancy();
    expect(Array.from({ length: 1000 }, () => made.enter(SCRAPE)).every((reason) => reason === undefined)).toBe(true);
    expect(made.maxBodyBytes('team-a')).toBe(Infinity);
  });
});

it('what was let through is over with its tenant', () => {
  const party = { tenant: 'team-a', credentials: '', serial: undefined };
  expect([tenancy().isRevoked(party), new Tenancy().isRevoked(party)]).toEqual([false, true]);
});
