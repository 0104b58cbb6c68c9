import { describe, expect, it } from '@jest/globals';
import { desiredState, target } from '../../test/support/desired-state.js';
import { compileRights } from '../model/grants.js';
import type { ScrapeRights } from '../model/grants.js';
import type { ScrapeGrant } from '../model/desired-state.js';
import type { Target } from '../model/target.js';
import { targetGroups } from './groups.js';
import type { SdDoor, TargetGroup } from './groups.js';

const ALL: ScrapeGrant = { agents: undefined, targets: undefined, selector: undefined };

/** Of team-a, which site-a and site-b serve; site-c serves team-b only. */
function rights(...scrape: readonly ScrapeGrant[]): ScrapeRights {
  const state = desiredState({
    tenants: [{ name: 'team-a', scrape }, { name: 'team-b' }],
    agents: [
      { name: 'site-b', tenants: ['team-a'] },
      { name: 'site-a', tenants: ['team-a', 'team-b'] },
      { name: 'site-c', tenants: ['team-b'] },
    ],
  });
  const found = compileRights(state).get('team-a');
  if (found === undefined) throw new Error('no rights');
  return found;
}

function groups(door: SdDoor, offered: Readonly<Record<string, readonly Target[]>>, ...scrape: readonly ScrapeGrant[]): TargetGroup[] {
  return targetGroups({ isWanted: () => true, hints: () => ({}), rights: rights(...(scrape.length === 0 ? [ALL] : scrape)), offered: new Map(Object.entries(offered)), door, gatewayAddress: 'gw.example:9443' });
}

describe('by path', () => {
  it('the target is the gateway; path, agent, target and instance tell the rest', () => {
    expect(groups('path', { 'site-a': [target('node', { path: '/probe?module=x', labels: { env: 'prod' } })] })).toEqual([
      {
        targets: ['gw.example:9443'],
        labels: { env: 'prod', __scheme__: 'https', __metrics_path__: '/scrape/site-a/node', agent: 'site-a', target: 'node', instance: '127.0.0.1:9100' },
      },
    ]);
  });
});

describe('by proxy', () => {
  it('the target has a name that only the gateway knows, with its own port', () => {
    expect(groups('proxy', { 'site-a': [target('node', { labels: { env: 'prod' } })] })).toEqual([
      {
        targets: ['node.site-a.scrapeway:9100'],
        labels: { env: 'prod', __scheme__: 'http', __metrics_path__: '/metrics', agent: 'site-a', target: 'node', instance: '127.0.0.1:9100' },
      },
    ]);
  });

  it.each([
    ['/probe?module=http_2xx&target=x%20y', { __metrics_path__: '/probe', __param_module: 'http_2xx', __param_target: 'x y' }],
    ['/a?b=1&b=2', { __param_b: '1' }],
    ['/a?match[]=x&c=', { __param_c: '' }],
    ['/a?b=c?d', { __metrics_path__: '/a', __param_b: 'c?d' }],
    ['/a?', { __metrics_path__: '/a' }],
    ['/', { __metrics_path__: '/' }],
    ['/a%20b/%C3%A9', { __metrics_path__: '/a b/é' }],
    ['/a%ff', { __metrics_path__: '/a%ff' }],
  ])('path and query of %s', (path, labels) => {
    const [group] = groups('proxy', { 'site-a': [target('node', { path })] });
    const steering = Object.entries(group?.labels ?? {}).filter(([name]) => name.startsWith('__param_') || name in labels);
    expect(Object.fromEntries(steering)).toEqual(labels);
  });

  it('Prometheus speaks plain HTTP to the proxy, whatever the target speaks', () => {
    expect(groups('proxy', { 'site-a': [target('node', { scheme: 'https', port: 443 })] })).toMatchObject([{ targets: ['node.site-a.scrapeway:443'], labels: { __scheme__: 'http' } }]);
  });
});

describe.each(['path', 'proxy'] as const)('by %s', (door) => {
  it('an IPv6 address stands in brackets', () => {
    expect(groups(door, { 'site-a': [target('node', { host: '2001:db8::1' })] })[0]?.labels['instance']).toBe('[2001:db8::1]:9100');
  });

  it('no label of a target goes before those of the gateway', () => {
    const labels = { agent: 'x', target: 'x', instance: 'x', __scheme__: 'x', __metrics_path__: 'x' };
    const [plain] = groups(door, { 'site-a': [target('node')] });
    expect(groups(door, { 'site-a': [target('node', { labels })] })).toEqual([plain]);
  });

  it('is sorted by agent and name, so that the same targets give the same bytes', () => {
    const listed = groups(door, { 'site-b': [target('b'), target('a')], 'site-a': [target('z'), target('y.z'), target('y-z')] });
    expect(listed.map(({ labels }) => `${labels['agent']}/${labels['target']}`)).toEqual(['site-a/y-z', 'site-a/y.z', 'site-a/z', 'site-b/a', 'site-b/b']);
    expect(groups(door, { 'site-a': [target('y-z'), target('z'), target('y.z')], 'site-b': [target('a'), target('b')] })).toEqual(listed);
  });

  it('lists what may be scraped, and nothing else', () => {
    const offered = { 'site-a': [target('node', { labels: { env: 'prod' } }), target('app')], 'site-b': [target('node')], 'site-c': [target('node')], stranger: [target('node')] };
    const names = (...scrape: readonly ScrapeGrant[]): readonly string[] => groups(door, offered, ...scrape).map(({ labels }) => `${labels['agent']}/${labels['target']}`);
    expect(names()).toEqual(['site-a/app', 'site-a/node', 'site-b/node']);
    expect(names({ ...ALL, agents: ['site-b'] })).toEqual(['site-b/node']);
    expect(names({ ...ALL, targets: ['app'] })).toEqual(['site-a/app']);
    expect(names({ ...ALL, selector: [{ label: 'env', operator: '=', value: 'prod' }] })).toEqual(['site-a/node']);
    expect(names({ ...ALL, agents: ['site-c'] })).toEqual([]);
  });

  it('of nothing is an empty list', () => {
    expect(groups(door, {})).toEqual([]);
  });
});

describe('by CONNECT', () => {
  it('only https targets, with TLS up to the target', () => {
    const offered = { 'site-a': [target('plain'), target('secure', { scheme: 'https', port: 9443, path: '/metrics?x=1' })] };
    expect(groups('connect', offered)).toEqual([
      {
        targets: ['secure.site-a.scrapeway:9443'],
        labels: { __scheme__: 'https', __metrics_path__: '/metrics', __param_x: '1', agent: 'site-a', target: 'secure', instance: '127.0.0.1:9443' },
      },
    ]);
  });
});
