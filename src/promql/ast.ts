/**
 * PromQL's syntax tree: plain readonly objects, told apart by `kind`. What the caller wrote as text is not in it, so nothing
 * that the parser did not understand can be printed again.
 *
 * Strings hold the bytes of the query language: a byte that is no UTF-8 (`"\xff"`) is the lone surrogate U+DC00 + byte.
 */

/** Offsets into the query, UTF-16 units, end exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export type ValueType = 'scalar' | 'string' | 'vector' | 'matrix';

export type MatchOp = '=' | '!=' | '=~' | '!~';

/** One condition on a label; those of a selector are ANDed, and a missing label is `""`. */
export interface Matcher {
  readonly name: string;
  readonly op: MatchOp;
  readonly value: string;
}

/** The modifier `@`; `seconds` since the epoch, rounded by Prometheus to ms. */
export type At = { readonly kind: 'timestamp'; readonly seconds: number } | { readonly kind: 'start' } | { readonly kind: 'end' };

export interface NumberLiteral {
  readonly kind: 'number';
  readonly value: number;
  /** Written as `5m`: the value is in seconds. */
  readonly duration: boolean;
  readonly span: Span;
}

export interface StringLiteral {
  readonly kind: 'string';
  readonly value: string;
  readonly span: Span;
}

export type DurationOp = '+' | '-' | '*' | '/' | '%' | '^' | 'step' | 'range' | 'min_of' | 'max_of';

/** Arithmetic on durations (3.15: on by default). `step` and `range` have no operands, a unary sign has `rhs` only. */
export interface DurationExpr {
  readonly kind: 'duration';
  readonly op: DurationOp;
  readonly lhs: Duration | undefined;
  readonly rhs: Duration | undefined;
  /** In parentheses; around a bare number Prometheus represents them as a unary `+`. */
  readonly wrapped: boolean;
  readonly span: Span;
}

/** Seconds, or an expression that Prometheus evaluates to seconds. Where it stands for itself (range, offset, step) a literal has `duration: true`. */
export type Duration = NumberLiteral | DurationExpr;

export interface VectorSelector {
  readonly kind: 'vector';
  /** The metric's name where it stands before the braces; a name inside them is a matcher of `__name__`. */
  readonly name: string | undefined;
  /** Those in the braces, in order. */
  readonly matchers: readonly Matcher[];
  /** Absent where it is zero. */
  readonly offset: Duration | undefined;
  readonly at: At | undefined;
  readonly anchored: boolean;
  readonly smoothed: boolean;
  readonly span: Span;
}

/** `selector[range]`; offset, `@` and the like are the selector's. */
export interface MatrixSelector {
  readonly kind: 'matrix';
  readonly selector: VectorSelector;
  readonly range: Duration;
  readonly span: Span;
}

export interface Subquery {
  readonly kind: 'subquery';
  readonly expr: Expr;
  readonly range: Duration;
  /** Absent: the server's evaluation interval. */
  readonly step: Duration | undefined;
  readonly offset: Duration | undefined;
  readonly at: At | undefined;
  readonly span: Span;
}

export interface Call {
  readonly kind: 'call';
  /** A key of FUNCTIONS. */
  readonly name: string;
  readonly args: readonly Expr[];
  readonly span: Span;
}

export type AggregationOp =
  | 'sum' | 'avg' | 'count' | 'min' | 'max' | 'group' | 'stddev' | 'stdvar' | 'topk' | 'bottomk' | 'count_values' | 'quantile' | 'limitk' | 'limit_ratio';

export interface Aggregation {
  readonly kind: 'aggregation';
  readonly op: AggregationOp;
  readonly expr: Expr;
  /** An expression too, and may hold selectors: `topk(scalar(secret), x)`. */
  readonly param: Expr | undefined;
  readonly grouping: readonly string[];
  readonly without: boolean;
  readonly span: Span;
}

export type BinaryOp = '+' | '-' | '*' | '/' | '%' | '^' | 'atan2' | '==' | '!=' | '<' | '<=' | '>' | '>=' | '</' | '>/' | 'and' | 'or' | 'unless';

export type Cardinality = 'one-to-one' | 'many-to-one' | 'one-to-many' | 'many-to-many';

export interface Matching {
  readonly card: Cardinality;
  readonly on: boolean;
  readonly labels: readonly string[];
  /** Labels in the brackets of `group_left` or `group_right`. */
  readonly include: readonly string[];
  readonly fillLeft: number | undefined;
  readonly fillRight: number | undefined;
}

export interface Binary {
  readonly kind: 'binary';
  readonly op: BinaryOp;
  readonly lhs: Expr;
  readonly rhs: Expr;
  readonly bool: boolean;
  /** Between two instant vectors only. */
  readonly matching: Matching | undefined;
  readonly span: Span;
}

export interface Unary {
  readonly kind: 'unary';
  readonly op: '+' | '-';
  readonly expr: Expr;
  readonly span: Span;
}

export interface Paren {
  readonly kind: 'paren';
  readonly expr: Expr;
  readonly span: Span;
}

export type Expr = NumberLiteral | StringLiteral | VectorSelector | MatrixSelector | Subquery | Call | Aggregation | Binary | Unary | Paren;

export const METRIC_NAME_LABEL = '__name__';

/** All that a selector asks of a series, its name included, which comes last as in Prometheus. */
export function matchersOf(selector: VectorSelector): readonly Matcher[] {
  return selector.name === undefined ? selector.matchers : [...selector.matchers, { name: METRIC_NAME_LABEL, op: '=', value: selector.name }];
}
