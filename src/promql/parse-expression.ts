import type { Aggregation, Binary, BinaryOp, Call, Expr } from './ast.js';
import { FUNCTIONS } from './functions.js';
import { parseGrouping, parseMatching } from './parse-modifiers.js';
import { atNumber, parseNumberLiteral, signed } from './parse-literal.js';
import { parsePostfix } from './parse-postfix.js';
import { parseSelector } from './parse-selector.js';
import { quote, unquote } from './strings.js';
import type { TokenStream } from './token-stream.js';
import { AGGREGATIONS, BINARY_OPERATORS, FUNCTION_KEYWORDS, isMetricName, POWER_PRECEDENCE } from './tokens.js';
import type { Token } from './tokens.js';

/** Expressions by precedence climbing: operands, signs, and the binary operators between them. */

export function parseExpression(p: TokenStream): Expr {
  return parseBinary(p, 0);
}

function parseBinary(p: TokenStream, min: number): Expr {
  return p.nested(() => {
    let lhs = parseUnary(p);
    for (;;) {
      const operator = BINARY_OPERATORS.get(p.peek().word);
      if (operator === undefined || operator.precedence < min) return lhs;
      lhs = parseRight(p, lhs, operator.op, operator.precedence);
    }
  });
}

function parseRight(p: TokenStream, lhs: Expr, op: BinaryOp, precedence: number): Binary {
  p.take();
  const bool = p.accept('bool') !== undefined;
  const matching = parseMatching(p);
  const rhs = parseBinary(p, precedence === POWER_PRECEDENCE ? precedence : precedence + 1);
  const span = { start: lhs.span.start, end: rhs.span.end };
  const fills = matching.fillLeft !== undefined || matching.fillRight !== undefined;
  if (fills && !p.features.fillModifiers) p.fail('binop fill modifiers are experimental and not enabled', span);
  return p.node({ kind: 'binary', op, lhs, rhs, bool, matching, span }, [lhs, rhs]);
}

function parseUnary(p: TokenStream): Expr {
  const sign = p.accept('+', '-');
  if (sign === undefined) return parsePostfix(p, parsePrimary(p));
  const expr = parseBinary(p, POWER_PRECEDENCE);
  if (expr.kind === 'number') return signed(expr, sign);
  return p.node({ kind: 'unary', op: sign.word === '-' ? '-' : '+', expr, span: { start: sign.start, end: expr.span.end } }, [expr]);
}

function parsePrimary(p: TokenStream): Expr {
  if (atNumber(p)) return p.node(parseNumberLiteral(p));
  const token = p.peek();
  if (token.type === 'string') {
    p.take();
    return { kind: 'string', value: unquote(token.text), span: { start: token.start, end: token.end } };
  }
  if (p.at('{')) return parseSelector(p, undefined);
  if (p.at('(')) return parseParen(p);
  if (token.type === 'keyword' || token.type === 'identifier' || token.type === 'metric') return parseNamed(p);
  return p.unexpected();
}

function parseParen(p: TokenStream): Expr {
  const { start } = p.take();
  const expr = parseExpression(p);
  p.expect(')');
  return p.node({ kind: 'paren', expr, span: { start, end: p.lastEnd } }, [expr]);
}

/** An aggregation, a call or a selector: what follows the name decides. */
function parseNamed(p: TokenStream): Expr {
  if (!isMetricName(p.peek())) return p.unexpected();
  const name = p.take();
  if (AGGREGATIONS.has(name.word) && p.at('(', 'by', 'without')) return p.inAggregation(() => parseAggregation(p, name));
  const callable = name.type === 'identifier' || FUNCTION_KEYWORDS.has(name.word);
  return callable && p.at('(') ? parseCall(p, name) : parseSelector(p, name);
}

function parseAggregation(p: TokenStream, name: Token): Aggregation {
  const rule = AGGREGATIONS.get(name.word);
  if (rule === undefined) return p.unexpected();
  const before = parseGrouping(p);
  const args = parseArguments(p);
  const grouping = before ?? parseGrouping(p) ?? { labels: [], without: false };
  const span = { start: name.start, end: p.lastEnd };
  if (args.length === 0) p.fail('no arguments for aggregate expression provided', span);
  if (rule.experimental === true && !p.features.experimentalFunctions) {
    p.fail(`${rule.op}() is experimental and must be enabled with --enable-feature=promql-experimental-functions`, span);
  }
  const wanted = rule.param === undefined ? 1 : 2;
  const expr = args[wanted - 1];
  if (args.length !== wanted || expr === undefined) {
    return p.fail(`wrong number of arguments for aggregate expression provided, expected ${wanted}, got ${args.length}`, span);
  }
  const param = rule.param === undefined ? undefined : args[0];
  return p.node({ kind: 'aggregation', op: rule.op, expr, param, grouping: grouping.labels, without: grouping.without, span }, [expr, param]);
}

function parseCall(p: TokenStream, name: Token): Call {
  const args = parseArguments(p);
  const signature = FUNCTIONS.get(name.text);
  if (signature === undefined) p.fail(`unknown function with name ${quote(name.text)}`, name);
  if (signature?.experimental === true && !p.features.experimentalFunctions) p.fail(`function ${quote(name.text)} is not enabled`, name);
  return p.node({ kind: 'call', name: name.text, args, span: { start: name.start, end: p.lastEnd } }, args);
}

function parseArguments(p: TokenStream): readonly Expr[] {
  p.expect('(');
  if (p.accept(')') !== undefined) return [];
  const args = [parseExpression(p)];
  for (;;) {
    const comma = p.accept(',');
    if (comma === undefined) break;
    if (!startsExpression(p)) p.fail('trailing commas not allowed in function call args', comma);
    args.push(parseExpression(p));
  }
  p.expect(')');
  return args;
}

function startsExpression(p: TokenStream): boolean {
  const { type } = p.peek();
  return ['number', 'duration', 'string', 'identifier', 'metric'].includes(type) || p.at('(', '{', '+', '-') || isMetricName(p.peek());
}

