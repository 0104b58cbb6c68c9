import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { hash } from 'node:crypto';
import { Registry } from 'prom-client';
import { desiredState, target } from '../../test/support/desired-state.js';
import { CheckRequestSchema } from '../gen/envoy/service/auth/v3/external_auth_pb.js';
import { credentialId } from '../model/credential-id.js';
import type { Credential, DesiredState, Revoked } from '../model/desired-state.js';
import type { Target } from '../model/target.js';
import { createAuthorizer } from './authorizer.js';

/**
 * An authorizer that has answered before answers as one that has not: whatever it remembers, and whatever has changed since.
 */

interface Facts {
  readonly state: DesiredState;
  readonly targets: readonly Target[] | undefined;
  readonly nowMs: number;
}

const URI = 'spiffe://scrapeway/tenant/team-a';
const NOW_MS = Date.UTC(2026, 0, 1);
const CREDENTIALS: Readonly<Record<string, Credential>> = {
  certificate: { kind: 'certificate', san: { type: 'uri', value: URI } },
  basic: { kind: 'basic', user: 'team-a', bcryptHash: '$2b$04$right' },
  bearer: { kind: 'bearer', sha256: hash('sha256', 'key', 'hex') },
};
const STATE = desiredState({
  tenants: [{ name: 'team-a', credentials: Object.values(CREDENTIALS) }, { name: 'team-b' }],
  agents: [{ name: 'site-1', tenants: ['team-a', 'team-b'] }],
});
const BEFORE: Facts = { state: STATE, targets: [target('node', { labels: { env: 'prod' } })], nowMs: NOW_MS };

function withTeamA(change: Partial<DesiredState['tenants'][number]>): Facts {
  return { ...BEFORE, state: { ...STATE, tenants: STATE.tenants.map((tenant) => (tenant.name === 'team-a' ? { ...tenant, ...change } : tenant)) } };
}

function withRevoked(revoked: Partial<Revoked>): Facts {
  return { ...BEFORE, state: { ...STATE, gateway: { ...STATE.gateway, revoked: { serials: [], sans: [], ...revoked } } } };
}

/** All credentials of team-a at once, each by its own: whatever is taken away changes an answer. */
const SHOWN: readonly Readonly<Record<string, string>>[] = [
  { authorization: `Basic ${Buffer.from('team-a:secret').toString('base64')}` },
  { authorization: 'Bearer key' },
  { 'x-forwarded-client-cert': `Hash=00;Subject="";URI=${URI}`, 'x-scrapeway-peer-serial': '1f' },
];
const ASKED = SHOWN.flatMap((headers) => [
  { door: 'path', method: 'GET', path: '/scrape/site-1/node', host: 'gateway.example', headers },
  { door: 'sd', method: 'GET', path: '/sd', host: 'gateway.example', headers },
  { door: 'proxy', method: 'GET', path: '/metrics', host: '127.0.0.1:9100', headers: { ...headers, 'proxy-authorization': headers['authorization'] ?? '' } },
]).map(({ door, headers, ...rest }) => {
  const shown = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== ''));
  const principal = 'x-forwarded-client-cert' in shown ? URI : '';
  return Buffer.from(toBinary(CheckRequestSchema, create(CheckRequestSchema, { attributes: { source: { principal }, request: { http: { ...rest, headers: shown } }, contextExtensions: { door } } })));
});

/** An authorizer that can be told other facts. */
function authorizer() {
  let nowMs = 0;
  const made = createAuthorizer({ registry: new Registry(), passwords: { matches: (_, password, bcryptHash) => (password === 'secret' && bcryptHash.endsWith('right') ? 'right' : 'wrong') }, wallMs: () => nowMs });
  return {
    tell: (facts: Facts, before?: Facts) => {
      if (facts.state !== before?.state) made.setState(facts.state);
      if (facts.targets !== before?.targets) made.setRegistration('site-1', facts.targets);
      ({ nowMs } = facts);
    },
    mayStay: (credentials: string) => made.mayStay({ tenant: 'team-a', credentials }, 'site-1', 'node'),
    answers: async () => (await Promise.all(ASKED.map((bytes) => made.check(bytes)))).map((answer) => answer.toString('latin1')),
  };
}

const ENDING = Object.values(CREDENTIALS).map((credential) => ({ ...credential, expiresMs: NOW_MS + 1000 }));

describe('what was answered before does not stand after', () => {
  it.each<[what: string, after: Facts]>([
    ['the end of its credentials, with nothing told', { ...withTeamA({ credentials: ENDING }), nowMs: NOW_MS + 1000 }],
    ['the loss of a credential', withTeamA({ credentials: Object.values(CREDENTIALS).slice(1) })],
    ['another password', withTeamA({ credentials: [{ kind: 'basic', user: 'team-a', bcryptHash: '$2b$04$other' }] })],
    ['a narrower scope', withTeamA({ credentials: Object.values(CREDENTIALS).map((credential) => ({ ...credential, scope: [{ agents: undefined, targets: ['other'], selector: undefined }] })) })],
    ['the loss of a grant', withTeamA({ scrape: [] })],
    ['a denial', withTeamA({ deny: [{ agents: ['site-1'], targets: undefined, selector: undefined }] })],
    ['a revoked serial', withRevoked({ serials: ['1f'] })],
    ['a revoked name', withRevoked({ sans: [{ type: 'uri', value: URI }] })],
    ['the loss of the tenant', { ...BEFORE, state: { ...STATE, tenants: STATE.tenants.slice(1) } }],
    ['the loss of the agent', { ...BEFORE, state: { ...STATE, agents: [] } }],
    ["the agent's being another's", { ...BEFORE, state: { ...STATE, agents: STATE.agents.map((agent) => ({ ...agent, tenants: ['team-b'] })) } }],
    ['a site in the place of the agent', { ...BEFORE, state: { ...STATE, sites: [{ name: 'site', agents: ['site-1'], order: 'preference', hedge: undefined }] } }],
    ['a shorter longest time', { ...BEFORE, state: { ...STATE, gateway: { ...STATE.gateway, limits: { ...STATE.gateway.limits, defaultScrapeTimeoutMs: 1000 } } } }],
    ['another registration', { ...BEFORE, targets: [target('other')] }],
    ['another path of the target', { ...BEFORE, targets: [target('node', { path: '/other' })] }],
    ['a registration that is not known any more', { ...BEFORE, targets: undefined }],
  ])('%s', async (_what, after) => {
    // The time alone moves on: what ends then was there before.
    const before = after.nowMs === NOW_MS ? BEFORE : { ...after, nowMs: NOW_MS };
    const old = authorizer();
    old.tell(before);
    const first = await old.answers();
    expect(await old.answers()).toEqual(first);
    old.tell(after, before);
    const fresh = authorizer();
    fresh.tell(after);
    const expected = await fresh.answers();
    expect(await old.answers()).toEqual(expected);
    expect(expected).not.toEqual(first);
  });
});

describe('who was let through', () => {
  const id = (credential: string): string => credentialId(CREDENTIALS[credential] ?? { kind: 'bearer', sha256: '' });
  const narrow = withTeamA({ credentials: Object.values(CREDENTIALS).map((credential) => ({ ...credential, scope: [{ agents: undefined, targets: ['other'], selector: undefined }] })) });

  it.each<[what: string, credentials: readonly string[], facts: Facts, stays: boolean]>([
    ['stays while nothing changes', ['basic'], BEFORE, true],
    ['stays by a token that is not listed here', ['elsewhere'], BEFORE, true],
    ['stays while nothing is known of the agent', ['basic'], { ...BEFORE, targets: undefined }, true],
    ['goes with the grant', ['basic'], withTeamA({ scrape: [] }), false],
    ['goes with a denial', ['basic'], withTeamA({ deny: [{ agents: ['site-1'], targets: undefined, selector: undefined }] }), false],
    ['goes with the target', ['basic'], { ...BEFORE, targets: [target('other')] }, false],
    ['goes with the tenant', ['basic'], { ...BEFORE, state: { ...STATE, tenants: STATE.tenants.slice(1) } }, false],
    ['goes with the end of any of its credentials', ['elsewhere', 'bearer'], { ...withTeamA({ credentials: ENDING }), nowMs: NOW_MS + 1000 }, false],
    ['stays until then', ['elsewhere', 'bearer'], { ...withTeamA({ credentials: ENDING }), nowMs: NOW_MS + 999 }, true],
    ['goes with a narrower scope', ['basic'], narrow, false],
  ])('%s', (_what, credentials, facts, stays) => {
    const made = authorizer();
    made.tell(facts);
    expect(made.mayStay(credentials.map(id).join(' '))).toBe(stays);
  });
});
