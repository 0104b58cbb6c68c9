import { describe, expect, it } from '@jest/globals';
import { desiredState } from '../../test/support/desired-state.js';
import type { DesiredState } from '../model/desired-state.js';
import { changeBetween, changed } from './state-change.js';

function state(...tenants: readonly (readonly [name: string, metric: string])[]): DesiredState {
  return desiredState({ tenants: tenants.map(([name, metric]) => ({ name, query: [{ backends: undefined, metrics: [metric], labels: {} }] })) });
}

const BEFORE = state(['a', 'up'], ['b', 'up']);

describe('a change of the state', () => {
  it.each<[what: string, before: DesiredState | undefined, next: DesiredState, told: readonly string[]]>([
    ['from nothing', undefined, BEFORE, ['a', 'b']],
    ['that changes nothing', BEFORE, state(['a', 'up'], ['b', 'up']), []],
    ['of one tenant', BEFORE, state(['a', 'up'], ['b', 'down']), ['b']],
    ['that adds one', BEFORE, state(['a', 'up'], ['c', 'up'], ['b', 'up']), ['c']],
    ['that takes one away', BEFORE, state(['b', 'up']), []],
    ['of their order', BEFORE, state(['b', 'up'], ['a', 'up']), []],
    ['of something else', BEFORE, { ...BEFORE, backends: [] }, []],
  ])('%s tells of tenants that have changed, and makes the next state of the one before', (_what, before, next, told) => {
    const change = structuredClone(changeBetween(before, next));
    expect(change.changed.map(({ name }) => name)).toEqual(told);
    expect(changed(before, change)).toEqual(next);
  });

  it('leaves tenants that have not changed the same values', () => {
    const next = changed(BEFORE, structuredClone(changeBetween(BEFORE, state(['a', 'up'], ['b', 'down']))));
    expect(next.tenants[0]).toBe(BEFORE.tenants[0]);
  });

  it('that was made for another state is refused', () => {
    expect(() => changed(undefined, changeBetween(BEFORE, BEFORE))).toThrow('the tenant a was never told of');
  });
});
