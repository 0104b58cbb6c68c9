import { describe, expect, it } from '@jest/globals';
import type { RelabelConfig } from '../model/relabel-config.js';
import { compileRelabel, mustCompileRelabel } from './relabel.js';

/** The labels after the rules, or `dropped`. */
function relabel(labels: Readonly<Record<string, string>>, ...configs: readonly RelabelConfig[]): unknown {
  const result = mustCompileRelabel(configs)(new Map(Object.entries(labels)));
  return result === undefined ? 'dropped' : Object.fromEntries(result);
}

describe('an action', () => {
  it.each<[string, RelabelConfig, Record<string, string>, unknown]>([
    ['replace copies', { source_labels: ['a'], target_label: 'b' }, { a: 'x' }, { a: 'x', b: 'x' }],
    ['replace takes parts', { source_labels: ['a'], regex: 'f(.*)r', target_label: 'd', replacement: 'ch${1}-ch${1}' }, { a: 'foobar' }, { a: 'foobar', d: 'chooba-chooba' }],
    ['replace joins by ";"', { source_labels: ['a', 'b'], target_label: 'c' }, { a: '1', b: '2' }, { a: '1', b: '2', c: '1;2' }],
    ['replace joins by another separator', { source_labels: ['a', 'b', 'none'], separator: '', target_label: 'c' }, { a: '1', b: '2' }, { a: '1', b: '2', c: '12' }],
    ['replace without a match changes nothing', { source_labels: ['a'], regex: 'y', target_label: 'b', replacement: 'z' }, { a: 'x' }, { a: 'x' }],
    ['replace is anchored', { source_labels: ['a'], regex: 'o', target_label: 'a', replacement: 'z' }, { a: 'foo' }, { a: 'foo' }],
    ['replace: the dot takes a line break', { source_labels: ['a'], regex: 'x.y', target_label: 'b', replacement: 'z' }, { a: 'x\ny' }, { a: 'x\ny', b: 'z' }],
    ['replace by nothing deletes', { target_label: 'a', replacement: '' }, { a: 'x' }, {}],
    ['replace without sources sets', { target_label: 'a', replacement: 'z' }, {}, { a: 'z' }],
    ['replace with a name from the match', { source_labels: ['a'], regex: '(?P<n>\\w+)-(.*)', target_label: 'l_${n}', replacement: '$2' }, { a: 'x-y' }, { a: 'x-y', l_x: 'y' }],
    ['replace with a name that comes out empty', { source_labels: ['a'], regex: '(y)?x', target_label: '$1', replacement: 'z' }, { a: 'x' }, { a: 'x' }],
    ['keep keeps', { source_labels: ['a'], regex: 'x|y', action: 'keep' }, { a: 'x' }, { a: 'x' }],
    ['keep drops', { source_labels: ['a'], regex: 'x|y', action: 'keep' }, { a: 'xy' }, 'dropped'],
    ['drop drops', { source_labels: ['a'], regex: 'x.*', action: 'drop' }, { a: 'xy' }, 'dropped'],
    ['drop keeps', { source_labels: ['a'], regex: 'x', action: 'drop' }, { a: 'xy' }, { a: 'xy' }],
    ['actions are taken in any case', { source_labels: ['a'], regex: 'x', action: 'Drop' }, { a: 'x' }, 'dropped'],
    ['keepequal keeps', { source_labels: ['a'], target_label: 'b', action: 'keepequal' }, { a: '1', b: '1' }, { a: '1', b: '1' }],
    ['keepequal drops', { source_labels: ['a'], target_label: 'b', action: 'keepequal' }, { a: '1' }, 'dropped'],
    ['dropequal drops', { source_labels: ['a'], target_label: 'b', action: 'dropequal' }, {}, 'dropped'],
    ['dropequal keeps', { source_labels: ['a'], target_label: 'b', action: 'dropequal' }, { a: '1', b: '2' }, { a: '1', b: '2' }],
    // from Prometheus's own tests
    ['hashmod', { source_labels: ['c'], target_label: 'd', modulus: 1000, action: 'hashmod' }, { c: 'baz' }, { c: 'baz', d: '976' }],
    ['hashmod over line breaks', { source_labels: ['a'], target_label: 'd', modulus: 1000, action: 'hashmod' }, { a: 'foo\nbar' }, { a: 'foo\nbar', d: '734' }],
    ['labelmap', { regex: 'b(.*)', replacement: 'bar_${1}', action: 'labelmap' }, { a: '1', b1: '2', b2: '3' }, { a: '1', b1: '2', b2: '3', bar_1: '2', bar_2: '3' }],
    ['labelmap strips a prefix', { regex: '__meta_(my.*)', action: 'labelmap' }, { __meta_my_bar: 'x', __meta_o: 'y' }, { __meta_my_bar: 'x', __meta_o: 'y', my_bar: 'x' }],
    ['labeldrop', { regex: 'a.*', action: 'labeldrop' }, { a: '1', ab: '2', b: '3' }, { b: '3' }],
    ['labelkeep', { regex: 'a.*', action: 'labelkeep' }, { a: '1', ab: '2', b: '3' }, { a: '1', ab: '2' }],
    ['lowercase', { source_labels: ['a'], target_label: 'a', action: 'lowercase' }, { a: 'ÄbCİ' }, { a: 'äbci' }],
    ['uppercase', { source_labels: ['a'], target_label: 'a', action: 'uppercase' }, { a: 'äbCßᾳ' }, { a: 'ÄBCßᾼ' }],
    ['lowercase of nothing deletes', { source_labels: ['none'], target_label: 'a', action: 'lowercase' }, { a: 'x' }, {}],
  ])('%s', (_, config, labels, expected) => {
    expect(relabel(labels, config)).toEqual(expected);
  });

  it('sees what those before it did, and nothing comes after a drop', () => {
    expect(relabel({ a: 'x' }, { source_labels: ['a'], target_label: 'b' }, { source_labels: ['b'], regex: 'x', action: 'drop' }, { target_label: 'c', replacement: 'y' })).toBe('dropped');
  });

  it('labelmap onto one name: the last one wins, untouched labels before those that rules have set', () => {
    const map: RelabelConfig = { regex: '(?:a|b)(.*)', action: 'labelmap' };
    expect(relabel({ ax: '1', bx: '2' }, map)).toMatchObject({ x: '2' });
    expect(relabel({ ax: '1', bx: '2' }, { target_label: 'ax', replacement: '3' }, map)).toMatchObject({ x: '3' });
  });
});

describe('a replacement', () => {
  it.each([
    ['$1', 'one'],
    ['${1}', 'one'],
    ['$0', 'one-two'],
    ['$name', 'two'],
    ['${name}x', 'twox'],
    ['$1x', ''],
    ['$9', ''],
    ['$01', ''],
    ['$$1', '$1'],
    ['a$', 'a$'],
    ['$-', '$-'],
    ['${1', '${1'],
    ['${}', '${}'],
    ['${no}', ''],
    ['$é', ''],
    ['$3', ''],
    ['$2$1', 'twoone'],
  ])('%s gives "%s"', (replacement, expected) => {
    const result = relabel({ a: 'one-two' }, { source_labels: ['a'], regex: '(\\w+)-(?P<name>\\w+)(x)?', target_label: 'r', replacement });
    expect(result).toEqual(expected === '' ? { a: 'one-two' } : { a: 'one-two', r: expected });
  });
});

describe('a configuration that Prometheus refuses', () => {
  it.each<[RelabelConfig, string[]]>([
    [{}, ['target_label']],
    [{ target_label: '' }, ['target_label']],
    [{ action: 'nonsense', regex: '(' }, ['action', 'regex']],
    [{ action: 'hashmod' }, ['target_label', 'modulus']],
    [{ action: 'hashmod', target_label: 'a', modulus: 1.5 }, ['modulus']],
    [{ action: 'lowercase', target_label: 'a', replacement: 'x' }, ['replacement']],
    [{ action: 'uppercase' }, ['target_label']],
    [{ action: 'labelmap', replacement: '' }, ['replacement']],
    [{ action: 'keepequal', target_label: 'a', regex: '(.*)', modulus: 1, separator: ',', replacement: 'x' }, ['regex', 'modulus', 'separator', 'replacement']],
    [{ action: 'labeldrop', source_labels: [], target_label: 'a', modulus: 2, separator: '', replacement: '' }, ['source_labels', 'target_label', 'modulus', 'separator', 'replacement']],
    [{ action: 'labelkeep', source_labels: ['a'] }, ['source_labels']],
    [{ source_labels: [''], target_label: 'a' }, ['source_labels']],
    [{ source_labels: ['a'], target_label: 'a', regex: '(?<=x)y' }, ['regex']],
    [{ source_labels: ['a'], target_label: 'a', regex: '(x)\\1' }, ['regex']],
  ])('%j is refused with all its faults', (config, keys) => {
    const compiled = compileRelabel([{ target_label: 'fine' }, config]);
    expect(compiled).toMatchObject({ ok: false });
    expect(compiled.ok ? [] : compiled.error.map(({ place }) => place)).toEqual(keys.map((key) => `[1].${key}`));
  });

  it('is a defect where it had to be checked before', () => {
    expect(() => mustCompileRelabel([{}])).toThrow('target_label');
  });
});

describe('a hostile pattern', () => {
  it('takes linear time', () => {
    const startMs = performance.now();
    expect(relabel({ a: `${'a'.repeat(20_000)}!` }, { source_labels: ['a'], regex: '(a+)+', action: 'drop' })).not.toBe('dropped');
    expect(performance.now() - startMs).toBeLessThan(20_000);
  });
});
