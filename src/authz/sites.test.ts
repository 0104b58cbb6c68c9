import { describe, expect, it } from '@jest/globals';
import { desiredState, target } from '../../test/support/desired-state.js';
import { question } from '../../test/support/question.js';
import { compileRights } from '../model/grants.js';
import { sitesByMember } from '../model/sites.js';
import { decide } from './decide.js';
import type { KnownCredential } from './compile.js';
import type { Caller } from './identity.js';
import { Inventory } from './inventory.js';
import type { Decision, Question } from './question.js';

/** Sites with several agents, as ext_authz sees them (ADR 31). */

const KNOWN: KnownCredential = { id: 'bearer:1', tenant: 'team-a', method: 'bearer', expiresMs: undefined, issuer: undefined, covers: undefined };
const TEAM_A: Caller = { kind: 'tenant', tenant: 'team-a', credentials: [KNOWN] };

function ask(parts: Partial<Question>, caller: Caller, inventory: Inventory): Decision {
  return decide(question(parts), caller, { inventory, limitsOf: () => undefined, limits: desiredState().gateway.limits, queriers: new Set(), pushers: new Set() });
}

/** `allow site-1/node /metrics`, `deny target_forbidden`. */
function inWords(decision: Decision): string {
  if (!decision.allow) return `deny ${decision.reason}`;
  const { 'x-scrapeway-agent': agent = '', 'x-scrapeway-target': name = '', 'x-scrapeway-path': path } = decision.stamp;
  return `allow ${agent}/${name}${path === undefined ? '' : ` ${path}`}`;
}

describe('a site with several agents', () => {
  const state = desiredState({
    tenants: [
      { name: 'team-a', scrape: [{ agents: ['paris'], targets: undefined, selector: [{ label: 'env', operator: '=', value: 'prod' }] }] },
      { name: 'team-b', scrape: [{ agents: undefined, targets: undefined, selector: [{ label: 'agent', operator: '=', value: 'paris' }] }] },
    ],
    agents: ['paris-1', 'paris-2'].map((name) => ({ name, tenants: ['team-a', 'team-b'] })),
    sites: [{ name: 'paris', agents: ['paris-1', 'paris-2'], hedge: 'p95' }],
  });
  const prod = { labels: { env: 'prod' } };
  const made = (...members: readonly (readonly [string, readonly ReturnType<typeof target>[]])[]): Inventory => {
    const tables = new Inventory();
    tables.setRights(compileRights(state), sitesByMember(state));
    for (const [agent, targets] of members) tables.register(agent, targets);
    return tables;
  };
  const both = made(['paris-1', [target('node', prod), target('first', prod)]], ['paris-2', [target('node'), target('second', prod)]]);
  const members = (decision: Decision): string | undefined => (decision.allow ? decision.stamp['x-scrapeway-members'] : decision.reason);

  it('is asked for by its name, through every door; the members go along, in order, and the hedge', () => {
    const decision = ask({ path: '/scrape/paris/node' }, { ...TEAM_A, tenant: 'team-b' }, both);
    expect(decision).toMatchObject({ allow: true, stamp: { 'x-scrapeway-agent': 'paris', 'x-scrapeway-members': 'paris-1 paris-2', 'x-scrapeway-hedge': 'p95' }, audit: { agent: 'paris' } });
    expect(inWords(ask({ door: 'proxy', host: 'second.paris.scrapeway', path: '/metrics' }, TEAM_A, both))).toBe('allow paris/second');
    expect(members(ask({ door: 'proxy', host: 'second.paris.scrapeway', path: '/metrics' }, TEAM_A, both))).toBe('paris-2');
    expect(inWords(ask({ door: 'connect', method: 'CONNECT', host: 'first.paris.scrapeway:443', path: '' }, TEAM_A, both))).toBe('allow paris/first');
  });

  it('its members have no doors of their own', () => {
    expect(inWords(ask({ path: '/scrape/paris-1/node' }, TEAM_A, both))).toBe('deny target_forbidden');
  });

  it('a member whose own labels are not granted does not stand in', () => {
    expect(members(ask({ path: '/scrape/paris/node' }, TEAM_A, both))).toBe('paris-1');
  });

  it('the same address at both members is one target, not two', () => {
    const same = made(['paris-1', [target('node', prod)]], ['paris-2', [target('node', prod)]]);
    expect(inWords(ask({ door: 'proxy', host: '127.0.0.1:9100', path: '/metrics' }, TEAM_A, same))).toBe('allow paris/node');
  });

  it('what no member has is not known while one is missing, and does not exist when all are there', () => {
    expect(inWords(ask({ path: '/scrape/paris/node' }, TEAM_A, made()))).toBe('deny agent_away');
    expect(inWords(ask({ path: '/scrape/paris/second' }, TEAM_A, made(['paris-1', []])))).toBe('deny agent_away');
    expect(inWords(ask({ path: '/scrape/paris/nothing' }, TEAM_A, both))).toBe('deny target_forbidden');
  });

  it('tunnels of members come to the data thread of the site', () => {
    const decision = ask({ door: 'agent', path: '/tunnel', upgrade: 'scrapeway-tunnel' }, { kind: 'agent', agent: 'paris-2' }, both);
    expect(decision).toMatchObject({ stamp: { 'x-scrapeway-agent': 'paris', 'x-scrapeway-member': 'paris-2' }, audit: { agent: 'paris-2' } });
  });

  it('a configuration that makes or ends a site applies to what is registered', () => {
    const tables = made(['paris-1', [target('node', prod)]]);
    const alone = desiredState({ tenants: [{ name: 'team-a' }], agents: [{ name: 'paris-1', tenants: ['team-a'] }] });
    tables.setRights(compileRights(alone));
    expect(inWords(ask({ path: '/scrape/paris-1/node' }, TEAM_A, tables))).toBe('allow paris-1/node /metrics');
    tables.setRights(compileRights(state), sitesByMember(state));
    expect(inWords(ask({ path: '/scrape/paris/node' }, TEAM_A, tables))).toBe('allow paris/node /metrics');
  });
});
