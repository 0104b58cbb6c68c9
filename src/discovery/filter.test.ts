import { describe, expect, it } from '@jest/globals';
import { target } from '../../test/support/desired-state.js';
import { readSdQuery } from './filter.js';

const read = (query: string): ReturnType<typeof readSdQuery> => readSdQuery(new URLSearchParams(query));

describe('the query of /sd', () => {
  it.each([
    ['', true],
    ['agent=site-1', true],
    ['agent=site-2', false],
    ['agent=site-2&agent=site-1', true],
    ['label=env=prod', true],
    ['label=env=dev', false],
    ['label=env=prod&label=rack=a%3Db', true],
    ['label=env=prod&label=rack=b', false],
    ['label=none=', true],
    ['agent=site-1&label=env=dev', false],
  ])('%s', (query, expected) => {
    expect(read(query)?.matches('site-1', target('node', { labels: { env: 'prod', rack: 'a=b' } }))).toBe(expected);
  });

  it.each(['door=other', 'door=path&door=proxy', 'tenant=team-b', 'shard=3/3', 'shard=0/0', 'shard=a/b', 'shard=0/1&shard=1/2', 'label=env', 'label=9a=x'])('%s is refused', (query) => {
    expect(read(query)).toBeUndefined();
  });

  it('parts: every target is in exactly one of them, and they are of like size', () => {
    const names = Array.from({ length: 3000 }, (_, index) => `t${index}`);
    const parts = [0, 1, 2].map((index) => names.filter((name) => read(`shard=${index}/3`)?.matches('site-1', target(name))));
    expect(parts.flat().toSorted()).toEqual(names.toSorted());
    for (const part of parts) expect(part.length).toBeGreaterThan(850);
  });
});
