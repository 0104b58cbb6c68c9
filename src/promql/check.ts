import type { Aggregation, Binary, Call, Expr, Matching, Span, ValueType, VectorSelector } from './ast.js';
import { METRIC_NAME_LABEL } from './ast.js';
import { ParseFailure } from './failure.js';
import { FUNCTIONS } from './functions.js';
import { compileMatcher } from './regex.js';
import { quote } from './strings.js';
import { AGGREGATIONS, COMPARISONS, SET_OPERATORS } from './tokens.js';

/**
 * Types, arities, and what the grammar cannot say. The same pass completes the tree: set operators match many to many, and
 * matching exists only between two instant vectors. Faults come in Prometheus's order: those of the children first.
 */

/** The type that the expression evaluates to; the tree must be one that the parser accepts. */
export function typeOf(expr: Expr): ValueType {
  switch (expr.kind) {
    case 'number':
      return 'scalar';
    case 'string':
      return 'string';
    case 'vector':
    case 'aggregation':
      return 'vector';
    case 'matrix':
    case 'subquery':
      return 'matrix';
    case 'call':
      return FUNCTIONS.get(expr.name)?.returns ?? 'vector';
    case 'paren':
    case 'unary':
      return typeOf(expr.expr);
    case 'binary':
      return typeOf(expr.lhs) === 'scalar' && typeOf(expr.rhs) === 'scalar' ? 'scalar' : 'vector';
  }
}

interface Checked<T extends Expr = Expr> {
  readonly expr: T;
  readonly type: ValueType;
}

/** The completed tree. Throws ParseFailure. `input` is the text, for the positions of operators. */
export function check(expr: Expr, input: string): Expr {
  try {
    return checked(expr).expr;
  } catch (error) {
    // No node begins with a space, but what is between two of them does: an operator.
    if (!(error instanceof ParseFailure)) throw error;
    const spaces = /^[ \t\r\n]*/.exec(input.slice(error.start, error.end))?.[0].length ?? 0;
    throw new ParseFailure(error.message, { start: error.start + spaces, end: error.end });
  }
}

function checked(expr: Expr): Checked {
  switch (expr.kind) {
    case 'number':
      return { expr, type: 'scalar' };
    case 'string':
      return { expr, type: 'string' };
    case 'vector':
      checkSelector(expr, false);
      return { expr, type: 'vector' };
    case 'matrix':
      checkSelector(expr.selector, false);
      return { expr, type: 'matrix' };
    case 'subquery': {
      const inner = checked(expr.expr);
      if (inner.type !== 'vector') fail(`subquery is only allowed on instant vector, got ${inner.type} instead`, expr.span);
      return { expr: { ...expr, expr: inner.expr }, type: 'matrix' };
    }
    case 'paren': {
      const inner = checked(expr.expr);
      return { expr: { ...expr, expr: inner.expr }, type: inner.type };
    }
    case 'unary': {
      const inner = checked(expr.expr);
      const allowed = inner.type === 'scalar' || inner.type === 'vector';
      if (!allowed) fail(`unary expression only allowed on expressions of type scalar or instant vector, got ${quote(documented(inner.type))}`, expr.span);
      return { expr: { ...expr, expr: inner.expr }, type: inner.type };
    }
    case 'aggregation':
      return checkAggregation(expr);
    case 'call':
      return checkCall(expr);
    case 'binary':
      return checkBinary(expr);
  }
}

function fail(message: string, span: Span): never {
  throw new ParseFailure(message, span);
}

function documented(type: ValueType): string {
  return type === 'vector' ? 'instant vector' : type === 'matrix' ? 'range vector' : type;
}

function expectType(expr: Expr, wanted: ValueType, context: string): Expr {
  const { expr: done, type } = checked(expr);
  if (type !== wanted) fail(`expected type ${documented(wanted)} in ${context}, got ${documented(type)}`, expr.span);
  return done;
}

/** A selector that matches the empty string everywhere would select everything, "e.g. by a typo". */
function checkSelector({ name, matchers, span }: VectorSelector, mayBeEmpty: boolean): void {
  if (name !== undefined) {
    const second = matchers.find((matcher) => matcher.name === METRIC_NAME_LABEL);
    if (second !== undefined) fail(`metric name must not be set twice: ${quote(name)} or ${quote(second.value)}`, span);
    return;
  }
  const restricted = mayBeEmpty || matchers.some((matcher) => {
    const matches = compileMatcher(matcher);
    return matches.ok && !matches.value('');
  });
  if (!restricted) fail('vector selector must contain at least one non-empty matcher', span);
}

function checkAggregation(node: Aggregation): Checked {
  const expr = expectType(node.expr, 'vector', 'aggregation expression');
  const wanted = AGGREGATIONS.get(node.op)?.param;
  const param = node.param === undefined || wanted === undefined ? undefined : expectType(node.param, wanted, 'aggregation parameter');
  return { expr: { ...node, expr, param }, type: 'vector' };
}

function checkCall(node: Call): Checked {
  const signature = FUNCTIONS.get(node.name);
  if (signature === undefined) return fail(`unknown function with name ${quote(node.name)}`, node.span);
  checkArity(node, signature.args.length, signature.variadic);
  const [, labels] = node.args;
  if (node.name === 'info' && labels !== undefined) checkInfo(node, labels);
  const args = node.args.map((arg, index) => {
    const wanted = signature.args[Math.min(index, signature.args.length - 1)] ?? 'vector';
    if (node.name === 'info' && index === 1) return arg;
    return expectType(arg, wanted, `call to function ${quote(node.name)}`);
  });
  return { expr: { ...node, args }, type: signature.returns };
}

function checkArity({ name, args, span }: Call, wanted: number, variadic: number): void {
  const got = args.length;
  if (variadic === 0) {
    if (got !== wanted) fail(`expected ${wanted} argument(s) in call to ${quote(name)}, got ${got}`, span);
    return;
  }
  const least = wanted - 1;
  const most = least + variadic;
  if (got < least) fail(`expected at least ${least} argument(s) in call to ${quote(name)}, got ${got}`, span);
  if (variadic > 0 && got > most) fail(`expected at most ${most} argument(s) in call to ${quote(name)}, got ${got}`, span);
}

/** The second argument of `info` names labels of info metrics: a selector without a name, and it may be empty. */
function checkInfo(node: Call, labels: Expr): void {
  const type = typeOf(labels);
  if (type !== 'vector') fail(`expected type instant vector in call to function "info", got ${documented(type)}`, node.span);
  if (labels.kind !== 'vector') return fail('expected label selectors only', labels.span);
  if (labels.name !== undefined) fail('expected label selectors only, got vector selector instead', labels.span);
}

function checkBinary(node: Binary): Checked {
  const lhs = checked(node.lhs);
  const rhs = checked(node.rhs);
  const comparison = COMPARISONS.has(node.op);
  const scalars = lhs.type === 'scalar' && rhs.type === 'scalar';
  const operator = { start: node.lhs.span.end, end: node.rhs.span.start };
  if (node.bool && !comparison) fail('bool modifier can only be used on comparison operators', operator);
  if (comparison && !node.bool && scalars) fail('comparisons between scalars must use BOOL modifier', operator);
  const included = new Set(node.matching?.include);
  const twice = node.matching?.on === true ? node.matching.labels.find((label) => included.has(label)) : undefined;
  if (twice !== undefined) fail(`label ${quote(twice)} must not occur in ON and GROUP clause at once`, operator);
  for (const [side, type] of [[node.lhs, lhs.type], [node.rhs, rhs.type]] as const) {
    if (type !== 'scalar' && type !== 'vector') fail('binary expression must contain only scalar and instant vector types', side.span);
  }
  const vectors = lhs.type === 'vector' && rhs.type === 'vector';
  const matching = node.matching === undefined ? undefined : vectors ? vectorMatching(node, node.matching) : noMatching(node, node.matching);
  if (SET_OPERATORS.has(node.op) && !vectors) fail(`set operator ${quote(node.op)} not allowed in binary scalar expression`, node.span);
  return { expr: { ...node, lhs: lhs.expr, rhs: rhs.expr, matching }, type: scalars ? 'scalar' : 'vector' };
}

function noMatching({ span }: Binary, matching: Matching): undefined {
  if (matching.labels.length > 0) fail('vector matching only allowed between instant vectors', span);
  if (hasFill(matching)) fail('filling in missing series only allowed between instant vectors', span);
}

function vectorMatching({ op, span }: Binary, matching: Matching): Matching {
  if (!SET_OPERATORS.has(op)) return matching;
  if (matching.card === 'many-to-one' || matching.card === 'one-to-many') fail(`no grouping allowed for ${quote(op)} operation`, span);
  if (hasFill(matching)) fail('filling in missing series not allowed for set operators', span);
  return { ...matching, card: 'many-to-many' };
}

function hasFill({ fillLeft, fillRight }: Matching): boolean {
  return fillLeft !== undefined || fillRight !== undefined;
}
