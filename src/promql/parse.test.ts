import { describe, expect, it } from '@jest/globals';
import type { Expr } from './ast.js';
import { ALL_FEATURES } from './features.js';
import { formatParseError, parse } from './parse.js';
import type { ParseOptions } from './parse.js';
import { print } from './print.js';

/** What needs no Prometheus to be known; all else is compared with one in test/conformance/promql. */

function parsed(text: string, options?: ParseOptions): Expr {
  const result = parse(text, options);
  if (!result.ok) throw new Error(formatParseError(result.error));
  return result.value;
}

function refusal(text: string, options?: ParseOptions): string {
  const result = parse(text, options);
  return result.ok ? `accepted as ${print(result.value)}` : formatParseError(result.error);
}

describe('a comment', () => {
  it.each([
    ['\r', 'mine # x\r or secret', 'mine or secret'],
    ['\n', 'mine # x\n or secret', 'mine or secret'],
    ['the end of the input', 'mine # or secret', 'mine'],
  ])('ends at %j, and is not printed', (_, text, canonical) => expect(print(parsed(text))).toBe(canonical));
});

describe('modifiers bind to the nearest selector', () => {
  it.each(['a + b offset 5m', 'a + b @ 10', '-b offset 5m'])('%s', (text) => {
    const expr = parsed(text);
    const operand = expr.kind === 'binary' ? expr.rhs : expr.kind === 'unary' ? expr.expr : expr;
    expect(operand).toMatchObject({ kind: 'vector', name: 'b' });
    expect(operand).not.toMatchObject({ offset: undefined, at: undefined });
  });
});

describe('printed', () => {
  it.each([
    ['{"ns"="b"}', '{ns="b"}'],
    ['{"\\u006es"="b"}', '{ns="b"}'],
    ['{"my.metric","a.b"="c"}', '{__name__="my.metric","a.b"="c"}'],
    ["foo{a='it\\'s'}", 'foo{a="it\'s"}'],
    ['foo{a=`\\d`}', 'foo{a="\\\\d"}'],
    ['foo{a="\\xff\\ufffd\\u200b"}', 'foo{a="\\xff\\ufffd\\u200b"}'],
    ['foo[300]', 'foo[5m]'],
    ['foo[0.0001]', 'foo[0.0001]'],
    ['foo offset 1w1d', 'foo offset 8d'],
    ['foo offset 5m @ end()', 'foo @ end() offset 5m'],
    ['sum(x) by (job, "a.b", without_)', 'sum by (job, "a.b", without_) (x)'],
    ['sum by ("without") (x)', 'sum by ("without") (x)'],
    ['a * ON (x) GROUP_LEFT b', 'a * on (x) group_left () b'],
    ['Inf ^ 2', 'Inf ^ 2'],
    ['-0', '-0'],
    ['1e21 + 1e-7', '1000000000000000000000 + 0.0000001'],
  ])('%s as %s', (text, canonical) => {
    expect(print(parsed(text))).toBe(canonical);
    expect(print(parsed(canonical))).toBe(canonical);
  });

  it('is right for trees that no text would give', () => {
    const span = { start: 0, end: 0 };
    const [a, b, c] = ['a', 'b', 'c'].map((name) => parsed(name));
    if (a === undefined || b === undefined || c === undefined) throw new Error('three names, three trees');
    const sum: Expr = { kind: 'binary', op: '+', lhs: a, rhs: b, bool: false, matching: undefined, span };
    const range = { kind: 'number', value: 300, duration: true, span } as const;
    expect(print({ kind: 'binary', op: '*', lhs: sum, rhs: sum, bool: false, matching: undefined, span })).toBe('(a + b) * (a + b)');
    expect(print({ kind: 'binary', op: '^', lhs: { kind: 'unary', op: '-', expr: a, span }, rhs: c, bool: false, matching: undefined, span })).toBe('(-a) ^ c');
    expect(print({ kind: 'subquery', expr: sum, range, step: undefined, offset: undefined, at: undefined, span })).toBe('(a + b)[5m:]');
    expect(print({ kind: 'unary', op: '-', expr: { kind: 'number', value: 1, duration: false, span }, span })).toBe('-(1)');
    expect(print({ ...a, kind: 'vector', name: 'my.metric', matchers: [], offset: undefined, at: undefined, anchored: false, smoothed: false })).toBe('{__name__="my.metric"}');
  });
});

describe('switches', () => {
  it.each([
    ['limitk(1, a)', '1:1: parse error: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions'],
    ['info(a)', '1:1: parse error: function "info" is not enabled'],
    ['a[5m] smoothed', '1:1: parse error: smoothed modifier is experimental and not enabled'],
    ['a + fill(0) b', '1:1: parse error: binop fill modifiers are experimental and not enabled'],
  ])('%s', (text, message) => {
    expect(refusal(text)).toBe(message);
    expect(parse(text, { features: ALL_FEATURES })).toMatchObject({ ok: true });
  });

  it('of durations is on, as in Prometheus 3.15, and can be off, as before', () => {
    expect(print(parsed('a[5m + step()]'))).toBe('a[5m + step()]');
    expect(refusal('a[5m + 1m]', { features: { durationExpressions: false } })).toBe('1:3: parse error: experimental duration expression is not enabled');
    expect(refusal('a offset (5m)', { features: { durationExpressions: false } })).toBe('1:11: parse error: experimental duration expression is not enabled');
    expect(print(parsed('a offset -(5m)', { features: { durationExpressions: false } }))).toBe('a offset -(5m)');
  });
});

describe('limits', () => {
  it('of length', () => expect(refusal('a{b="cdefg"}', { maxLength: 11 })).toBe('1:1: parse error: expression is longer than 11 characters'));

  it.each([
    ['parentheses', `${'('.repeat(100_000)}a${')'.repeat(100_000)}`.slice(0, 131_072)],
    ['signs', `${'-'.repeat(100_000)}a`],
    ['a chain', `${'a+'.repeat(50_000)}a`],
    ['a chain of powers', `${'a^'.repeat(50_000)}a`],
    ['subqueries', `a${'[5m:]'.repeat(20_000)}`],
    ['calls', `${'abs('.repeat(20_000)}a`],
    ['durations', `a[${'('.repeat(50_000)}`],
  ])('of depth, in %s', (_, text) => expect(parse(text)).toMatchObject({ ok: false, error: { reason: 'too_deep' } }));

  it.each([
    ['parentheses', `${'('.repeat(498)}a${')'.repeat(498)}`],
    ['a chain', `${'a + '.repeat(498)}a`],
    ['a chain of powers', `${'a ^ '.repeat(498)}a`],
  ])('of depth leave room for %s', (_, text) => expect(print(parsed(text))).toBe(text));

  it.each([
    ['digits', `${'1'.repeat(131_000)}e `],
    ['hexadecimal digits', `0x${'1'.repeat(131_000)}`],
    ['repetitions', `a{b=~"${'x{1000}'.repeat(10_000)}"}`],
  ])('of patience are not reached by many %s', (_, text) => {
    const start = performance.now();
    expect(parse(text).ok).toBe(false);
    expect(performance.now() - start).toBeLessThan(20_000);
  });
});

describe('refused here, though Prometheus takes it,', () => {
  it.each([
    ['a @ 9300000000000000', 'as ms it overflows'],
    ['a offset NaN', 'as an integer it is whatever the processor makes of it'],
  ])('%s: %s', (text) => expect(refusal(text)).toMatch(/out of (?:bounds|range)/));
});

describe('positions', () => {
  it('of errors count lines, and columns in bytes', () => expect(refusal('a\n+ {b="ü"} ?')).toBe("2:12: parse error: unexpected character: '?'"));

  it('of nodes are offsets into the text', () => {
    const text = 'sum by (x) (rate(a{b="c"}[5m] offset 1m))';
    const expr = parsed(text);
    const [call] = expr.kind === 'aggregation' ? [expr.expr] : [];
    expect(text.slice(call?.span.start, call?.span.end)).toBe('rate(a{b="c"}[5m] offset 1m)');
  });
});
