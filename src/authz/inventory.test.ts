import { describe, expect, it } from '@jest/globals';
import { desiredState, target } from '../../test/support/desired-state.js';
import type { StateParts } from '../../test/support/desired-state.js';
import { compileRights } from '../model/grants.js';
import { Inventory } from './inventory.js';
import type { Finding } from './inventory.js';

const TWO_SITES: StateParts = {
  tenants: [{ name: 'team-a' }, { name: 'team-b' }],
  agents: [
    { name: 'site-1', tenants: ['team-a'] },
    { name: 'site-2', tenants: ['team-a', 'team-b'] },
  ],
};

function inventory(parts: StateParts = TWO_SITES): Inventory {
  const made = new Inventory();
  made.setRights(compileRights(desiredState(parts)));
  return made;
}

function inWords(finding: Finding | undefined): string {
  return finding?.kind === 'granted' ? `${finding.entry.agent}/${finding.entry.target.name}` : (finding?.kind ?? 'no such tenant');
}

const find = (from: Inventory, tenant: string, agent: string, name: string): string => inWords(from.view(tenant)?.find(agent, name));
const findByAddress = (from: Inventory, tenant: string, address: string): string => inWords(from.view(tenant)?.findByAddress(address));

describe('a registration', () => {
  it('counts at once, for tenants that asked before too', () => {
    const tables = inventory();
    expect(find(tables, 'team-a', 'site-1', 'node')).toBe('unknown_yet');
    expect(findByAddress(tables, 'team-a', '127.0.0.1:9100')).toBe('unknown_yet');
    tables.register('site-2', []);
    tables.register('site-1', [target('node')]);
    expect(find(tables, 'team-a', 'site-1', 'node')).toBe('site-1/node');
    expect(findByAddress(tables, 'team-a', '127.0.0.1:9100')).toBe('site-1/node');
    expect(find(tables, 'team-b', 'site-1', 'node')).toBe('none');
    expect(findByAddress(tables, 'team-b', '127.0.0.1:9100')).toBe('none');
  });

  it('replaces the one before', () => {
    const tables = inventory();
    tables.register('site-2', [target('old', { port: 1 }), target('both', { port: 2 })]);
    expect(findByAddress(tables, 'team-b', '127.0.0.1:1')).toBe('site-2/old');
    tables.register('site-2', [target('both', { port: 3 }), target('new', { port: 2 })]);
    expect(find(tables, 'team-b', 'site-2', 'old')).toBe('none');
    expect(findByAddress(tables, 'team-b', '127.0.0.1:1')).toBe('none');
    expect(findByAddress(tables, 'team-b', '127.0.0.1:2')).toBe('site-2/new');
    expect(findByAddress(tables, 'team-b', '127.0.0.1:3')).toBe('site-2/both');
  });

  it('can be taken back: then nothing is known again', () => {
    const tables = inventory();
    tables.register('site-2', [target('node')]);
    expect(findByAddress(tables, 'team-b', '127.0.0.1:9100')).toBe('site-2/node');
    tables.register('site-2', undefined);
    expect(find(tables, 'team-b', 'site-2', 'node')).toBe('unknown_yet');
    expect(findByAddress(tables, 'team-b', '127.0.0.1:9100')).toBe('unknown_yet');
  });

  it('with one address twice makes it ambiguous until one of them goes', () => {
    const tables = inventory();
    tables.register('site-1', [target('one'), target('two')]);
    expect(findByAddress(tables, 'team-a', '127.0.0.1:9100')).toBe('ambiguous');
    expect(find(tables, 'team-a', 'site-1', 'two')).toBe('site-1/two');
    tables.register('site-1', [target('two')]);
    expect(findByAddress(tables, 'team-a', '127.0.0.1:9100')).toBe('site-1/two');
  });

  it('may come before the configuration', () => {
    const tables = new Inventory();
    tables.register('site-1', [target('node')]);
    expect(tables.view('team-a')).toBeUndefined();
    tables.setRights(compileRights(desiredState(TWO_SITES)));
    expect(find(tables, 'team-a', 'site-1', 'node')).toBe('site-1/node');
  });

  it('of an agent that the configuration does not have is nobody’s', () => {
    const tables = inventory();
    tables.register('site-3', [target('node')]);
    expect(find(tables, 'team-a', 'site-3', 'node')).toBe('none');
  });
});

describe('a new configuration', () => {
  it('counts at once, for what was asked before too', () => {
    const tables = inventory();
    tables.register('site-2', [target('node')]);
    expect(find(tables, 'team-b', 'site-2', 'node')).toBe('site-2/node');
    expect(findByAddress(tables, 'team-b', '127.0.0.1:9100')).toBe('site-2/node');
    tables.setRights(compileRights(desiredState({ ...TWO_SITES, agents: [{ name: 'site-2', tenants: ['team-a'] }] })));
    expect(find(tables, 'team-b', 'site-2', 'node')).toBe('none');
    expect(findByAddress(tables, 'team-b', '127.0.0.1:9100')).toBe('none');
    expect(find(tables, 'team-a', 'site-2', 'node')).toBe('site-2/node');
  });

  it('that drops a tenant leaves nothing to ask', () => {
    const tables = inventory();
    tables.setRights(compileRights(desiredState({ ...TWO_SITES, tenants: [{ name: 'team-a' }] })));
    expect(tables.view('team-b')).toBeUndefined();
  });
});

describe('at 1,000 agents with 100 targets each', () => {
  const agents = Array.from({ length: 1000 }, (_, index) => ({ name: `site-${index}`, tenants: [`team-${index % 100}`] }));
  const tables = inventory({ tenants: Array.from({ length: 100 }, (_, index) => ({ name: `team-${index}` })), agents });
  for (const [index, agent] of agents.entries()) {
    tables.register(
      agent.name,
      Array.from({ length: 100 }, (_, each) => target(`target-${each}`, { host: `10.${index >> 8}.${index & 255}.1`, port: 9000 + each })),
    );
  }

  it('a look-up is no walk over the others', () => {
    // 10,000 walks over 100,000 targets would take minutes: longer than a test may
    for (let round = 0; round < 10_000; round += 1) {
      const index = (round * 7) % 1000;
      expect(tables.view(`team-${index % 100}`)?.find(`site-${index}`, 'target-50').kind).toBe('granted');
      tables.view(`team-${index % 100}`)?.findByAddress(`10.${index >> 8}.${index & 255}.1:9050`);
    }
  });
});
