import { describe, expect, it } from '@jest/globals';
import { desiredState } from '../../test/support/desired-state.js';
import { credentialId } from './credential-id.js';
import type { Credential, Revoked } from './desired-state.js';
import { Standing } from './standing.js';

const CERTIFICATE: Credential = { kind: 'certificate', san: { type: 'uri', value: 'spiffe://x/job' } };
const BASIC: Credential = { kind: 'basic', user: 'u', bcryptHash: '$2b$10$old' };

function standing(parts: { readonly credentials?: readonly Credential[]; readonly revoked?: Partial<Revoked> } = {}): Standing {
  const made = new Standing();
  const { credentials = [CERTIFICATE, BASIC], revoked } = parts;
  made.setState(desiredState({ tenants: [{ name: 'team-a', credentials }], ...(revoked && { revoked }) }));
  return made;
}

describe('what was let through is revoked', () => {
  const party = { tenant: 'team-a', credentials: `${credentialId(CERTIFICATE)} ${credentialId(BASIC)}`, serial: '1f' };

  it.each([
    ['not, while nothing has changed', standing(), false],
    ['when its tenant is gone', new Standing(), true],
    ['when one of its credentials is gone', standing({ credentials: [CERTIFICATE] }), true],
    ['when its password is another', standing({ credentials: [CERTIFICATE, { ...BASIC, bcryptHash: '$2b$10$new' }] }), true],
    ['when its certificate is revoked by serial', standing({ revoked: { serials: ['1f'] } }), true],
    ['when its certificate is revoked by name', standing({ revoked: { sans: [{ type: 'uri', value: 'spiffe://x/job' }] } }), true],
    ['not, when another certificate is', standing({ revoked: { serials: ['1e'] } }), false],
  ])('%s', (_name, made, expected) => {
    expect(made.isRevoked(party)).toBe(expected);
  });

  it("for an issuer's token: when the rule by which it names the tenant is gone", () => {
    const rule: Credential = { kind: 'jwt', issuer: 'okta', claims: [{ path: ['sub'], anyOf: ['prom'] }] };
    const token = { tenant: 'team-a', credentials: credentialId(rule), serial: undefined };
    expect(standing({ credentials: [rule] }).isRevoked(token)).toBe(false);
    expect(standing({ credentials: [{ ...rule, claims: [{ path: ['sub'], anyOf: ['other'] }] }] }).isRevoked(token)).toBe(true);
  });

  it.each<[string, Revoked['sans'][number], string, boolean]>([
    ['of which no credential is made', { type: 'dns', value: 'job-7.example' }, 'Hash=00;URI=spiffe://x/job;DNS=job-7.example', true],
    ['in another case', { type: 'dns', value: 'job-7.example' }, 'Hash=00;URI=spiffe://x/job;DNS=Job-7.Example', true],
    ['that only begins like it', { type: 'dns', value: 'job-7.example' }, 'Hash=00;DNS=job-7.example.org', false],
    ['of another kind', { type: 'uri', value: 'job-7.example' }, 'Hash=00;DNS=job-7.example', false],
    ['behind a separator in another one', { type: 'uri', value: 'spiffe://x/b' }, 'Hash=00;URI=spiffe://x/a,URI=spiffe://x/b', true],
  ])('by a name of its certificate %s', (_name, san, certificate, expected) => {
    expect(standing({ revoked: { sans: [san] } }).isRevoked({ ...party, certificate })).toBe(expected);
  });

  it('for a tunnel: only by its serial', () => {
    expect(standing({ revoked: { serials: ['1f'] } }).isRevoked({ tenant: undefined, credentials: '', serial: '1f' })).toBe(true);
    expect(standing().isRevoked({ tenant: undefined, credentials: '', serial: '1f' })).toBe(false);
  });
});

describe('the time of what was let through', () => {
  const NOW = 1_000_000;
  const party = { tenant: 'team-a', credentials: `${credentialId(CERTIFICATE)} ${credentialId(BASIC)}`, serial: undefined };

  it.each([
    ['has no end where neither token nor configuration gives one', party, {}, false],
    ['is over with the token', { ...party, untilMs: NOW }, {}, true],
    ['is not, before', { ...party, untilMs: NOW + 1 }, {}, false],
    ['is over when one of its credentials is', party, { credentials: [CERTIFICATE, { ...BASIC, expiresMs: NOW }] }, true],
    ['is not over while all of them last', party, { credentials: [{ ...CERTIFICATE, expiresMs: NOW + 1 }, { ...BASIC, expiresMs: NOW + 1 }] }, false],
  ])('%s', (_name, who, state, expected) => {
    expect(standing(state).isOver(who, NOW)).toBe(expected);
  });
});
