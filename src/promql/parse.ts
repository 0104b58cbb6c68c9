import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { Expr, Span } from './ast.js';
import { check } from './check.js';
import { ParseFailure } from './failure.js';
import type { RefusalReason } from './failure.js';
import { DEFAULT_FEATURES } from './features.js';
import type { Features } from './features.js';
import { parseExpression } from './parse-expression.js';
import { RegexBudget } from './regex-cost.js';
import { TokenStream } from './token-stream.js';

/**
 * The door to the parser: text in, a checked tree or one refusal out. It accepts what Prometheus 3.15 accepts and understands
 * it the same way; docs/adr/0020 lists the few inputs that are refused here on purpose.
 */

export interface ParseOptions {
  /** Missing ones as in DEFAULT_FEATURES. */
  readonly features?: Partial<Features>;
  /** UTF-16 units. Default: 131,072: room for the longest list of pods that a dashboard makes, and at most a second of work. */
  readonly maxLength?: number;
  /** Height of the tree. Default: 500. Never more than 1,000, which leaves half of a thread's stack to the caller. */
  readonly maxDepth?: number;
  /** What its regular expressions may cost to compile; of several texts together where they share it. 'known': all have been compiled before. Default: one of its own. */
  readonly regexes?: RegexBudget | 'known';
}

export interface ParseError extends Span {
  readonly reason: RefusalReason;
  /** As Prometheus words it, without the position. */
  readonly message: string;
  /** 1-based, columns in bytes, as Prometheus's; 0 for the empty expression, which has no positions. */
  readonly line: number;
  readonly column: number;
}

const MAX_LENGTH = 131_072;
/** The default of ParseOptions.maxDepth. */
export const MAX_DEPTH = 500;
const DEPTH_LIMIT = 1_000;

export function parse(input: string, options: ParseOptions = {}): Result<Expr, ParseError> {
  const { maxLength = MAX_LENGTH, maxDepth = MAX_DEPTH, regexes = new RegexBudget() } = options;
  if (input.length > maxLength) {
    return err({ start: 0, end: input.length, line: 1, column: 1, reason: 'too_long', message: `expression is longer than ${maxLength} characters` });
  }
  const tree = attempt(input, () => parseTree(input, { ...DEFAULT_FEATURES, ...options.features }, { maxDepth: Math.min(maxDepth, DEPTH_LIMIT), regexes: regexes === 'known' ? undefined : regexes }));
  return tree.ok ? attempt(input, () => check(tree.value, input)) : tree;
}

function attempt(input: string, run: () => Expr): Result<Expr, ParseError> {
  try {
    return ok(run());
  } catch (error) {
    if (!(error instanceof ParseFailure)) throw error;
    const { message, start, end, reason } = error;
    return err({ start, end, reason, message, ...lineAndColumn(input, start) });
  }
}

function parseTree(input: string, features: Features, bounds: ConstructorParameters<typeof TokenStream>[2]): Expr {
  const stream = new TokenStream(input, features, bounds);
  if (stream.peek().type === 'eof') throw new ParseFailure('no expression found in input', { start: 0, end: 0 });
  const expr = parseExpression(stream);
  return stream.peek().type === 'eof' ? expr : stream.unexpected();
}

function lineAndColumn(input: string, offset: number): { readonly line: number; readonly column: number } {
  if (input === '') return { line: 0, column: 0 };
  const before = input.slice(0, offset);
  const lastLine = before.slice(before.lastIndexOf('\n') + 1);
  return { line: before.split('\n').length, column: Buffer.byteLength(lastLine, 'utf8') + 1 };
}

/** One line as in Prometheus's answers: `1:5: parse error: …`. */
export function formatParseError({ line, column, message }: ParseError): string {
  return `${line === 0 ? 'unknown position' : `${line}:${column}`}: parse error: ${message}`;
}
