import { describe, expect, it } from '@jest/globals';
import { desiredState, target } from '../../test/support/desired-state.js';
import { compileRights } from './grants.js';
import type { ScrapeRights } from './grants.js';
import type { ScrapeGrant } from './desired-state.js';
import { parseSelector } from './selector.js';

function grant(parts: { agents?: string[]; targets?: string[]; selector?: string } = {}): ScrapeGrant {
  const parsed = parts.selector === undefined ? undefined : parseSelector(parts.selector, 'selector');
  if (parsed?.ok === false) throw new Error(JSON.stringify(parsed.error));
  return { agents: parts.agents, targets: parts.targets, selector: parsed?.value };
}

/** The rights of team-a, whom site-1 and site-2 serve and site-3 does not. */
function rights(...scrape: ScrapeGrant[]): ScrapeRights {
  const agents = [
    { name: 'site-1', tenants: ['team-a', 'team-b'] },
    { name: 'site-2', tenants: ['team-a'] },
    { name: 'site-3', tenants: ['team-b'] },
  ];
  const found = compileRights(desiredState({ tenants: [{ name: 'team-a', scrape }], agents })).get('team-a');
  if (found === undefined) throw new Error('no rights');
  return found;
}

describe('a tenant may scrape', () => {
  it('nothing without a grant', () => {
    expect(rights().ruleFor('site-1', target('node'))).toBeUndefined();
  });

  it('with a grant that names nothing, everything at the sites that serve it, and nothing elsewhere', () => {
    const all = rights(grant());
    expect(all.ruleFor('site-1', target('node'))).toBe('tenants/team-a/scrape[0]');
    expect(all.ruleFor('site-2', target('other'))).toBe('tenants/team-a/scrape[0]');
    expect(all.ruleFor('site-3', target('node'))).toBeUndefined();
    expect(all.ruleFor('site-4', target('node'))).toBeUndefined();
  });

  it('at a site that does not serve it nothing, even where a grant names the site', () => {
    expect(rights(grant({ agents: ['site-3'] })).ruleFor('site-3', target('node'))).toBeUndefined();
  });

  it('what every part of a grant matches', () => {
    const some = rights(grant({ agents: ['site-1'], targets: ['node', 'db'], selector: '{env="prod"}' }));
    const prod = { labels: { env: 'prod' } };
    expect(some.ruleFor('site-1', target('node', prod))).toBe('tenants/team-a/scrape[0]');
    expect(some.ruleFor('site-2', target('node', prod))).toBeUndefined();
    expect(some.ruleFor('site-1', target('web', prod))).toBeUndefined();
    expect(some.ruleFor('site-1', target('node', { labels: { env: 'test' } }))).toBeUndefined();
    expect(some.ruleFor('site-1', target('node'))).toBeUndefined();
  });

  it('what any grant matches, and the first that does is named', () => {
    const two = rights(grant({ targets: ['node'] }), grant({ selector: '{target=~"node|db"}' }));
    expect(two.ruleFor('site-1', target('node'))).toBe('tenants/team-a/scrape[0]');
    expect(two.ruleFor('site-1', target('db'))).toBe('tenants/team-a/scrape[1]');
    expect(two.ruleFor('site-1', target('web'))).toBeUndefined();
  });

  it('by the labels `agent` and `target`, which no registration can set', () => {
    const one = rights(grant({ selector: '{agent="site-1",target="node"}' }));
    expect(one.ruleFor('site-1', target('node', { labels: { agent: 'x', target: 'y' } }))).toBe('tenants/team-a/scrape[0]');
    expect(one.ruleFor('site-2', target('db', { labels: { agent: 'site-1', target: 'node' } }))).toBeUndefined();
  });
});

describe('before an agent has registered, a target could be reached', () => {
  const some = rights(grant({ agents: ['site-1'], targets: ['node'], selector: '{env="prod"}' }));

  it('if the names match, whatever the labels will be', () => {
    expect(some.couldReach('site-1', 'node')).toBe(true);
    expect(some.couldReach('site-1')).toBe(true);
    expect(some.couldReach('site-1', 'web')).toBe(false);
    expect(some.couldReach('site-2', 'node')).toBe(false);
  });

  it('never at a site that does not serve the tenant', () => {
    expect(rights(grant()).couldReach('site-3')).toBe(false);
    expect(rights(grant()).couldReach('site-4')).toBe(false);
  });
});
