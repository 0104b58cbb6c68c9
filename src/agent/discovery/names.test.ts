import { describe, expect, it } from '@jest/globals';
import { isTargetName } from '../../model/names.js';
import type { Target } from '../../model/target.js';
import { legalTargetName, nameTargets } from './names.js';

function target(name: string, host = 'a', path = '/metrics'): Target {
  return { name, scheme: 'http', host, port: 1, path, labels: {} };
}

describe('a legal name', () => {
  it.each([
    ['web.example:9100', 'web.example-9100'],
    ['[::1]:9100', '1-9100'],
    ['HTTP://Shop.Example/x?y', 'http-shop.example-x-y'],
    ['a..b', 'a.b'],
    ['-_.a._-', 'a'],
    ['日本', 'target'],
    ['', 'target'],
    ['x'.repeat(127) + '-y', 'x'.repeat(127)],
  ])('of %j is %j', (text, expected) => {
    expect(legalTargetName(text)).toBe(expected);
    expect(isTargetName(expected)).toBe(true);
  });
});

describe('names of discovered targets', () => {
  const names = (found: readonly Target[], taken: Set<string> = new Set()): string[] => nameTargets(found, taken).targets.map(({ name }) => name);

  it('are kept where nobody else has them', () => {
    expect(names([target('a'), target('b')])).toEqual(['a', 'b']);
  });

  it('stand once for one target in several spellings', () => {
    expect(names([target('a'), target('a')])).toEqual(['a']);
  });

  it('get a suffix each where different targets share one, whatever the order', () => {
    const [one, two] = [target('a', 'x'), target('a', 'y')];
    const both = names([one, two]);
    expect(both).toEqual([expect.stringMatching(/^a-[0-9a-f]{8}$/), expect.stringMatching(/^a-[0-9a-f]{8}$/)]);
    expect(names([two, one]).toSorted()).toEqual(both.toSorted());
    expect(names([target('z'.repeat(128), 'x'), target('z'.repeat(128), 'y')]).every(isTargetName)).toBe(true);
  });

  it('are never taken from a static target or an earlier source', () => {
    const taken = new Set(['static']);
    expect(names([target('static'), target('first')], taken)).toEqual(['first', expect.stringMatching(/^static-[0-9a-f]{8}$/)]);
    expect(names([target('first', 'other')], taken)).toEqual([expect.stringMatching(/^first-[0-9a-f]{8}$/)]);
  });

  it('are refused to one that copies the suffixed name of another', () => {
    const taken = new Set(['a']);
    const [suffixed = ''] = names([target('a')], taken);
    const result = nameTargets([target(suffixed, 'x')], new Set(['a', suffixed]));
    expect(result.targets.map(({ name }) => name)).toEqual([expect.stringMatching(new RegExp(`^${suffixed}-[0-9a-f]{8}$`))]);
    expect(nameTargets([target('a')], new Set(['a', suffixed]))).toEqual({ targets: [], unnamed: 1 });
  });
});
