import { describe, expect, it } from '@jest/globals';
import { desiredState, target } from '../../test/support/desired-state.js';
import type { Site } from './desired-state.js';
import { compileRights } from './grants.js';
import { disagreements, scrapables, siteOffer, sitesByMember } from './sites.js';
import type { Target } from './target.js';

const PARIS: Site = { name: 'paris', agents: ['paris-1', 'paris-2'], order: 'preference', hedge: undefined };
const offered = (one: readonly Target[], two: readonly Target[]): ReadonlyMap<string, readonly Target[]> => new Map([['paris-1', one], ['paris-2', two]]);
const membersOf = (site: Site, name: string, from: ReadonlyMap<string, readonly Target[]>): readonly string[] | undefined => siteOffer(site, from).get(name)?.members.map(({ agent }) => agent);

describe('what can be named', () => {
  const state = desiredState({
    tenants: [{ name: 'team-a' }, { name: 'team-b' }],
    agents: [
      { name: 'paris-1', tenants: ['team-a', 'team-b'] },
      { name: 'paris-2', tenants: ['team-a'] },
      { name: 'rome', tenants: ['team-b'] },
    ],
    sites: [PARIS],
  });

  it('is a site instead of its members, and every other agent; a site serves whom all its members serve', () => {
    expect(scrapables(state).map(({ name, tenants }) => `${name}: ${tenants.join(' ')}`)).toEqual(['rome: team-b', 'paris: team-a']);
    expect([...(compileRights(state).get('team-a')?.agents ?? [])]).toEqual(['paris']);
    expect([...sitesByMember(state).keys()]).toEqual(['paris-1', 'paris-2']);
  });
});

describe('what a site offers', () => {
  it('is each name once, as the first member has it that has it', () => {
    const found = siteOffer(PARIS, offered([target('both', { labels: { from: '1' } })], [target('both', { labels: { from: '2' } }), target('second')]));
    expect([...found].map(([name, each]) => [name, each.target.labels['from'], each.members.map(({ agent }) => agent).join(' ')])).toEqual([
      ['both', '1', 'paris-1 paris-2'],
      ['second', undefined, 'paris-2'],
    ]);
  });

  it.each([
    ['another address', { host: '10.0.0.2', port: 1 }, ['paris-1', 'paris-2']],
    ['other labels', { labels: { x: 'y' } }, ['paris-1', 'paris-2']],
    ['another path', { path: '/other' }, ['paris-1']],
    ['another scheme', { scheme: 'https' }, ['paris-1']],
  ] as const)('a member that has the name with %s', (_, parts, members) => {
    const from = offered([target('node')], [target('node', parts)]);
    expect(membersOf(PARIS, 'node', from)).toEqual(members);
    expect(disagreements(PARIS, from)).toEqual(['node']);
  });

  it('agrees with itself', () => {
    expect(disagreements(PARIS, offered([target('node', { labels: { a: '1', b: '2' } })], [target('node', { labels: { b: '2', a: '1' } }), target('more')]))).toEqual([]);
  });

  it('is spread evenly, the same each time, and no target moves because another comes', () => {
    const names = Array.from({ length: 400 }, (_, index) => `t${index}`);
    const all = names.map((name) => target(name));
    const spread: Site = { ...PARIS, order: 'spread' };
    const firsts = names.map((name) => membersOf(spread, name, offered(all, all))?.[0]);
    const share = firsts.filter((agent) => agent === 'paris-1').length;
    expect(share).toBeGreaterThan(150);
    expect(share).toBeLessThan(250);
    expect(names.slice(0, 9).map((name) => membersOf(spread, name, offered(all.slice(0, 9), all.slice(0, 9)))?.[0])).toEqual(firsts.slice(0, 9));
  });
});
