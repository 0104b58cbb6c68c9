import type { At, Duration, Expr, Matching, VectorSelector } from '../../../src/promql/ast.js';
import { matchersOf } from '../../../src/promql/ast.js';
import { FUNCTIONS } from '../../../src/promql/functions.js';
import { durationNs, formatNumber } from '../../../src/promql/numbers.js';

/** Our tree in the JSON of Prometheus's `/api/v1/parse_query`. */

export function shapeOf(expr: Expr): unknown {
  switch (expr.kind) {
    case 'number':
      return { type: 'numberLiteral', val: goNumber(expr.value) };
    case 'string':
      return { type: 'stringLiteral', val: jsonText(expr.value) };
    case 'vector':
      return { type: 'vectorSelector', ...selectorParts(expr) };
    case 'matrix':
      return { type: 'matrixSelector', ...selectorParts(expr.selector), range: milliseconds(expr.range), rangeExpr: durationExpr(expr.range) };
    case 'subquery':
      return {
        type: 'subquery', expr: shapeOf(expr.expr), range: milliseconds(expr.range), rangeExpr: durationExpr(expr.range), ...timeParts(expr.offset, expr.at),
        step: milliseconds(expr.step), stepExpr: durationExpr(expr.step),
      };
    case 'call': {
      const signature = FUNCTIONS.get(expr.name);
      const func = { name: expr.name, argTypes: signature?.args, variadic: signature?.variadic, returnType: signature?.returns };
      return { type: 'call', func, args: expr.args.map(shapeOf) };
    }
    case 'aggregation': {
      const param = expr.param === undefined ? null : shapeOf(expr.param);
      return { type: 'aggregation', op: expr.op, expr: shapeOf(expr.expr), param, grouping: expr.grouping, without: expr.without };
    }
    case 'binary':
      return { type: 'binaryExpr', op: expr.op, lhs: shapeOf(expr.lhs), rhs: shapeOf(expr.rhs), matching: matchingShape(expr.matching), bool: expr.bool };
    case 'unary':
      return { type: 'unaryExpr', op: expr.op, expr: shapeOf(expr.expr) };
    case 'paren':
      return { type: 'parenExpr', expr: shapeOf(expr.expr) };
  }
}

function selectorParts(selector: VectorSelector): object {
  return {
    name: selector.name ?? '',
    matchers: matchersOf(selector).map(({ name, op, value }) => ({ name: jsonText(name), value: jsonText(value), type: op })),
    anchored: selector.anchored,
    smoothed: selector.smoothed,
    ...timeParts(selector.offset, selector.at),
  };
}

function timeParts(offset: Duration | undefined, at: At | undefined): object {
  return {
    offset: milliseconds(offset),
    offsetExpr: durationExpr(offset),
    timestamp: at?.kind === 'timestamp' ? Math.sign(at.seconds) * Math.round(Math.abs(at.seconds) * 1000) + 0 : null,
    startOrEnd: at === undefined || at.kind === 'timestamp' ? null : at.kind,
  };
}

/** Whole ms, as Go truncates them. */
function milliseconds(duration: Duration | undefined): number {
  return duration?.kind === 'number' ? Math.trunc(durationNs(duration.value) / 1e6) + 0 : 0;
}

function durationExpr(duration: Duration | undefined): unknown {
  return duration?.kind === 'duration' ? durationShape(duration) : null;
}

function durationShape(duration: Duration | undefined): unknown {
  if (duration === undefined) return null;
  if (duration.kind === 'number') return { type: 'numberLiteral', val: goNumber(duration.value), duration: duration.duration };
  const { op, lhs, rhs, wrapped } = duration;
  return { type: 'durationExpr', op, lhs: durationShape(lhs), rhs: durationShape(rhs), wrapped };
}

function matchingShape(matching: Matching | undefined): unknown {
  if (matching === undefined) return null;
  const { card, on, labels, include, fillLeft, fillRight } = matching;
  return { card, on, labels, include, fillValues: { lhs: fillLeft ?? null, rhs: fillRight ?? null } };
}

function goNumber(value: number): string {
  return value === Infinity ? '+Inf' : formatNumber(value);
}

/** Go's JSON has U+FFFD for each byte that is no UTF-8. */
function jsonText(text: string): string {
  return text.toWellFormed();
}
