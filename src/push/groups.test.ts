import { describe, expect, it } from '@jest/globals';
import { isExpired, readGroup } from './groups.js';

describe('a group of a Pushgateway', () => {
  it.each([
    ['push_time_seconds{instance="",job="batch",tenant="team-a"} 1.7e+09', [{ job: 'batch', tenant: 'team-a' }, { job: 'batch', instance: '', tenant: 'team-a' }]],
    ['push_time_seconds{instance="db-1",job="batch",tenant="team-a"} 1.7e+09', [{ job: 'batch', instance: 'db-1', tenant: 'team-a' }]],
    [String.raw`push_time_seconds{instance="i",job="a,b=\"c\"\\\n}",tenant="team-a",x=""} 1.7e+09`, [{ job: 'a,b="c"\\\n}', instance: 'i', tenant: 'team-a', x: '' }]],
  ])('has the key that its push time has: %s', (line, keys) => {
    const group = readGroup(line, 'tenant');
    expect(group).toMatchObject({ tenant: 'team-a', pushedMs: 1.7e12 });
    expect(group?.keys.map((key) => Object.fromEntries(key))).toEqual(keys);
    expect(group?.keys.map((key) => [...key.keys()][0])).toEqual(keys.map(() => 'job'));
  });

  it.each(['push_time_seconds{instance="",job="batch"} 1.7e+09', 'push_time_seconds{job="batch",tenant=""} 1', 'push_failure_time_seconds{job="b",tenant="team-a"} 1', 'push_time_seconds{"é"="x",job="b",tenant="team-a"} 1', '# HELP push_time_seconds x', ''])('of nobody, or that is none, is left alone: %s', (line) => {
    expect(readGroup(line, 'tenant')).toBeUndefined();
  });

  it.each([
    ['team-a', 10_000, 10_000, false],
    ['team-a', 10_000, 10_001, true],
    ['team-b', 10_000, 1_001, true],
    ['team-a', undefined, 1e12, false],
    ['team-b', undefined, 1_001, true],
  ])('of %s expires by the policy (%j): after %d ms %j', (tenant, ms, ageMs, expired) => {
    expect(isExpired({ tenant, pushedMs: 5_000, keys: [] }, { ms, byTenant: new Map([['team-b', 1_000]]) }, 5_000 + ageMs)).toBe(expired);
  });
});
