import type { NumberLiteral } from './ast.js';
import { isDuration, parseDuration, parseNumber } from './numbers.js';
import type { TokenStream } from './token-stream.js';

/** Numbers, which durations are too. */

export function atNumber(p: TokenStream): boolean {
  const { type } = p.peek();
  return type === 'number' || type === 'duration';
}

export function parseNumberLiteral(p: TokenStream): NumberLiteral {
  const token = p.take();
  const duration = token.type === 'duration';
  const value = duration ? parseDuration(token.text) : parseNumber(token.text);
  if (!value.ok) return p.fail(value.error, token);
  return { kind: 'number', value: value.value, duration, span: { start: token.start, end: token.end } };
}

/** With the sign applied that stands before it. */
export function signed(literal: NumberLiteral, sign: { readonly word: string; readonly start: number }): NumberLiteral {
  return { ...literal, value: sign.word === '-' ? -literal.value : literal.value, span: { start: sign.start, end: literal.span.end } };
}

/** A literal as a length of time, which must fit Go's time.Duration. */
export function checkedDuration(p: TokenStream, literal: NumberLiteral): NumberLiteral {
  return isDuration(literal.value) ? literal : p.fail('duration out of range', literal.span);
}
