import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { desiredState } from '../../test/support/desired-state.js';
import type { Credential, Revoked } from '../model/desired-state.js';
import { compilePolicy } from './compile.js';
import type { Policy } from './compile.js';
import { identify } from './identity.js';
import type { Caller } from './identity.js';
import type { Answer, PasswordChecker } from '../credentials/password.js';
import { question } from '../../test/support/question.js';
import type { Door, Question } from './question.js';

function bearer(token: string): Credential {
  return { kind: 'bearer', sha256: createHash('sha256').update(token).digest('hex') };
}

function hashOf(password: string): string {
  return `$2b$04$${password}`;
}

const TENANTS = [
  {
    name: 'team-a',
    credentials: [
      { kind: 'certificate', san: { type: 'uri', value: 'spiffe://x/team-a' } },
      { kind: 'basic', user: 'scraper-a', bcryptHash: hashOf('old-a') },
      { kind: 'basic', user: 'scraper-a', bcryptHash: hashOf('new-a') },
      bearer('token-a'),
    ],
  },
  {
    name: 'team-b',
    credentials: [
      { kind: 'certificate', san: { type: 'dns', value: 'team-b.example' } },
      { kind: 'basic', user: 'scraper-b', bcryptHash: hashOf('pass-b') },
      bearer('token-b'),
    ],
  },
] as const;

const POLICY = compilePolicy(
  desiredState({
    tenants: TENANTS,
    agents: [
      { name: 'site-1', tenants: ['team-a'] },
      { name: 'site-2', san: { type: 'dns', value: 'site-2.example' } },
    ],
  }),
);

/** Not bcrypt, but like it from outside. The password `busy` meets a full queue. */
const PASSWORDS: PasswordChecker = {
  matches: (_user, password, bcryptHash): Answer => (password === 'busy' ? 'busy' : bcryptHash === hashOf(password) ? 'right' : 'wrong'),
};

const basic = (user: string, password: string): string => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
const certificate = (san: string): Partial<Question> => ({ clientCertificate: `Hash=1;Subject="CN=x";${san.startsWith('spiffe:') ? `URI=${san}` : `URI=;DNS=${san}`}`, principal: san });

const NOW_MS = Date.UTC(2026, 0, 1);

async function who(door: Door, parts: Partial<Question>): Promise<string> {
  return inWords(await identify(POLICY, { passwords: PASSWORDS }, question({ door, ...parts }), NOW_MS));
}

function inWords(caller: Caller): string {
  switch (caller.kind) {
    case 'tenant':
      return caller.tenant;
    case 'agent':
      return caller.agent;
    case 'stranger':
      return caller.reason;
  }
}

/** The doors on the gateway's own names, and those where the authority names a target. */
const OWN: readonly Door[] = ['path', 'sd', 'none'];
const PROXY: readonly Door[] = ['proxy', 'connect'];

describe.each(OWN)('on the door %s', (door) => {
  it.each<[string, Partial<Question>, string]>([
    ['nothing', {}, 'no_credentials'],
    ['a certificate by URI', certificate('spiffe://x/team-a'), 'team-a'],
    ['a certificate by DNS name', certificate('team-b.example'), 'team-b'],
    ['a certificate of nobody', certificate('spiffe://x/team-c'), 'bad_credentials'],
    ['a certificate of an agent', certificate('spiffe://scrapeway/agent/site-1'), 'bad_credentials'],
    ['an x-forwarded-client-cert that Envoy does not write', { clientCertificate: 'nonsense' }, 'bad_credentials'],
    ['a password', { authorization: basic('scraper-a', 'old-a') }, 'team-a'],
    ['the other password of the same user', { authorization: basic('scraper-a', 'new-a') }, 'team-a'],
    ['a wrong password', { authorization: basic('scraper-a', 'pass-b') }, 'bad_credentials'],
    ['an unknown user', { authorization: basic('scraper-c', 'old-a') }, 'bad_credentials'],
    ['a password that nobody has time to check', { authorization: basic('scraper-a', 'busy') }, 'authz_busy'],
    ['an unknown user that nobody has time to check', { authorization: basic('scraper-c', 'busy') }, 'authz_busy'],
    ['a token', { authorization: 'Bearer token-b' }, 'team-b'],
    ['an unknown token', { authorization: 'Bearer token-c' }, 'bad_credentials'],
    ['an unknown scheme', { authorization: 'Digest x' }, 'bad_credentials'],
    ['an empty header', { authorization: '' }, 'bad_credentials'],
    ['a certificate and a token of one tenant', { ...certificate('spiffe://x/team-a'), authorization: 'Bearer token-a' }, 'team-a'],
    ['a certificate and a password of one tenant', { ...certificate('spiffe://x/team-a'), authorization: basic('scraper-a', 'new-a') }, 'team-a'],
    ['a certificate and a token of two tenants', { ...certificate('spiffe://x/team-a'), authorization: 'Bearer token-b' }, 'conflicting_credentials'],
    ['a certificate and a wrong token', { ...certificate('spiffe://x/team-a'), authorization: 'Bearer token-c' }, 'bad_credentials'],
    ['a certificate of nobody and a token', { ...certificate('spiffe://x/team-c'), authorization: 'Bearer token-a' }, 'bad_credentials'],
    [
      'a certificate of two tenants',
      { clientCertificate: 'Hash=1;Subject="";URI=spiffe://x/team-a;DNS=team-b.example', principal: 'spiffe://x/team-a' },
      'conflicting_credentials',
    ],
    ['proxy credentials, which say nothing here', { proxyAuthorization: 'Bearer token-a' }, 'no_credentials'],
    ['wrong proxy credentials beside right ones of ours', { proxyAuthorization: 'Bearer token-c', authorization: 'Bearer token-a' }, 'team-a'],
  ])('%s', async (_, parts, expected) => {
    await expect(who(door, parts)).resolves.toBe(expected);
  });
});

describe.each(PROXY)('on the door %s', (door) => {
  it.each<[string, Partial<Question>, string]>([
    ['nothing', {}, 'proxy_no_credentials'],
    ['a certificate', certificate('spiffe://x/team-a'), 'team-a'],
    ['a certificate of nobody', certificate('spiffe://x/team-c'), 'proxy_bad_credentials'],
    ['a password', { proxyAuthorization: basic('scraper-b', 'pass-b') }, 'team-b'],
    ['a wrong password', { proxyAuthorization: basic('scraper-b', 'old-a') }, 'proxy_bad_credentials'],
    ['a token', { proxyAuthorization: 'Bearer token-b' }, 'team-b'],
    ['an unknown token', { proxyAuthorization: 'Bearer token-c' }, 'proxy_bad_credentials'],
    ["the exporter's credentials, which say nothing here", { authorization: 'Bearer token-a' }, 'proxy_no_credentials'],
    ["the exporter's beside ours", { authorization: 'Bearer token-a', proxyAuthorization: 'Bearer token-b' }, 'team-b'],
    ['a certificate and a token of two tenants', { ...certificate('spiffe://x/team-a'), proxyAuthorization: 'Bearer token-b' }, 'conflicting_credentials'],
  ])('%s', async (_, parts, expected) => {
    await expect(who(door, parts)).resolves.toBe(expected);
  });
});

describe("on the agents' listener", () => {
  it.each<[string, Partial<Question>, string]>([
    ['an agent by URI', certificate('spiffe://scrapeway/agent/site-1'), 'site-1'],
    ['an agent by DNS name', certificate('site-2.example'), 'site-2'],
    ['an agent that the configuration does not have', certificate('spiffe://scrapeway/agent/site-3'), 'agent_unknown'],
    ['a tenant', certificate('spiffe://x/team-a'), 'agent_unknown'],
    ['no certificate', {}, 'agent_unknown'],
    ['a token', { authorization: 'Bearer token-a' }, 'agent_unknown'],
    [
      'a certificate of two agents',
      { clientCertificate: 'Hash=1;Subject="";URI=spiffe://scrapeway/agent/site-1;DNS=site-2.example', principal: 'spiffe://scrapeway/agent/site-1' },
      'agent_unknown',
    ],
    ['an x-forwarded-client-cert that Envoy does not write', { clientCertificate: 'nonsense' }, 'agent_unknown'],
  ])('%s', async (_, parts, expected) => {
    await expect(who('agent', parts)).resolves.toBe(expected);
  });
});

describe('a credential of two tenants, which no valid configuration has,', () => {
  const policy = compilePolicy(
    desiredState({
      tenants: [
        { name: 'team-a', credentials: [bearer('t'), { kind: 'basic', user: 'u', bcryptHash: hashOf('p') }] },
        { name: 'team-b', credentials: [bearer('t'), { kind: 'basic', user: 'u', bcryptHash: hashOf('p') }] },
      ],
    }),
  );

  it.each([['Bearer t'], [basic('u', 'p')]])('is nobody: %s', async (authorization) => {
    expect(inWords(await identify(policy, { passwords: PASSWORDS }, question({ door: 'path', authorization }), NOW_MS))).toBe('conflicting_credentials');
  });
});

describe('identification', () => {
  it('is at once where nothing has to be waited for', () => {
    expect(identify(POLICY, { passwords: PASSWORDS }, question({ authorization: basic('scraper-a', 'old-a') }), NOW_MS)).toMatchObject({ kind: 'tenant', tenant: 'team-a' });
  });

  it('waits where a password has to be checked', async () => {
    const slow: PasswordChecker = { matches: (...asked) => Promise.resolve(PASSWORDS.matches(...asked)) };
    const pending = identify(POLICY, { passwords: slow }, question({ authorization: basic('scraper-a', 'new-a') }), NOW_MS);
    expect(pending).toBeInstanceOf(Promise);
    await expect(pending).resolves.toMatchObject({ kind: 'tenant', tenant: 'team-a' });
  });
});

describe('terms of a credential', () => {
  const uri = 'spiffe://x/job';
  const policyOf = (credential: Partial<Extract<Credential, { kind: 'certificate' }>>, revoked: Partial<Revoked> = {}): Policy =>
    compilePolicy(desiredState({ tenants: [{ name: 'team-a', credentials: [{ kind: 'certificate', san: { type: 'uri', value: uri }, ...credential }] }], revoked }));
  const show = async (policy: Policy, parts: Partial<Question> = {}): Promise<string> =>
    inWords(await identify(policy, { passwords: PASSWORDS }, question({ ...certificate(uri), peerIssuer: 'CN=a', peerSerial: '1f', ...parts }), NOW_MS));

  it.each([
    ['before its end', { expiresMs: NOW_MS + 1 }, {}, 'team-a'],
    ['at its end', { expiresMs: NOW_MS }, {}, 'bad_credentials'],
    ['from its own CA', { issuer: 'CN=a' }, {}, 'team-a'],
    ['from another CA', { issuer: 'CN=b' }, {}, 'bad_credentials'],
    ['revoked by serial', {}, { serials: ['1f'] }, 'bad_credentials'],
    ['revoked by name', {}, { sans: [{ type: 'uri', value: uri }] }, 'bad_credentials'],
    ['beside a revoked one', {}, { serials: ['1e'] }, 'team-a'],
  ] as const)('%s', async (_name, terms, revoked, expected) => {
    expect(await show(policyOf(terms, revoked))).toContain(expected);
  });

  it('without the issuer from Envoy nobody is of his own CA', async () => {
    expect(await show(policyOf({ issuer: 'CN=a' }), { peerIssuer: undefined })).toBe('bad_credentials');
  });
});

describe('a front proxy', () => {
  const proxy = 'spiffe://x/grafana';
  const policy = compilePolicy({
    ...desiredState({ tenants: [{ name: 'team-a', credentials: [bearer('token-a')] }, { name: 'team-b' }, { name: 'team-c' }] }),
    frontProxies: [{ san: { type: 'uri', value: proxy }, tenants: ['team-a', 'team-b'] }],
  });
  const ask = async (parts: Partial<Question>): Promise<string> => inWords(await identify(policy, { passwords: PASSWORDS }, question(parts), NOW_MS));

  it.each([
    ['speaks for a tenant that it was given', { ...certificate(proxy), assertedTenant: 'team-b' }, 'team-b'],
    ['not for another', { ...certificate(proxy), assertedTenant: 'team-c' }, 'bad_credentials'],
    ['not for one that does not exist', { ...certificate(proxy), assertedTenant: 'team-z' }, 'bad_credentials'],
    ['is nobody by itself', certificate(proxy), 'bad_credentials'],
    ['does not outvote a credential', { ...certificate(proxy), assertedTenant: 'team-b', authorization: 'Bearer token-a' }, 'conflicting_credentials'],
    ['is not who only says so', { assertedTenant: 'team-b' }, 'no_credentials'],
    ['is not a tenant that names another', { assertedTenant: 'team-b', authorization: 'Bearer token-a' }, 'team-a'],
  ])('%s', async (_name, parts, expected) => {
    expect(await ask(parts)).toContain(expected);
  });
});
