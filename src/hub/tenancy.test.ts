import { describe, expect, it } from '@jest/globals';
import { desiredState } from '../../test/support/desired-state.js';
import { credentialId } from '../model/credential-id.js';
import type { Credential, Revoked, TenantLimits } from '../model/desired-state.js';
import { Tenancy } from './tenancy.js';

const CERTIFICATE: Credential = { kind: 'certificate', san: { type: 'uri', value: 'spiffe://x/job' } };
const BASIC: Credential = { kind: 'basic', user: 'u', bcryptHash: '$2b$10$old' };

const SCRAPE = { party: { tenant: 'team-a' }, agent: 'site-a', target: 'web', maxScrapes: Infinity };

function tenancy(parts: { readonly credentials?: readonly Credential[]; readonly limits?: Partial<TenantLimits>; readonly revoked?: Partial<Revoked> } = {}): Tenancy {
  const made = new Tenancy();
  const { credentials = [CERTIFICATE, BASIC], limits, revoked } = parts;
  made.setState(desiredState({ tenants: [{ name: 'team-a', credentials, limits: { requestsPerSecond: 1, burst: 1, ...limits } }], ...(revoked && { revoked }) }));
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

describe('what was let through is revoked', () => {
  const party = { tenant: 'team-a', credentials: `${credentialId(CERTIFICATE)} ${credentialId(BASIC)}`, serial: '1f' };

  it.each([
    ['not, while nothing has changed', tenancy(), false],
    ['when its tenant is gone', new Tenancy(), true],
    ['when one of its credentials is gone', tenancy({ credentials: [CERTIFICATE] }), true],
    ['when its password is another', tenancy({ credentials: [CERTIFICATE, { ...BASIC, bcryptHash: '$2b$10$new' }] }), true],
    ['when its certificate is revoked by serial', tenancy({ revoked: { serials: ['1f'] } }), true],
    ['when its certificate is revoked by name', tenancy({ revoked: { sans: [{ type: 'uri', value: 'spiffe://x/job' }] } }), true],
    ['not, when another certificate is', tenancy({ revoked: { serials: ['1e'] } }), false],
  ])('%s', (_name, made, expected) => {
    expect(made.isRevoked(party)).toBe(expected);
  });

  it("for an issuer's token: when the rule by which it names the tenant is gone", () => {
    const rule: Credential = { kind: 'jwt', issuer: 'okta', claims: [{ path: ['sub'], anyOf: ['prom'] }] };
    const token = { tenant: 'team-a', credentials: credentialId(rule), serial: undefined };
    expect(tenancy({ credentials: [rule] }).isRevoked(token)).toBe(false);
    expect(tenancy({ credentials: [{ ...rule, claims: [{ path: ['sub'], anyOf: ['other'] }] }] }).isRevoked(token)).toBe(true);
  });

  it.each<[string, Revoked['sans'][number], string, boolean]>([
    ['of which no credential is made', { type: 'dns', value: 'job-7.example' }, 'Hash=00;URI=spiffe://x/job;DNS=job-7.example', true],
    ['in another case', { type: 'dns', value: 'job-7.example' }, 'Hash=00;URI=spiffe://x/job;DNS=Job-7.Example', true],
    ['that only begins like it', { type: 'dns', value: 'job-7.example' }, 'Hash=00;DNS=job-7.example.org', false],
    ['of another kind', { type: 'uri', value: 'job-7.example' }, 'Hash=00;DNS=job-7.example', false],
    ['behind a separator in another one', { type: 'uri', value: 'spiffe://x/b' }, 'Hash=00;URI=spiffe://x/a,URI=spiffe://x/b', true],
  ])('by a name of its certificate %s', (_name, san, certificate, expected) => {
    expect(tenancy({ revoked: { sans: [san] } }).isRevoked({ ...party, certificate })).toBe(expected);
  });

  it('for a tunnel: only by its serial', () => {
    expect(tenancy({ revoked: { serials: ['1f'] } }).isRevoked({ tenant: undefined, credentials: '', serial: '1f' })).toBe(true);
    expect(tenancy().isRevoked({ tenant: undefined, credentials: '', serial: '1f' })).toBe(false);
  });
});
