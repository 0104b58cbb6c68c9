import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { desiredState } from '../../test/support/desired-state.js';
import { question } from '../../test/support/question.js';
import type { ClaimRule, Credential } from '../model/desired-state.js';
import { compilePolicy } from './compile.js';
import { explainIdentity } from './explain-identity.js';
import { identify } from './identity.js';
import type { Caller } from './identity.js';
import type { PasswordChecker } from '../credentials/password.js';
import type { Door } from './question.js';
import type { Struct, StructValue } from './struct.js';
import { holds } from './token-claims.js';
import type { TokenFindings } from './token-findings.js';

const NO_PASSWORDS: PasswordChecker = { matches: () => 'wrong' };
const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const jwt = (claims: Readonly<Record<string, unknown>>): string => `${base64url({ alg: 'RS256' })}.${base64url(claims)}.c2ln`;

function struct(value: Readonly<Record<string, unknown>>): Struct {
  return new Map(Object.entries(value).map(([key, inner]) => [key, structValue(inner)]));
}

function structValue(value: unknown): StructValue {
  if (Array.isArray(value)) return value.map(structValue);
  if (typeof value === 'object' && value !== null) return struct({ ...value });
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
}

describe('a claim', () => {
  const PAYLOAD = struct({
    sub: 'prom',
    aud: ['x', 'y'],
    groups: ['staff', 'team-a'],
    admin: true,
    iat: 5,
    'kubernetes.io/serviceaccount/namespace': 'flat',
    'kubernetes.io': { namespace: 'nested', serviceaccount: { name: 'prometheus' } },
    realm_access: { roles: ['viewer', 'scrape'] },
    nothing: null,
    deep: [['inner']],
  });

  it.each<[string, ClaimRule['path'], ClaimRule['anyOf'], boolean]>([
    ['is the value', ['sub'], ['prom'], true],
    ['is another value', ['sub'], ['prometheus'], false],
    ['is another value, but for its case', ['sub'], ['Prom'], false],
    ['is one of the values', ['sub'], ['other', 'prom'], true],
    ['has the value in its list', ['groups'], ['team-a'], true],
    ['has one of the values in its list', ['groups'], ['team-b', 'staff'], true],
    ['has none of the values in its list', ['groups'], ['team', 'team-b'], false],
    ['is true', ['admin'], [true], true],
    ['is true, not the word', ['admin'], ['true'], false],
    ['is a number, which no value is', ['iat'], ['5'], false],
    ['is at the top, with slashes in its name', ['kubernetes.io/serviceaccount/namespace'], ['flat'], true],
    ['is nested', ['kubernetes.io', 'namespace'], ['nested'], true],
    ['is nested twice', ['kubernetes.io', 'serviceaccount', 'name'], ['prometheus'], true],
    ['is a list, nested', ['realm_access', 'roles'], ['scrape'], true],
    ['is an object', ['realm_access'], ['roles'], false],
    ['is an element by its number', ['groups', '0'], ['staff'], false],
    ['is in a list in a list', ['deep'], ['inner'], false],
    ['is beyond a value', ['sub', 'length'], ['4'], false],
    ['is null', ['nothing'], ['null'], false],
    ['is not there', ['email'], ['undefined'], false],
    ['is not there, but every object has it in JavaScript', ['constructor', 'name'], ['Map'], false],
  ])('%s', (_name, path, anyOf, expected) => {
    expect(holds({ path, anyOf }, PAYLOAD)).toBe(expected);
  });
});

const ISS = 'https://idp.example';
const OTHER_ISS = 'https://other.example';
const LISTED_JWT = jwt({ iss: 'https://unknown.example' });
/** Of our issuer, and foolishly listed as an opaque token. */
const EXPIRED_BUT_LISTED = jwt({ iss: ISS, sub: 'expired' });

const bearer = (token: string): Credential => ({ kind: 'bearer', sha256: createHash('sha256').update(token).digest('hex') });
const claims = (issuer: string, ...rules: readonly ClaimRule[]): Credential => ({ kind: 'jwt', issuer, claims: rules });
const is = (name: string, ...anyOf: readonly string[]): ClaimRule => ({ path: [name], anyOf });

const POLICY = compilePolicy(
  desiredState({
    issuers: [
      { name: 'idp', issuer: ISS, audiences: ['x'], keys: { kind: 'local', jwks: '' } },
      { name: 'other', issuer: OTHER_ISS, audiences: ['x'], keys: { kind: 'local', jwks: '' } },
    ],
    tenants: [
      {
        name: 'team-a',
        credentials: [
          bearer('opaque-a'),
          bearer(LISTED_JWT),
          bearer(EXPIRED_BUT_LISTED),
          { kind: 'certificate', san: { type: 'uri', value: 'spiffe://x/team-a' } },
          claims('idp', is('groups', 'a', 'ops')),
          claims('idp', is('sub', 'robot'), is('azp', 'prom')),
          { ...claims('other', is('sub', 'old')), expiresMs: 1 },
        ],
      },
      { name: 'team-b', credentials: [claims('idp', is('groups', 'b')), claims('other', is('sub', 'robot'))] },
    ],
  }),
);

const NOW_MS = Date.UTC(2026, 0, 1);
const FAILED: TokenFindings = { payload: undefined, failures: new Map([['idp', { code: 3, message: 'Jwt is expired' }], ['other', { code: 11, message: 'Jwt issuer is not configured' }]]) };
const NO_KEYS: TokenFindings = { payload: undefined, failures: new Map([['idp', { code: 40, message: 'Jwks remote fetch is failed' }]]) };
const verified = (payload: Readonly<Record<string, unknown>>): TokenFindings => ({ payload: struct(payload), failures: new Map() });
const CERTIFICATE = { clientCertificate: 'Hash=1;Subject="CN=x";URI=spiffe://x/team-a', principal: 'spiffe://x/team-a' };

function inWords(caller: Caller): string {
  switch (caller.kind) {
    case 'tenant':
      return caller.tenant;
    case 'agent':
      return caller.agent;
    case 'stranger':
      return [caller.reason, caller.rule].filter(Boolean).join(', ');
  }
}

async function who(token: string, findings: TokenFindings | undefined, more: Partial<Parameters<typeof question>[0]> & { readonly door?: Door } = {}): Promise<string> {
  return inWords(await identify(POLICY, { passwords: NO_PASSWORDS }, question({ authorization: `Bearer ${token}`, token: findings, ...more }), NOW_MS));
}

/** A token that Envoy has verified. */
function good(payload: Readonly<Record<string, unknown>>): [string, TokenFindings] {
  const whole = { iss: ISS, ...payload };
  return [jwt(whole), verified(whole)];
}

describe('whose a token is', () => {
  it.each<[string, string, TokenFindings | undefined, string]>([
    ['a group of one tenant', ...good({ groups: ['staff', 'a'] }), 'team-a'],
    ['two rules of one tenant', ...good({ groups: ['a'], sub: 'robot', azp: 'prom' }), 'team-a'],
    ['groups of two tenants', ...good({ groups: ['a', 'b'] }), 'conflicting_credentials'],
    ['one of two claims that must both hold', ...good({ sub: 'robot' }), 'bad_credentials, issuers/idp: no tenant has these claims'],
    ['a subject that another issuer\'s rule names', ...good({ iss: OTHER_ISS, sub: 'robot' }), 'team-b'],
    ['a rule that has ended', ...good({ iss: OTHER_ISS, sub: 'old' }), 'bad_credentials'],
    ['claims of nobody', ...good({ sub: 'x' }), 'bad_credentials, issuers/idp: no tenant has these claims'],
    ['not verified', jwt({ iss: ISS, groups: ['a'] }), FAILED, 'bad_credentials, issuers/idp: Jwt is expired'],
    ['not looked at by Envoy', jwt({ iss: ISS, groups: ['a'] }), undefined, 'bad_credentials, issuers/idp: not verified'],
    ['without keys to verify it', jwt({ iss: ISS, groups: ['a'] }), NO_KEYS, 'issuer_unavailable, issuers/idp: Jwks remote fetch is failed'],
    ['not verified, though its hash is listed', EXPIRED_BUT_LISTED, FAILED, 'bad_credentials, issuers/idp: Jwt is expired'],
    ['verified for another issuer than it says', jwt({ iss: ISS }), verified({ iss: OTHER_ISS, sub: 'robot' }), 'bad_credentials, issuers/idp: not verified'],
    ['opaque', 'opaque-a', FAILED, 'team-a'],
    ['opaque, beside a payload that is not its own', 'opaque-b', verified({ iss: ISS, groups: ['a'] }), 'bad_credentials'],
    ['a JWT of no issuer of ours, listed', LISTED_JWT, FAILED, 'team-a'],
    ['a JWT of no issuer of ours', jwt({ iss: 'https://x' }), FAILED, 'bad_credentials'],
    ['a JWT without an issuer', jwt({ groups: ['a'] }), FAILED, 'bad_credentials'],
    ['three parts that are no JWT', 'a.b.c', FAILED, 'bad_credentials'],
    ['of five parts', `${jwt({ iss: ISS })}.x.y`, verified({ iss: ISS, groups: ['a'] }), 'bad_credentials'],
  ])('%s', async (_name, token, findings, expected) => {
    await expect(who(token, findings)).resolves.toBe(expected);
  });

  it('another credential beside it must name the same tenant', async () => {
    await expect(who(...good({ groups: ['a'] }), CERTIFICATE)).resolves.toBe('team-a');
    await expect(who(...good({ groups: ['b'] }), CERTIFICATE)).resolves.toBe('conflicting_credentials');
    await expect(who(jwt({ iss: ISS }), FAILED, CERTIFICATE)).resolves.toBe('bad_credentials, issuers/idp: Jwt is expired');
    await expect(who(jwt({ iss: ISS }), NO_KEYS, CERTIFICATE)).resolves.toBe('issuer_unavailable, issuers/idp: Jwks remote fetch is failed');
  });

  it('on a proxy door the one in Proxy-Authorization counts', async () => {
    const [token, findings] = good({ groups: ['a'] });
    await expect(who('the-exporter-s', findings, { door: 'proxy', proxyAuthorization: `Bearer ${token}` })).resolves.toBe('team-a');
    await expect(who(token, findings, { door: 'connect' })).resolves.toBe('proxy_no_credentials');
    await expect(who('', FAILED, { door: 'connect', proxyAuthorization: `Bearer ${jwt({ iss: ISS })}` })).resolves.toBe('proxy_bad_credentials, issuers/idp: Jwt is expired');
  });

  it('a payload without a token is nobody', async () => {
    await expect(who('', verified({ iss: ISS, groups: ['a'] }), { authorization: undefined })).resolves.toBe('no_credentials');
    await expect(who('', verified({ iss: ISS, groups: ['a'] }), { authorization: `Basic eDp5, Bearer ${jwt({ iss: ISS })}` })).resolves.toBe('bad_credentials');
  });
});

it('an explanation says whose a token would be, and that it cannot verify it', async () => {
  const explain = (payload: Readonly<Record<string, unknown>>): Promise<unknown> =>
    explainIdentity(POLICY, { passwords: NO_PASSWORDS }, question({ authorization: `Bearer ${jwt({ iss: ISS, ...payload })}` }), NOW_MS);
  const what = 'Authorization: Bearer, a token of the issuer "idp"';
  await expect(explain({ groups: ['b'] })).resolves.toEqual([{ what, ok: true, why: expect.stringMatching(/^is team-b, by jwt:idp:[0-9a-f]{12}; if Envoy finds it good/) }]);
  await expect(explain({})).resolves.toEqual([{ what, ok: false, why: 'no tenant has its claims, even if Envoy finds it good' }]);
});
