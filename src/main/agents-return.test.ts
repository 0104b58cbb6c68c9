import { describe, expect, it } from '@jest/globals';
import { desiredState } from '../../test/support/desired-state.js';
import { manualClock } from '../../test/support/manual-clock.js';
import { awaitAgents } from './agents-return.js';
import type { AgentsReturn } from './agents-return.js';

function start(peers: readonly string[] | undefined, waitMs = 20_000) {
  const state = desiredState({ agents: [{ name: 'a' }, { name: 'b' }] });
  const clock = manualClock();
  let opened = 0;
  const waiting: AgentsReturn = awaitAgents({ ...state, gateway: { ...state.gateway, peers } }, { waitMs, clock, onOpen: () => (opened += 1) });
  return { waiting, clock, opened: () => opened };
}

describe('a gateway that has just started', () => {
  it.each([['has no peers', []], ['does not know of peers', undefined]])('and %s takes scrapers at once', (_, peers) => {
    expect(start(peers).waiting.awaited()).toEqual([]);
  });

  it('with peers opens when the last of its agents is back, once', () => {
    const { waiting, clock, opened } = start(['gw-2']);
    waiting.returned('b');
    waiting.returned('b');
    expect([waiting.awaited(), opened()]).toEqual([['a'], 0]);
    waiting.returned('a');
    clock.advance(60_000);
    expect([waiting.awaited(), opened()]).toEqual([[], 1]);
  });

  it('waits for nobody longer than it may', () => {
    const { waiting, clock, opened } = start(['gw-2']);
    clock.advance(19_999);
    expect(opened()).toBe(0);
    clock.advance(1);
    waiting.returned('a');
    expect([waiting.awaited(), opened()]).toEqual([[], 1]);
  });

  it('waits for nobody where it may not wait', () => {
    expect(start(['gw-2'], 0).waiting.awaited()).toEqual([]);
  });
});
