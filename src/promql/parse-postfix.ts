import type { At, Expr, MatrixSelector, Span, Subquery, VectorSelector } from './ast.js';
import { formatNumber } from './numbers.js';
import { parseOffsetDuration, parsePositiveDuration } from './parse-duration.js';
import { atNumber, parseNumberLiteral } from './parse-literal.js';
import type { TokenStream } from './token-stream.js';

/**
 * What follows an expression: ranges, subqueries, `offset`, `@`, `anchored`, `smoothed`. They bind to the nearest operand,
 * `a + b offset 5m` to `b`, and each kind at most once.
 */

const INT64 = 2 ** 63;

type Modified = VectorSelector | MatrixSelector | Subquery;
type Modifiers = Pick<VectorSelector, 'offset' | 'at' | 'anchored' | 'smoothed'>;

export function parsePostfix(p: TokenStream, operand: Expr): Expr {
  let expr = operand;
  for (;;) {
    switch (p.peek().word) {
      case '[':
        expr = parseBrackets(p, expr);
        break;
      case 'offset':
        expr = parseOffset(p, expr);
        break;
      case '@':
        expr = parseAt(p, expr);
        break;
      case 'anchored':
      case 'smoothed':
        expr = parseExtension(p, expr, p.peek().word === 'anchored');
        break;
      default:
        return expr;
    }
  }
}

function parseBrackets(p: TokenStream, expr: Expr): Expr {
  const bracket = p.take();
  const range = parsePositiveDuration(p, 'subquery or range selector', 'number, duration, step(), or range()');
  if (p.accept(':') !== undefined) {
    const step = p.at(']') ? undefined : parsePositiveDuration(p, 'subquery selector', 'number, duration, step(), range(), or "]"');
    p.expect(']', 'subquery selector', '"]"');
    const subquery: Subquery = { kind: 'subquery', expr, range, step, offset: undefined, at: undefined, span: { start: expr.span.start, end: p.lastEnd } };
    return p.node(subquery, [expr, range, step]);
  }
  p.expect(']', 'subquery or range', '":" or "]"');
  const brackets = { start: bracket.start, end: p.lastEnd };
  if (expr.kind !== 'vector') return p.fail('ranges only allowed for vector selectors', brackets);
  if (expr.offset !== undefined) return p.fail('no offset modifiers allowed before range', brackets);
  if (expr.at !== undefined) return p.fail('no @ modifiers allowed before range', brackets);
  return p.node({ kind: 'matrix', selector: expr, range, span: { start: expr.span.start, end: p.lastEnd } }, [expr, range]);
}

function parseOffset(p: TokenStream, expr: Expr): Expr {
  p.take();
  const offset = parseOffsetDuration(p);
  const target = modified(p, expr, 'offset modifier must be preceded by an instant vector selector or range vector selector or a subquery');
  const before = target.kind === 'matrix' ? target.selector.offset : target.offset;
  if (before !== undefined) p.fail('offset may not be set multiple times', expr.span);
  return withModifiers(p, target, { offset });
}

function parseAt(p: TokenStream, expr: Expr): Expr {
  p.take();
  const at = parseInstant(p, expr.span);
  const target = modified(p, expr, '@ modifier must be preceded by an instant vector selector or range vector selector or a subquery');
  const before = target.kind === 'matrix' ? target.selector.at : target.at;
  if (before !== undefined) p.fail('@ <timestamp> may not be set multiple times', expr.span);
  return withModifiers(p, target, { at });
}

function parseInstant(p: TokenStream, span: Span): At {
  const preprocessor = p.accept('start', 'end');
  if (preprocessor !== undefined) {
    p.expect('(', '@', 'timestamp');
    p.expect(')', '@', 'timestamp');
    return { kind: preprocessor.word === 'start' ? 'start' : 'end' };
  }
  const sign = p.accept('+', '-');
  if (!atNumber(p)) return p.unexpected('@', 'timestamp');
  const { value } = parseNumberLiteral(p);
  const seconds = sign?.word === '-' ? -value : value;
  // Prometheus lets pass what fits an int64 as seconds, and then overflows it as ms: that is refused here.
  if (!(Math.abs(seconds) * 1000 < INT64)) return p.fail(`timestamp out of bounds for @ modifier: ${seconds === Infinity ? '+' : ''}${formatNumber(seconds)}`, span);
  return { kind: 'timestamp', seconds };
}

function parseExtension(p: TokenStream, expr: Expr, anchored: boolean): Expr {
  const word = anchored ? 'anchored' : 'smoothed';
  p.take();
  if (!p.features.extendedRangeSelectors) return p.fail(`${word} modifier is experimental and not enabled`, expr.span);
  if (expr.kind === 'subquery') return p.fail(`${word} modifier is not supported for subqueries`, expr.span);
  if (expr.kind !== 'vector' && expr.kind !== 'matrix') return p.fail(`${word} modifier not implemented`, expr.span);
  const selector = expr.kind === 'matrix' ? expr.selector : expr;
  if (anchored ? selector.smoothed : selector.anchored) return p.fail('anchored and smoothed modifiers cannot be used together', expr.span);
  return withModifiers(p, expr, anchored ? { anchored } : { smoothed: true });
}

function modified(p: TokenStream, expr: Expr, message: string): Modified {
  return expr.kind === 'vector' || expr.kind === 'matrix' || expr.kind === 'subquery' ? expr : p.fail(message, expr.span);
}

/** On a range, modifiers are those of its selector. */
function withModifiers(p: TokenStream, target: Modified, modifiers: Partial<Modifiers>): Expr {
  const span = { start: target.span.start, end: p.lastEnd };
  const offset = modifiers.offset;
  switch (target.kind) {
    case 'vector':
      return p.node({ ...target, ...modifiers, span }, [offset]);
    case 'matrix': {
      const selector = p.node({ ...target.selector, ...modifiers }, [target.selector.offset, offset]);
      return p.node({ ...target, selector, span }, [selector, target.range]);
    }
    case 'subquery':
      return p.node({ ...target, offset: offset ?? target.offset, at: modifiers.at ?? target.at, span }, [target.expr, target.range, target.step, offset]);
  }
}
