import type { Aggregation, At, Binary, BinaryOp, Duration, DurationExpr, Expr, Matcher, Matching, MatrixSelector, NumberLiteral, Subquery, VectorSelector } from './ast.js';
import { METRIC_NAME_LABEL } from './ast.js';
import { formatDuration, formatNumber } from './numbers.js';
import { quote } from './strings.js';
import { BINARY_OPERATORS, isPlainGroupingLabel, isPlainLabelName, isPlainMetricName, POWER_PRECEDENCE, SIGN_PRECEDENCE } from './tokens.js';

/**
 * The canonical text of a tree: one line, no comments, strings in double quotes, and parentheses wherever the tree would
 * otherwise be read in another way. What was parsed comes back as an equal tree.
 */
export function print(expr: Expr): string {
  switch (expr.kind) {
    case 'number':
      return printNumber(expr);
    case 'string':
      return quote(expr.value);
    case 'vector':
      return printSelector(expr, '');
    case 'matrix':
      return printMatrix(expr);
    case 'subquery':
      return printSubquery(expr);
    case 'call':
      return `${expr.name}(${expr.args.map(print).join(', ')})`;
    case 'aggregation':
      return printAggregation(expr);
    case 'binary':
      return printBinary(expr);
    case 'unary':
      return expr.op + operand(expr.expr, expr.expr.kind === 'number' || (expr.expr.kind !== 'unary' && strength(expr.expr) < POWER_PRECEDENCE));
    case 'paren':
      return `(${print(expr.expr)})`;
  }
}

/** A matcher as it stands in braces. */
export function printMatcher({ name, op, value }: Matcher): string {
  return `${isPlainLabelName(name) ? name : quote(name)}${op}${quote(value)}`;
}

function printNumber({ value, duration }: NumberLiteral): string {
  return duration ? formatDuration(value) : formatNumber(value);
}

function printSelector(selector: VectorSelector, range: string): string {
  const { name, matchers, anchored, smoothed } = selector;
  const plain = name !== undefined && isPlainMetricName(name);
  const inBraces = matchers.map(printMatcher);
  if (name !== undefined && !plain) inBraces.push(printMatcher({ name: METRIC_NAME_LABEL, op: '=', value: name }));
  const braces = inBraces.length === 0 && plain ? '' : `{${inBraces.join(',')}}`;
  const extension = `${anchored ? ' anchored' : ''}${smoothed ? ' smoothed' : ''}`;
  return `${plain ? name : ''}${braces}${range}${extension}${printAt(selector.at)}${printOffset(selector.offset)}`;
}

function printMatrix({ selector, range }: MatrixSelector): string {
  return printSelector(selector, `[${printDuration(range)}]`);
}

function printSubquery({ expr, range, step, at, offset }: Subquery): string {
  const inner = operand(expr, strength(expr) < Infinity);
  return `${inner}[${printDuration(range)}:${step === undefined ? '' : printDuration(step)}]${printAt(at)}${printOffset(offset)}`;
}

function printAt(at: At | undefined): string {
  if (at === undefined) return '';
  return at.kind === 'timestamp' ? ` @ ${formatNumber(at.seconds)}` : ` @ ${at.kind}()`;
}

function printOffset(offset: Duration | undefined): string {
  if (offset === undefined) return '';
  const text = printDuration(offset);
  // After a sign a parenthesis ends where it ends. Two signs make Prometheus read all of an expression: `offset 5m * 2` is `(offset 5m) * 2`.
  if (offset.kind === 'duration' && offset.wrapped) return ` offset +${text}`;
  return ` offset ${isClosed(offset) || startsWithParenthesis(offset) || /^[+-]{2}/.test(text) ? '' : '++'}${text}`;
}

/** Is it, after `offset`, complete as it stands, whatever follows? */
function isClosed(offset: Duration): boolean {
  if (offset.kind === 'number' || offset.wrapped || isDurationCall(offset)) return true;
  return offset.lhs === undefined && offset.rhs?.kind === 'duration' && (offset.rhs.wrapped || isDurationCall(offset.rhs));
}

function isDurationCall({ op }: DurationExpr): boolean {
  return op === 'step' || op === 'range' || op === 'min_of' || op === 'max_of';
}

function startsWithParenthesis(duration: Duration): boolean {
  if (duration.kind === 'number') return false;
  return duration.wrapped || (duration.lhs !== undefined && !isDurationCall(duration) && startsWithParenthesis(duration.lhs));
}

function printDuration(duration: Duration): string {
  if (duration.kind === 'number') return printNumber(duration);
  const text = printDurationExpr(duration);
  return duration.wrapped ? `(${text})` : text;
}

function printDurationExpr({ op, lhs, rhs, wrapped }: DurationExpr): string {
  const left = lhs === undefined ? '' : printDuration(lhs);
  const right = rhs === undefined ? '' : printDuration(rhs);
  if (op === 'step' || op === 'range') return `${op}()`;
  if (op === 'min_of' || op === 'max_of') return `${op}(${left}, ${right})`;
  if (lhs === undefined) return wrapped && op === '+' ? right : `${op}${right}`;
  return `${left} ${op} ${right}`;
}

function printLabels(labels: readonly string[]): string {
  return `(${labels.map((label) => (isPlainGroupingLabel(label) ? label : quote(label))).join(', ')})`;
}

function printAggregation({ op, expr, param, grouping, without }: Aggregation): string {
  const modifier = without ? ` without ${printLabels(grouping)} ` : grouping.length > 0 ? ` by ${printLabels(grouping)} ` : '';
  return `${op}${modifier}(${param === undefined ? '' : `${print(param)}, `}${print(expr)})`;
}

function printBinary({ op, lhs, rhs, bool, matching }: Binary): string {
  const precedence = strengthOf(op);
  // Operators associate to the left, but for `^`: the other side needs its parentheses already where it is as strong.
  const [leftMin, rightMin] = precedence === POWER_PRECEDENCE ? [precedence + 1, precedence] : [precedence, precedence + 1];
  const left = operand(lhs, strength(lhs) < leftMin || (isDurationOperator(op) && endsOpen(lhs)));
  const right = operand(rhs, rhs.kind === 'binary' && strength(rhs) < rightMin);
  return `${left} ${op}${bool ? ' bool' : ''}${matching === undefined ? '' : printMatching(matching)} ${right}`;
}

function printMatching({ card, on, labels, include, fillLeft, fillRight }: Matching): string {
  const grouped = card === 'many-to-one' || card === 'one-to-many';
  let text = on || labels.length > 0 || grouped ? ` ${on ? 'on' : 'ignoring'} ${printLabels(labels)}` : '';
  if (grouped) text += ` ${card === 'many-to-one' ? 'group_left' : 'group_right'} ${printLabels(include)}`;
  if (fillLeft !== undefined && Object.is(fillLeft, fillRight)) return `${text} fill (${formatNumber(fillLeft)})`;
  if (fillLeft !== undefined) text += ` fill_left (${formatNumber(fillLeft)})`;
  return fillRight === undefined ? text : `${text} fill_right (${formatNumber(fillRight)})`;
}

function operand(expr: Expr, parentheses: boolean): string {
  return parentheses ? `(${print(expr)})` : print(expr);
}

function strengthOf(op: BinaryOp): number {
  return BINARY_OPERATORS.get(op)?.precedence ?? 0;
}

/** How tightly the text of it holds together. A number that is printed with a sign is as weak as a sign. */
function strength(expr: Expr): number {
  if (expr.kind === 'binary') return strengthOf(expr.op);
  const hasSign = expr.kind === 'unary' || (expr.kind === 'number' && (expr.value < 0 || Object.is(expr.value, -0)));
  return hasSign ? SIGN_PRECEDENCE : Infinity;
}

function isDurationOperator(op: BinaryOp): boolean {
  return op === '+' || op === '-' || op === '*' || op === '/' || op === '%' || op === '^';
}

/** Does its text end in an offset such as `(5m) * 2`, which would take a following operator of durations for its own? */
function endsOpen(expr: Expr): boolean {
  switch (expr.kind) {
    case 'vector':
    case 'subquery':
      return expr.offset !== undefined && !isClosed(expr.offset);
    case 'matrix':
      return endsOpen(expr.selector);
    case 'unary':
      return endsOpen(expr.expr);
    case 'binary':
      return endsOpen(expr.rhs);
    case 'number':
    case 'string':
    case 'call':
    case 'aggregation':
    case 'paren':
      return false;
  }
}
