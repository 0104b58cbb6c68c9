import { describe, expect, it } from '@jest/globals';
import { marked } from '../../test/support/config-folder.js';
import { formatPath, parseYaml } from './yaml-source.js';
import type { YamlSource } from './yaml-source.js';

function parsed(text: string): YamlSource {
  const source = parseYaml(text);
  if (!source.ok) throw new Error(JSON.stringify(source.error));
  return source.value;
}

describe('what stands where', () => {
  it.each([
    ['a value', 'a:\n  b: ‸1\n', ['a', 'b']],
    ['an entry of a list', 'a:\n  - x\n  - ‸y\n', ['a', 1]],
    ['a value in a map in a list', 'a:\n  - b: 1\n    c: ‸2\n', ['a', 0, 'c']],
    ['a value in braces', 'a: { b: [1, ‸2] }\n', ['a', 'b', 1]],
    ['a quoted key', '"a b": ‸1\n', ['a b']],
    ['a key that looks like a number', '1: ‸x\n', ['1']],
    ['an empty value: its key', 'a:\n  ‸b:\n  c: 1\n', ['a', 'b']],
    ['what is missing: its nearest ancestor', 'a:\n  ‸b: 1\n', ['a', 'c', 'd']],
    ['a list entry that is missing', 'a: ‸[1]\n', ['a', 7]],
    ['behind an alias: what it stands for', 'a: &x\n  b: ‸1\nc: *x\n', ['c', 'b']],
    ['an alias itself', 'a: &x 1\nc: ‸*x\n', ['c']],
    ['below plain text', 'a: ‸text\n', ['a', 'b']],
    ['with JSON', '{"a": {"b": ‸true}}', ['a', 'b']],
    ['after a wide character', '"ä€": ‸1\n', ['ä€']],
    ['with the line ends of Windows', 'a: 1\r\nb: ‸2\r\n', ['b']],
  ])('%s', (_, text, path) => {
    const { text: plain, positions } = marked(text);
    expect(parsed(plain).positionOf(path)).toEqual(positions[0]);
  });

  it('knows keys too', () => {
    const { text, positions } = marked('a:\n  - ‸b: 1\n');
    expect(parsed(text).positionOfKey(['a', 0, 'b'])).toEqual(positions[0]);
  });

  it.each(['', '# only a comment\n'])('an empty document (%j) is null, at its start', (text) => {
    expect(parsed(text).value).toBeNull();
    expect(parsed(text).positionOf(['a'])).toEqual({ line: 1, column: 1 });
  });
});

describe('the value', () => {
  it('is plain data; keys are text', () => {
    expect(parsed('a: 1\n2: [yes, true, null, 1.5, "x"]\n').value).toEqual({ a: 1, 2: ['yes', true, null, 1.5, 'x'] });
  });

  it('a mark of byte order at the start is no part of it', () => {
    expect(parsed('\uFEFFa: 1\n').value).toEqual({ a: 1 });
  });

  it('a prototype is a key like any other', () => {
    const { value } = parsed('__proto__: { polluted: true }\n');
    expect(Object.keys(Object(value))).toEqual(['__proto__']);
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });

  it('of a key that stands twice is the last, with a fault', () => {
    const { text, positions } = marked('a: 1\n‸a: 2\n');
    const source = parsed(text);
    expect(source.value).toEqual({ a: 2 });
    expect(source.faults).toEqual([{ place: '', message: 'this key stands in the same map once more; remove one of them', ...positions[0] }]);
  });

  it('behind a tag that is not known is what is written, with a fault', () => {
    const source = parsed('a: !secret x\n');
    expect(source.value).toEqual({ a: 'x' });
    expect(source.faults).toMatchObject([{ line: 1, column: 4, message: expect.stringContaining('a tag (!name)') }]);
  });
});

describe('what is no YAML', () => {
  it.each([
    ['a quote that is not closed', 'a: "x\n', 'a quote'],
    ['a bracket that is not closed', 'a: [1, 2\n', 'a bracket'],
    ['a tab', 'a:\n\tb: 1\n', 'a tab as indentation'],
    ['a second document', 'a: 1\n---\nb: 2\n', 'a second document begins here'],
    ['an alias of nothing', 'a: *x\n', 'without its anchor'],
    ['an alias before its anchor', 'a: *x\nb: &x 1\n', 'without its anchor'],
    ['wrong indentation', 'a:\n  b: 1\n c: 2\n', 'indentation'],
    ['a colon too many', 'a: b: c\n', 'in need of quotes'],
    ['an asterisk', 'a: *\n', '"*"'],
    ['an unknown escape', 'a: "\\q"\n', 'an escape'],
    ['a list that expands without bound', `a: &a [x, x]\n${['b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name, i) => `${name}: &${name} [${`*${'abcdefg'[i]},`.repeat(9)}]\n`).join('')}`, 'more than 100 aliases'],
  ])('%s', (_, text, message) => {
    const result = parseYaml(text);
    expect(result.ok ? [] : result.error.map((fault) => fault.message).join('; ')).toContain(message);
    expect(result.ok ? [] : result.error.every(({ line = 0, column = 0 }) => line >= 1 && column >= 1)).toBe(true);
  });

  it.each(['token: "s3same\n', 'token: [s3same\n', 's3same: *s3same\n', '- s3same\nx: s3same\n', '%s3same\n---\n', 'token: @s3same\n', 'token: !!s3same s3same\n', 'a: 1\na: s3same\n'])(
    'is told without quoting it: %j',
    (text) => {
      const result = parseYaml(text);
      const faults = result.ok ? result.value.faults : result.error;
      expect(faults.length).toBeGreaterThan(0);
      expect(JSON.stringify(faults)).not.toContain('s3same');
    },
  );
});

describe('a path', () => {
  it.each([
    [[], ''],
    [['tenants', 2, 'scrape', 0, 'selector'], 'tenants[2].scrape[0].selector'],
    [['targets', 0, 'headers', 'X-Scope'], 'targets[0].headers.X-Scope'],
    [['a b', 'c.d'], '["a b"]["c.d"]'],
  ])('%j is written %s', (path, text) => {
    expect(formatPath(path)).toBe(text);
  });
});
