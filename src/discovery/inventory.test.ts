import { describe, expect, it } from '@jest/globals';
import { desiredState, target } from '../../test/support/desired-state.js';
import { manualClock } from '../../test/support/manual-clock.js';
import type { ManualClock } from '../../test/support/manual-clock.js';
import { compileRights } from '../model/grants.js';
import type { ScrapeRights } from '../model/grants.js';
import { Inventory } from './inventory.js';
import type { Remembered } from './inventory.js';

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2030, 0, 1);

interface Rig {
  readonly inventory: Inventory;
  readonly clock: ManualClock;
  readonly forgotten: readonly string[];
}

/** Settles in 20 s; an hour's retention. */
function create(remembered: readonly Remembered[] = [], retentionMs = HOUR_MS): Rig {
  const clock = manualClock();
  const forgotten: string[] = [];
  const inventory = new Inventory({ settleMs: 20_000, retentionMs, clock, wallMs: () => START_MS + clock.nowMs(), onForgotten: (agent) => forgotten.push(agent) }, remembered);
  return { inventory, clock, forgotten };
}

function away(agent: string, awaySinceMs: number): Remembered {
  return { agent, awaySinceMs, targets: [target('node')] };
}

/** Of team-a on site-a and site-b; its grant is for the agents given. */
function rights(agents?: readonly string[]): ScrapeRights {
  const state = desiredState({ tenants: [{ name: 'team-a', scrape: [{ agents, targets: undefined, selector: undefined }] }], agents: ['site-a', 'site-b'].map((name) => ({ name, tenants: ['team-a'] })) });
  const found = compileRights(state).get('team-a');
  if (found === undefined) throw new Error('no rights');
  return found;
}

const names = ({ inventory }: Rig): readonly string[] => [...inventory.offered.keys()];

describe('what agents offer', () => {
  it('is what they registered last', () => {
    const rig = create();
    rig.inventory.register('site-a', [target('one')]);
    rig.inventory.register('site-b', []);
    rig.inventory.register('site-a', [target('two')]);
    expect([...rig.inventory.offered]).toEqual([['site-a', [target('two')]], ['site-b', []]]);
  });

  it('stays while the agent is away, and goes when the retention has passed', () => {
    const rig = create();
    rig.inventory.register('site-a', [target('one')]);
    rig.inventory.agentState('site-a', 'down');
    rig.clock.advance(HOUR_MS - 1);
    expect([names(rig), rig.forgotten]).toEqual([['site-a'], []]);
    rig.clock.advance(1);
    expect([names(rig), rig.forgotten]).toEqual([[], ['site-a']]);
  });

  it('no wall clock that is set takes anything away, and what is kept for the next start has the new time', () => {
    const clock = manualClock();
    let wallMs = START_MS;
    const inventory = new Inventory({ settleMs: 0, retentionMs: HOUR_MS, clock, wallMs: () => wallMs, onForgotten: () => undefined }, []);
    inventory.register('site-a', [target('node')]);
    inventory.agentState('site-a', 'down');
    expect(inventory.isAway('site-a')).toBe(true);
    clock.advance(1000);
    wallMs += 10 * HOUR_MS;
    inventory.register('site-b', []);
    inventory.agentState('site-b', 'down');
    expect([...inventory.offered.keys()]).toEqual(['site-a', 'site-b']);
    expect(inventory.remembered().map(({ awaySinceMs }) => awaySinceMs - wallMs)).toEqual([-1000, 0]);
    inventory.stop();
  });

  it.each(['up', 'registration'])('stays when the agent comes back (%s)', (how) => {
    const rig = create();
    rig.inventory.register('site-a', [target('one')]);
    rig.inventory.agentState('site-a', 'down');
    rig.clock.advance(HOUR_MS - 1);
    if (how === 'up') rig.inventory.agentState('site-a', 'up');
    else rig.inventory.register('site-a', [target('one')]);
    rig.clock.advance(100 * HOUR_MS);
    expect([names(rig), rig.forgotten]).toEqual([['site-a'], []]);
  });

  it('goes for each agent in its own time', () => {
    const rig = create();
    for (const agent of ['site-a', 'site-b']) rig.inventory.register(agent, []);
    rig.inventory.agentState('site-a', 'down');
    rig.clock.advance(1000);
    rig.inventory.agentState('site-b', 'down');
    rig.clock.advance(HOUR_MS - 1000);
    expect(names(rig)).toEqual(['site-b']);
    rig.clock.advance(1000);
    expect(rig.forgotten).toEqual(['site-a', 'site-b']);
  });

  it('goes at once where nothing is to be retained', () => {
    const rig = create([], 0);
    rig.inventory.register('site-a', []);
    rig.inventory.agentState('site-a', 'down');
    expect(rig.forgotten).toEqual(['site-a']);
  });

  it('goes when the agent is not configured any more, though it is connected', () => {
    const rig = create();
    for (const agent of ['site-a', 'site-b']) rig.inventory.register(agent, []);
    rig.inventory.keepOnly(new Set(['site-b', 'site-c']));
    expect([names(rig), rig.forgotten]).toEqual([['site-b'], ['site-a']]);
  });

  it('outlasts a retention longer than a timer can be', () => {
    const days40 = 40 * 24 * HOUR_MS;
    const rig = create([], days40);
    rig.inventory.register('site-a', []);
    rig.inventory.agentState('site-a', 'down');
    rig.clock.advance(days40 - 1);
    expect(rig.forgotten).toEqual([]);
    rig.clock.advance(1);
    expect(rig.forgotten).toEqual(['site-a']);
  });

  it('the state of an agent that has registered nothing changes nothing', () => {
    const rig = create();
    rig.inventory.agentState('site-a', 'down');
    rig.inventory.agentState('site-a', 'up');
    rig.clock.advance(2 * HOUR_MS);
    expect([names(rig), rig.forgotten]).toEqual([[], []]);
  });

  it('when it is stopped, nothing is forgotten any more', () => {
    const rig = create();
    rig.inventory.register('site-a', []);
    rig.inventory.agentState('site-a', 'down');
    rig.inventory.stop();
    rig.clock.advance(2 * HOUR_MS);
    expect(rig.forgotten).toEqual([]);
  });
});

describe('what is remembered', () => {
  it('has for each agent since when it is away: for one that is here, since now', () => {
    const rig = create();
    rig.inventory.register('site-a', [target('one')]);
    rig.inventory.register('site-b', []);
    rig.inventory.agentState('site-a', 'down');
    rig.clock.advance(5000);
    expect(rig.inventory.remembered()).toEqual([
      { agent: 'site-a', targets: [target('one')], awaySinceMs: START_MS },
      { agent: 'site-b', targets: [], awaySinceMs: START_MS + 5000 },
    ]);
  });

  it('is offered again after a restart, for the rest of its retention', () => {
    const rig = create([away('site-a', START_MS - HOUR_MS + 1000), away('site-b', START_MS)]);
    expect(names(rig)).toEqual(['site-a', 'site-b']);
    rig.clock.advance(1000);
    expect([names(rig), rig.forgotten]).toEqual([['site-b'], ['site-a']]);
  });

  it('is forgotten at once where the retention passed meanwhile', () => {
    const rig = create([away('site-a', START_MS - HOUR_MS)]);
    expect([names(rig), rig.forgotten]).toEqual([[], ['site-a']]);
  });
});

describe('all is known', () => {
  it('when every agent that matters has registered', () => {
    const rig = create();
    expect(rig.inventory.isKnown(rights())).toBe(false);
    rig.inventory.register('site-a', []);
    expect(rig.inventory.isKnown(rights())).toBe(false);
    expect(rig.inventory.isKnown(rights(['site-a']))).toBe(true);
    rig.inventory.register('site-b', []);
    expect(rig.inventory.isKnown(rights())).toBe(true);
  });

  it('or is remembered', () => {
    const rig = create([away('site-a', START_MS), away('site-b', START_MS)]);
    expect(rig.inventory.isKnown(rights())).toBe(true);
  });

  it('or has had its time', () => {
    const rig = create();
    rig.clock.advance(19_999);
    expect(rig.inventory.isKnown(rights())).toBe(false);
    rig.clock.advance(1);
    expect(rig.inventory.isKnown(rights())).toBe(true);
  });
});
