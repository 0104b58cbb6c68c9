import { describe, expect, it } from '@jest/globals';
import { desiredState, target } from '../../test/support/desired-state.js';
import { question } from '../../test/support/question.js';
import { compileRights } from '../model/grants.js';
import type { TargetLimits } from '../model/target-limits.js';
import { decide } from './decide.js';
import type { KnownCredential } from './compile.js';
import type { Caller } from './identity.js';
import { Inventory } from './inventory.js';
import type { Decision, Question } from './question.js';

/**
 * Two teams, four sites. team-a has all of site-1 and, at site-2, which both share, the target `shared`; team-b all that serves it.
 * site-3 serves team-a and has never registered; so has site-4, of which team-a has no grant.
 */
const STATE = desiredState({
  tenants: [
    {
      name: 'team-a',
      scrape: [
        { agents: ['site-1', 'site-3'], targets: undefined, selector: undefined },
        { agents: ['site-2'], targets: ['shared', 'twin'], selector: undefined },
      ],
    },
    { name: 'team-b' },
  ],
  agents: [
    { name: 'site-1', tenants: ['team-a'] },
    { name: 'site-2', tenants: ['team-a', 'team-b'] },
    { name: 'site-3', tenants: ['team-a'] },
    { name: 'site-4', tenants: ['team-a'] },
    { name: 'site-5', tenants: ['team-b'] },
  ],
});

function inventory(): Inventory {
  const made = new Inventory();
  made.setRights(compileRights(STATE));
  made.register('site-1', [
    target('node'),
    target('blackbox', { port: 9115, path: '/probe?module=http_2xx&target=https://shop.example' }),
    target('db.main', { host: 'DB.internal', port: 80 }),
    target('twin', { host: '10.0.0.1' }),
    target('v6', { host: 'fd00::1', port: 9100 }),
  ]);
  made.register('site-2', [target('shared', { port: 9200 }), target('foreign', { port: 9300 }), target('twin', { host: '10.0.0.1' })]);
  made.register('site-5', [target('node')]);
  return made;
}

/** A credential of team-a without terms. */
const KNOWN: KnownCredential = { id: 'bearer:1', tenant: 'team-a', method: 'bearer', expiresMs: undefined, issuer: undefined, covers: undefined };
const TEAM_A: Caller = { kind: 'tenant', tenant: 'team-a', credentials: [KNOWN] };
const WHO = { tenant: 'team-a', auth: 'bearer', credential: 'bearer:1' };

function ask(parts: Partial<Question>, caller: Caller = TEAM_A, tables = inventory()): Decision {
  return decide(question(parts), caller, { inventory: tables, limits: STATE.gateway.limits, limitsOf: () => undefined, queriers: new Set(['team-q']), pushers: new Set() });
}

/** `allow site-1/node /metrics`, `deny target_forbidden`. */
function inWords(decision: Decision): string {
  if (!decision.allow) return `deny ${decision.reason}`;
  const { 'x-scrapeway-agent': agent, 'x-scrapeway-target': name, 'x-scrapeway-path': path } = decision.stamp;
  return ['allow', [agent, name].filter((part) => part !== undefined).join('/'), path].filter((part) => part !== undefined && part !== '').join(' ');
}

describe('the path door', () => {
  it.each([
    ['/scrape/site-1/node', 'allow site-1/node /metrics'],
    ['/scrape/site-1/db.main', 'allow site-1/db.main /metrics'],
    ['/scrape/site-2/shared', 'allow site-2/shared /metrics'],
    // what is not there, what is another's, and what is no name end alike
    ['/scrape/site-1/nothing', 'deny target_forbidden'],
    ['/scrape/site-2/foreign', 'deny target_forbidden'],
    ['/scrape/site-5/node', 'deny target_forbidden'],
    ['/scrape/site-9/node', 'deny target_forbidden'],
    ['/scrape/Site-1/node', 'deny target_forbidden'],
    ['/scrape/site-1/n%6fde', 'deny target_forbidden'],
    ['/scrape/site-1/node%2f..%2f', 'deny target_forbidden'],
    ['/scrape/site-1/..', 'deny target_forbidden'],
    ['/scrape/__proto__/constructor', 'deny target_forbidden'],
    // not known yet, as far as a grant goes
    ['/scrape/site-3/node', 'deny agent_away'],
    ['/scrape/site-4/node', 'deny target_forbidden'],
    // no target at all
    ['/scrape/', 'deny door_forbidden'],
    ['/scrape/site-1', 'deny door_forbidden'],
    ['/scrape/site-1/', 'deny door_forbidden'],
    ['/scrape//node', 'deny door_forbidden'],
    ['/other', 'deny door_forbidden'],
    // what no path is
    ['', 'deny malformed_request'],
    ['scrape/site-1/node', 'deny malformed_request'],
    ['/scrape/site-1/node?a=\u0001', 'deny malformed_request'],
    ['/scrape/site-1/node?a b', 'deny malformed_request'],
    ['/scrape/site-1/node/ä', 'deny malformed_request'],
    [`/scrape/site-1/node?${'a'.repeat(16_000)}`, 'deny malformed_request'],
  ])('%s: %s', (path, expected) => {
    expect(inWords(ask({ path }))).toBe(expected);
  });

  it.each([
    // the request's own path is taken as it stands
    ['/scrape/site-1/node/other/metrics', '/other/metrics'],
    ['/scrape/site-1/node/', '/'],
    ['/scrape/site-1/node/a%252fb?x=/../%2f', '/a%252fb?x=/../%2f'],
    ['/scrape/site-1/blackbox/metrics', '/metrics'],
    ['/scrape/site-1/blackbox/probe?target=x', '/probe?target=x'],
    // without one, the target's, with its defaults for what the request does not say
    ['/scrape/site-1/node?collect[]=cpu&collect[]=mem', '/metrics?collect[]=cpu&collect[]=mem'],
    ['/scrape/site-1/blackbox', '/probe?module=http_2xx&target=https://shop.example'],
    ['/scrape/site-1/blackbox?', '/probe?module=http_2xx&target=https://shop.example'],
    ['/scrape/site-1/blackbox?debug=true', '/probe?debug=true&module=http_2xx&target=https://shop.example'],
    ['/scrape/site-1/blackbox?target=https://a.example/?b=c', '/probe?target=https://a.example/?b=c&module=http_2xx'],
    ['/scrape/site-1/blackbox?tar%67et=x&module=', '/probe?tar%67et=x&module='],
  ])('%s fetches %s', (path, expected) => {
    expect(ask({ path })).toMatchObject({ allow: true, stamp: { 'x-scrapeway-path': expected } });
  });
});

describe('the proxy door', () => {
  it.each([
    ['node.site-1.scrapeway', 'allow site-1/node'],
    ['node.site-1.scrapeway:9100', 'allow site-1/node'],
    ['Node.Site-1.Scrapeway:1', 'allow site-1/node'],
    ['db.main.site-1.scrapeway:80', 'allow site-1/db.main'],
    ['twin.site-1.scrapeway:80', 'allow site-1/twin'],
    ['foreign.site-2.scrapeway', 'deny target_forbidden'],
    ['node.site-5.scrapeway', 'deny target_forbidden'],
    ['node.site-3.scrapeway', 'deny agent_away'],
    ['site-1.scrapeway', 'deny target_forbidden'],
    ['.site-1.scrapeway', 'deny target_forbidden'],
    ['node..scrapeway', 'deny target_forbidden'],
    ['scrapeway', 'deny agent_away'], // an address like any other
    ['127.0.0.1:9200', 'allow site-2/shared'],
    ['db.internal:80', 'allow site-1/db.main'],
    ['DB.Internal', 'allow site-1/db.main'],
    ['[fd00::1]:9100', 'allow site-1/v6'],
    ['h,i', 'deny malformed_request'],
    ['db.internal,db.internal', 'deny malformed_request'],
    ['db.internal ', 'deny malformed_request'],
    ['', 'deny malformed_request'],
  ])('%s: %s', (host, expected) => {
    expect(inWords(ask({ door: 'proxy', host, path: '/any/path?x=y' }))).toBe(expected);
  });

  it('gives an address to the one target of the tenant that has it, whoever else has it too', () => {
    // node of site-1 and node of site-5 (team-b's) are both 127.0.0.1:9100
    expect(inWords(ask({ door: 'proxy', host: '127.0.0.1:9100' }))).toBe('allow site-1/node');
  });

  it('refuses an address that two targets of the tenant have, and notes why', () => {
    expect(ask({ door: 'proxy', host: '10.0.0.1:9100' })).toEqual({
      allow: false,
      reason: 'target_forbidden',
      audit: { door: 'proxy', ...WHO, rule: 'ambiguous address' },
    });
  });

  it('does not say no to an address while an agent that may have it is still to come', () => {
    const tables = inventory();
    const unknown: Partial<Question> = { door: 'proxy', host: '127.0.0.1:9300' };
    expect(inWords(ask(unknown, TEAM_A, tables))).toBe('deny agent_away');
    tables.register('site-3', []);
    expect(inWords(ask(unknown, TEAM_A, tables))).toBe('deny target_forbidden');
  });
});

describe('a scrape', () => {
  const granted: Partial<Question> = { path: '/scrape/site-2/shared?a=b' };

  it('that is granted carries what the hub needs, and no credential of ours', () => {
    expect(ask({ ...granted, scrapeTimeout: '10' })).toEqual({
      allow: true,
      stamp: {
        'x-scrapeway-tenant': 'team-a',
        'x-scrapeway-credential': 'bearer:1',
        'x-scrapeway-agent': 'site-2',
        'x-scrapeway-target': 'shared',
        'x-scrapeway-path': '/metrics?a=b',
        'x-scrapeway-timeout-ms': '9500',
        'x-envoy-upstream-rq-timeout-ms': '9500',
      },
      remove: ['authorization', 'proxy-authorization', 'x-tenant-namespace', 'x-scrapeway-peer-issuer'],
      audit: { door: 'path', ...WHO, agent: 'site-2', target: 'shared', rule: 'tenants/team-a/scrape[1]' },
    });
  });

  it('by the proxy door keeps its path, and the authorization that is the exporter’s', () => {
    const decision = ask({ door: 'proxy', host: '127.0.0.1:9200', path: '/x?y' });
    expect(decision).toMatchObject({ allow: true, remove: ['proxy-authorization', 'x-tenant-namespace', 'x-scrapeway-peer-issuer'] });
    expect(decision.allow && 'x-scrapeway-path' in decision.stamp).toBe(false);
  });

  it('notes what was asked for when it is refused', () => {
    expect(ask({ path: '/scrape/site-9/node' }).audit).toEqual({ door: 'path', ...WHO, agent: 'site-9', target: 'node' });
  });

  it.each([
    [undefined, 9500],
    ['10', 9500],
    ['0.5', 100],
    ['1', 500],
    ['1.2345', 735],
    ['0', 100],
    ['120', 119_500],
    ['3600', 119_500],
    ['999999999', 119_500],
  ])('whose client waits %s s gets %s ms', (scrapeTimeout, expected) => {
    expect(ask({ ...granted, scrapeTimeout })).toMatchObject({ stamp: { 'x-scrapeway-timeout-ms': String(expected) } });
  });

  it.each(['', '-1', '1e3', 'ten', '10,10', 'Infinity', ' 1', '1.', '9999999999'])('whose client waits %j s is malformed', (scrapeTimeout) => {
    expect(inWords(ask({ ...granted, scrapeTimeout }))).toBe('deny malformed_request');
  });

  it.each(['GET', 'HEAD'])('may be a %s', (method) => {
    expect(ask({ ...granted, method }).allow).toBe(true);
  });

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT', 'get', ''])('may not be a %s, whatever the target', (method) => {
    expect(inWords(ask({ ...granted, method }))).toBe('deny method_forbidden');
    expect(inWords(ask({ path: '/scrape/site-5/node', method }))).toBe('deny method_forbidden');
    expect(inWords(ask({ door: 'proxy', host: '127.0.0.1:9200', method }))).toBe('deny method_forbidden');
  });
});

describe('CONNECT', () => {
  const connect: Partial<Question> = { door: 'connect', method: 'CONNECT', path: '' };

  it.each([
    ['node.site-1.scrapeway:443', 'allow site-1/node'],
    ['Node.Site-1.Scrapeway:1', 'allow site-1/node'],
    ['127.0.0.1:9200', 'allow site-2/shared'],
    ['DB.internal:80', 'allow site-1/db.main'],
    ['[fd00::1]:9100', 'allow site-1/v6'],
    ['foreign.site-2.scrapeway:443', 'deny target_forbidden'],
    ['node.site-5.scrapeway:443', 'deny target_forbidden'],
    ['nothing.site-1.scrapeway:443', 'deny target_forbidden'],
    ['10.0.0.1:9100', 'deny target_forbidden'],
    ['node.site-3.scrapeway:443', 'deny agent_away'],
    ['h,i:443', 'deny malformed_request'],
    ['', 'deny malformed_request'],
  ])('to %s: %s', (host, expected) => {
    expect(inWords(ask({ ...connect, host }))).toBe(expected);
  });

  it('is stamped with the target, the time to be established, no path and no deadline for Envoy', () => {
    expect(ask({ ...connect, host: '127.0.0.1:9200' })).toEqual({
      allow: true,
      stamp: { 'x-scrapeway-tenant': 'team-a', 'x-scrapeway-credential': 'bearer:1', 'x-scrapeway-agent': 'site-2', 'x-scrapeway-target': 'shared', 'x-scrapeway-timeout-ms': '9500' },
      remove: ['proxy-authorization', 'x-tenant-namespace', 'x-scrapeway-peer-issuer'],
      audit: { door: 'connect', ...WHO, agent: 'site-2', target: 'shared', rule: 'tenants/team-a/scrape[1]' },
    });
  });

  it.each(['GET', 'POST', ''])('is not a %s', (method) => {
    expect(inWords(ask({ ...connect, host: '127.0.0.1:9200', method }))).toBe('deny method_forbidden');
  });
});

describe('http_sd', () => {
  it('is for every tenant', () => {
    expect(ask({ door: 'sd', path: '/sd?door=proxy' })).toEqual({
      allow: true,
      stamp: { 'x-scrapeway-tenant': 'team-a', 'x-scrapeway-credential': 'bearer:1' },
      remove: ['authorization', 'proxy-authorization', 'x-forwarded-client-cert', 'x-tenant-namespace', 'x-scrapeway-peer-issuer'],
      audit: { door: 'sd', ...WHO, rule: 'tenants/team-a' },
    });
  });

  it('is read only', () => {
    expect(inWords(ask({ door: 'sd', path: '/sd', method: 'POST' }))).toBe('deny method_forbidden');
  });
});

describe('a tunnel', () => {
  const handshake: Partial<Question> = { door: 'agent', path: '/tunnel', upgrade: 'scrapeway-tunnel' };
  const agent: Caller = { kind: 'agent', agent: 'site-1' };

  it('is stamped with the name in the certificate', () => {
    expect(ask(handshake, agent)).toEqual({
      allow: true,
      stamp: { 'x-scrapeway-agent': 'site-1' },
      remove: ['proxy-authorization', 'x-forwarded-client-cert', 'x-tenant-namespace'],
      audit: { door: 'agent', agent: 'site-1', rule: 'agents/site-1' },
    });
  });

  it.each<[string, Partial<Question>]>([
    ['another method', { method: 'POST' }],
    ['another path', { path: '/scrape/site-1/node' }],
    ['a query', { path: '/tunnel?x' }],
    ['no upgrade', { upgrade: undefined }],
    ['another upgrade', { upgrade: 'websocket' }],
    ['two upgrades', { upgrade: 'scrapeway-tunnel,websocket' }],
  ])('is all that an agent gets: not %s', (_, parts) => {
    expect(inWords(ask({ ...handshake, ...parts }, agent))).toBe('deny door_forbidden');
  });

  it('is for agents only', () => {
    expect(inWords(ask(handshake, TEAM_A))).toBe('deny door_forbidden');
  });
});

describe('elsewhere', () => {
  it('the door none leads nowhere, for those who are known', () => {
    expect(ask({ door: 'none', host: '127.0.0.1:9200', path: '/x' })).toEqual({ allow: false, reason: 'door_forbidden', audit: { door: 'none', ...WHO } });
  });
});

describe('a stranger', () => {
  it.each(['path', 'proxy', 'connect', 'sd', 'agent', 'none'] as const)('is told why on the door %s, and nothing else', (door) => {
    const decision = ask({ door, path: door === 'connect' ? '' : '/scrape/site-1/node', method: 'POST' }, { kind: 'stranger', reason: 'no_credentials' });
    expect(decision).toEqual({ allow: false, reason: 'no_credentials', audit: { door } });
  });

  it('is who a tenant becomes that the configuration has no more', () => {
    expect(inWords(ask({ path: '/scrape/site-1/node' }, { kind: 'tenant', tenant: 'team-z', credentials: [] }))).toBe('deny bad_credentials');
  });
});

describe('a credential with a scope', () => {
  const only = (agent: string, name: string): Caller => ({
    kind: 'tenant',
    tenant: 'team-a',
    credentials: [KNOWN, { ...KNOWN, id: 'bearer:2', covers: (a, t) => a === agent && t.name === name }],
  });

  it('reaches what its scope has', () => {
    expect(inWords(ask({ path: '/scrape/site-1/node' }, only('site-1', 'node')))).toMatch(/^allow/);
  });

  it('is refused elsewhere like a target that does not exist, and the audit line says why', () => {
    const decision = ask({ path: '/scrape/site-1/node' }, only('site-1', 'other'));
    expect(decision).toMatchObject({ allow: false, reason: 'target_forbidden', audit: { rule: 'scope of bearer:2', agent: 'site-1', target: 'node' } });
  });
});

describe('limits of a target', () => {
  const bounded = (parts: Partial<TargetLimits>, scrapeTimeout = '30'): Decision =>
    decide(question({ path: '/scrape/site-1/node', scrapeTimeout }), TEAM_A, { inventory: inventory(), limits: STATE.gateway.limits, limitsOf: () => ({ rateOf: undefined, maxConcurrentScrapes: undefined, maxBodyBytes: undefined, maxScrapeTimeoutMs: undefined, ...parts }), queriers: new Set(), pushers: new Set() });

  it.each([
    ['scrapes at once, for the hub', { maxConcurrentScrapes: 2 }, { stamp: { 'x-scrapeway-max-scrapes': '2' } }],
    ['bytes of an answer, for the hub', { maxBodyBytes: 1024 }, { stamp: { 'x-scrapeway-max-bytes': '1024' } }],
    ['a rate, for Envoy', { rateOf: 'slow' }, { audit: { template: 'slow' } }],
    ['a deadline, over what the client asks for', { maxScrapeTimeoutMs: 5000 }, { stamp: { 'x-scrapeway-timeout-ms': '5000', 'x-envoy-upstream-rq-timeout-ms': '5000' } }],
  ])('are stamped: %s', (_, limits, expected) => {
    expect(bounded(limits)).toMatchObject({ allow: true, ...expected });
  });

  it('never make a deadline longer', () => {
    expect(bounded({ maxScrapeTimeoutMs: 60_000 }, '1')).toMatchObject({ allow: true, stamp: { 'x-scrapeway-timeout-ms': expect.stringMatching(/^\d{3}$/) } });
  });
});

describe('the query door', () => {
  const querier = (covers?: KnownCredential['covers']): Caller => ({ kind: 'tenant', tenant: 'team-a', credentials: [{ ...KNOWN, covers }] });
  const askQuery = (caller: Caller, queriers: readonly string[], method = 'POST'): string =>
    inWords(decide(question({ door: 'query', path: '/api/v1/query', method }), caller, { inventory: inventory(), limits: STATE.gateway.limits, limitsOf: () => undefined, queriers: new Set(queriers), pushers: new Set() }));

  it.each([
    ['is for tenants that have one', querier(), ['team-a'], 'POST', /^allow/],
    ['is not there for others', querier(), ['team-b'], 'POST', /^deny door_forbidden/],
    ['is not for a credential that is for scraping certain targets', querier(() => true), ['team-a'], 'POST', /^deny door_forbidden/],
    ['reads only', querier(), ['team-a'], 'PUT', /^deny method_forbidden/],
  ])('%s', (_name, caller, queriers, method, expected) => {
    expect(askQuery(caller, queriers, method)).toMatch(expected);
  });
});

describe('the doors of joining', () => {
  it.each<[string, Partial<Question>, string]>([
    ['the CA is asked for', { method: 'GET', path: '/agents/join' }, 'allow'],
    ['a token comes', { method: 'POST', path: '/agents/join' }, 'allow'],
    ['another method', { method: 'PUT', path: '/agents/join' }, 'deny method_forbidden'],
    ['a query', { method: 'POST', path: '/agents/join?x' }, 'deny door_forbidden'],
    ['another path', { method: 'POST', path: '/scrape/site-1/node' }, 'deny door_forbidden'],
  ])('without any identity: %s', (_, parts, outcome) => {
    const decision = ask({ door: 'join', ...parts }, { kind: 'stranger', reason: 'no_credentials' });
    expect(inWords(decision)).toBe(outcome);
    if (decision.allow) expect(decision.stamp).toEqual({ 'x-scrapeway-join': 'token' });
  });

  it.each<[string, Partial<Question>, Caller, string]>([
    ['an agent', { method: 'POST', path: '/agents/renew' }, { kind: 'agent', agent: 'site-1' }, 'allow site-1'],
    ['with another method', { method: 'GET', path: '/agents/renew' }, { kind: 'agent', agent: 'site-1' }, 'deny door_forbidden'],
    ['a tunnel by this door', { method: 'GET', path: '/tunnel', upgrade: 'scrapeway-tunnel' }, { kind: 'agent', agent: 'site-1' }, 'deny door_forbidden'],
    ['a certificate that names no agent, or is revoked', { method: 'POST', path: '/agents/renew' }, { kind: 'stranger', reason: 'agent_unknown' }, 'deny agent_unknown'],
    ['a tenant', { method: 'POST', path: '/agents/renew' }, TEAM_A, 'deny door_forbidden'],
  ])('renewal: %s', (_, parts, caller, outcome) => {
    expect(inWords(ask({ door: 'renew', ...parts }, caller))).toBe(outcome);
  });
});
