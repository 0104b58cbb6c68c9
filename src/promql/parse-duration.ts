import type { Duration, DurationExpr, DurationOp, Span } from './ast.js';
import { durationNs } from './numbers.js';
import { atNumber, checkedDuration, parseNumberLiteral, signed } from './parse-literal.js';
import type { TokenStream } from './token-stream.js';
import type { Token } from './tokens.js';

/**
 * Lengths of time, and arithmetic on them: in brackets a whole expression, after `offset` as little as possible — `offset -2^2`
 * is `(offset -2)^2` — unless it begins with a parenthesis or two signs, which is where Prometheus's grammar becomes greedy.
 */

const OPERATORS: ReadonlyMap<string, { readonly op: DurationOp; readonly precedence: number }> = new Map([
  ['+', { op: '+', precedence: 0 }],
  ['-', { op: '-', precedence: 0 }],
  ['*', { op: '*', precedence: 1 }],
  ['/', { op: '/', precedence: 1 }],
  ['%', { op: '%', precedence: 1 }],
  ['^', { op: '^', precedence: 2 }],
]);
const POWER = 2;

/** In brackets: must be greater than 0 as far as that can be known. `context` and `expected` are for errors in the middle of it. */
export function parsePositiveDuration(p: TokenStream, context: string, expected: string): Duration {
  const duration = parseBinary(p, 0, { context, expected });
  if (duration.kind === 'number' && duration.value <= 0) p.fail('duration must be greater than 0', duration.span);
  return standalone(duration);
}

/** After `offset`. Nothing where it is zero. */
export function parseOffsetDuration(p: TokenStream): Duration | undefined {
  const duration = parseOffset(p);
  return duration.kind === 'number' && durationNs(duration.value) === 0 ? undefined : standalone(duration);
}

/** How the literal was written makes no difference where only a duration can stand. */
function standalone(duration: Duration): Duration {
  return duration.kind === 'number' ? { ...duration, duration: true } : duration;
}

interface ErrorPlace {
  readonly context: string;
  readonly expected: string;
}

const OFFSET_PLACE: ErrorPlace = { context: 'offset', expected: 'number, duration, step(), or range()' };

function parseOffset(p: TokenStream): Duration {
  const sign = p.accept('+', '-');
  if (sign === undefined) return p.at('(') ? parseBinary(p, 0, OFFSET_PLACE) : parsePrimary(p, OFFSET_PLACE);
  if (atNumber(p)) return checkedDuration(p, signed(parseNumberLiteral(p), sign));
  if (p.at('+', '-')) return continueBinary(p, applySign(p, sign, parseBinary(p, POWER, OFFSET_PLACE)), 0, OFFSET_PLACE);
  if (p.at('(')) return applySign(p, sign, parseParentheses(p, OFFSET_PLACE, false));
  const call = parsePrimary(p, OFFSET_PLACE);
  return unary(p, sign, call);
}

function parseBinary(p: TokenStream, min: number, place: ErrorPlace): Duration {
  return p.nested(() => continueBinary(p, parseUnary(p, place), min, place));
}

function continueBinary(p: TokenStream, first: Duration, min: number, place: ErrorPlace): Duration {
  let lhs = first;
  for (;;) {
    const operator = OPERATORS.get(p.peek().word);
    if (operator === undefined || operator.precedence < min) return lhs;
    const token = p.take();
    const rhs = parseBinary(p, operator.precedence === POWER ? POWER : operator.precedence + 1, place);
    requireExpressions(p, lhs.span);
    if (rhs.kind === 'number' && rhs.value === 0 && operator.op === '/') p.fail('division by zero', token);
    if (rhs.kind === 'number' && rhs.value === 0 && operator.op === '%') p.fail('modulo by zero', token);
    lhs = expression(p, { op: operator.op, lhs, rhs, span: { start: lhs.span.start, end: rhs.span.end } });
  }
}

function parseUnary(p: TokenStream, place: ErrorPlace): Duration {
  const sign = p.accept('+', '-');
  return sign === undefined ? parsePrimary(p, place) : applySign(p, sign, parseBinary(p, POWER, place));
}

function parsePrimary(p: TokenStream, place: ErrorPlace): Duration {
  if (atNumber(p)) return checkedDuration(p, parseNumberLiteral(p));
  if (p.at('(')) return parseParentheses(p, place, true);
  const token = p.peek();
  switch (token.word) {
    case 'step':
    case 'range':
      return parseConstant(p, token.word, place);
    case 'min_of':
    case 'max_of':
      return parseExtreme(p, token.word, place);
    default:
      return p.unexpected(place.context, place.expected);
  }
}

function parseConstant(p: TokenStream, op: 'step' | 'range', place: ErrorPlace): Duration {
  const { start } = p.take();
  p.expect('(', place.context, place.expected);
  p.expect(')', place.context, place.expected);
  const span = { start, end: p.lastEnd };
  requireExpressions(p, span);
  return expression(p, { op, lhs: undefined, rhs: undefined, span });
}

function parseExtreme(p: TokenStream, op: 'min_of' | 'max_of', place: ErrorPlace): Duration {
  const { start } = p.take();
  p.expect('(', place.context, place.expected);
  const lhs = parseBinary(p, 0, place);
  p.expect(',', place.context, place.expected);
  const rhs = parseBinary(p, 0, place);
  p.expect(')', place.context, place.expected);
  const span = { start, end: p.lastEnd };
  requireExpressions(p, span);
  return expression(p, { op, lhs, rhs, span });
}

/** `-(5m)` after `offset` was possible before there were expressions, and needs no switch. */
function parseParentheses(p: TokenStream, place: ErrorPlace, isExpression: boolean): Duration {
  const { start } = p.take();
  const inner = parseBinary(p, 0, place);
  p.expect(')', place.context, place.expected);
  if (isExpression) requireExpressions(p, inner.span);
  if (inner.kind === 'duration') return p.node({ ...inner, wrapped: true }, [inner.lhs, inner.rhs]);
  return expression(p, { op: '+', lhs: undefined, rhs: inner, span: { start, end: p.lastEnd } }, true);
}

function applySign(p: TokenStream, sign: Token, duration: Duration): Duration {
  if (duration.kind === 'number') return checkedDuration(p, signed(duration, sign));
  return sign.word === '-' ? unary(p, sign, duration) : duration;
}

function unary(p: TokenStream, sign: Token, rhs: Duration): Duration {
  return expression(p, { op: sign.word === '-' ? '-' : '+', lhs: undefined, rhs, span: { start: sign.start, end: rhs.span.end } });
}

function expression(p: TokenStream, parts: Omit<DurationExpr, 'kind' | 'wrapped'>, wrapped = false): DurationExpr {
  const node: DurationExpr = { kind: 'duration', ...parts, wrapped };
  return p.node(node, [parts.lhs, parts.rhs]);
}

function requireExpressions(p: TokenStream, span: Span): void {
  if (!p.features.durationExpressions) p.fail('experimental duration expression is not enabled', span);
}
