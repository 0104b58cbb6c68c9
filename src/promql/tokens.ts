import type { AggregationOp, BinaryOp } from './ast.js';
import { quote } from './strings.js';

/**
 * Tokens, and which words mean what. Keywords are not case-sensitive, and most of them may also be names.
 */

export type TokenType = 'eof' | 'identifier' | 'metric' | 'number' | 'duration' | 'string' | 'symbol' | 'keyword';

export interface Token {
  readonly type: TokenType;
  /** As written. */
  readonly text: string;
  /** A symbol's text, a keyword in lower case; empty for all others. */
  readonly word: string;
  readonly start: number;
  readonly end: number;
}

interface Operator {
  readonly op: BinaryOp;
  readonly precedence: number;
}

const BY_PRECEDENCE: readonly (readonly BinaryOp[])[] = [
  ['or'],
  ['and', 'unless'],
  ['==', '!=', '<', '<=', '>', '>=', '</', '>/'],
  ['+', '-'],
  ['*', '/', '%', 'atan2'],
  ['^'],
];

export const BINARY_OPERATORS: ReadonlyMap<string, Operator> = new Map(
  BY_PRECEDENCE.flatMap((ops, precedence) => ops.map((op): [string, Operator] => [op, { op, precedence }])),
);

/** `^`: binds tightest, and the only one that associates to the right. */
export const POWER_PRECEDENCE = BY_PRECEDENCE.length - 1;
/** A sign binds as `*` does: `-a ^ b` is `-(a ^ b)`, `-a * b` is `(-a) * b`. */
export const SIGN_PRECEDENCE = POWER_PRECEDENCE - 1;

export const COMPARISONS: ReadonlySet<string> = new Set<BinaryOp>(['==', '!=', '<', '<=', '>', '>=']);
export const SET_OPERATORS: ReadonlySet<string> = new Set<BinaryOp>(['and', 'or', 'unless']);

interface AggregationRule {
  readonly op: AggregationOp;
  readonly param?: 'scalar' | 'string';
  readonly experimental?: boolean;
}

const AGGREGATION_RULES: readonly AggregationRule[] = [
  { op: 'sum' }, { op: 'avg' }, { op: 'count' }, { op: 'min' }, { op: 'max' }, { op: 'group' }, { op: 'stddev' }, { op: 'stdvar' },
  { op: 'topk', param: 'scalar' }, { op: 'bottomk', param: 'scalar' }, { op: 'quantile', param: 'scalar' }, { op: 'count_values', param: 'string' },
  { op: 'limitk', param: 'scalar', experimental: true }, { op: 'limit_ratio', param: 'scalar', experimental: true },
];

export const AGGREGATIONS: ReadonlyMap<string, AggregationRule> = new Map(AGGREGATION_RULES.map((rule) => [rule.op, rule]));

const SET_AND_ATAN2 = ['and', 'or', 'unless', 'atan2'];
const MODIFIERS = [
  'offset', 'smoothed', 'anchored', 'by', 'without', 'on', 'ignoring', 'group_left', 'group_right', 'fill', 'fill_left', 'fill_right', 'bool',
];
const DURATION_FUNCTIONS = ['step', 'range', 'max_of', 'min_of'];

export const DURATION_KEYWORDS: ReadonlySet<string> = new Set(DURATION_FUNCTIONS);
/** Keywords only before `(`, so that metrics of these names still work. */
export const FILL_KEYWORDS: ReadonlySet<string> = new Set(['fill', 'fill_left', 'fill_right']);
/** Keywords that are functions where `(` follows. */
export const FUNCTION_KEYWORDS: ReadonlySet<string> = new Set(['start', 'end', ...DURATION_FUNCTIONS]);
export const KEYWORDS: ReadonlySet<string> = new Set([...SET_AND_ATAN2, ...AGGREGATIONS.keys(), ...MODIFIERS, 'start', 'end', ...DURATION_FUNCTIONS]);
/** Words that are numbers, in any case. */
export const NUMBER_WORDS: ReadonlySet<string> = new Set(['inf', 'nan']);

const NO_METRIC_NAMES = new Set(['on', 'ignoring', 'group_left', 'group_right', 'bool', 'atan2']);
const NO_LABEL_NAMES = new Set(['without']);

/** May the word stand for a metric, without braces? */
export function isMetricName(token: Token): boolean {
  return token.type === 'identifier' || token.type === 'metric' || (token.type === 'keyword' && !NO_METRIC_NAMES.has(token.word));
}

/** May the word stand in `by (…)`, without quotes? */
export function isGroupingLabel(token: Token): boolean {
  return token.type === 'identifier' || token.type === 'metric' || (token.type === 'keyword' && !NO_LABEL_NAMES.has(token.word));
}

/** Can the name be printed before the braces? */
export function isPlainMetricName(name: string): boolean {
  const word = name.toLowerCase();
  return /^[A-Za-z_:][A-Za-z0-9_:]*$/.test(name) && !NO_METRIC_NAMES.has(word) && !NUMBER_WORDS.has(word);
}

/** Can the name be printed in braces without quotes? */
export function isPlainLabelName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);
}

/** Can the name be printed in `by (…)` without quotes? */
export function isPlainGroupingLabel(name: string): boolean {
  const word = name.toLowerCase();
  return isPlainLabelName(name) && !NO_LABEL_NAMES.has(word) && !NUMBER_WORDS.has(word);
}

/** The token as Prometheus's messages name it. */
export function describe(token: Token): string {
  switch (token.type) {
    case 'eof':
      return 'end of input';
    case 'identifier':
      return `identifier ${quote(token.text)}`;
    case 'metric':
      return `metric identifier ${quote(token.text)}`;
    case 'number':
    case 'duration':
    case 'string':
      return `${token.type} ${abbreviated(token.text)}`;
    case 'symbol':
    case 'keyword':
      return describeWord(token);
  }
}

function describeWord({ word, text }: Token): string {
  if (MODIFIERS.includes(word)) return `<${text}>`;
  if (BINARY_OPERATORS.has(word) || ['=~', '!~', '@'].includes(word)) return `<op:${text}>`;
  if (AGGREGATIONS.has(word)) return `<aggr:${text}>`;
  return abbreviated(text);
}

function abbreviated(text: string): string {
  return Buffer.byteLength(text, 'utf8') > 10 ? `${quote([...text].slice(0, 10).join(''))}...` : quote(text);
}
