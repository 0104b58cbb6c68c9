import type { Expr, Duration, Span } from './ast.js';
import { ParseFailure } from './failure.js';
import type { Features } from './features.js';
import { Lexer } from './lex.js';
import type { RegexBudget } from './regex-cost.js';
import { describe } from './tokens.js';
import type { Token } from './tokens.js';

/**
 * What all parts of the parser share: one token of lookahead, read only when somebody looks (so that faults come in Prometheus's
 * order), and a bound on depth that keeps every later recursion over the tree within the stack.
 */
export class TokenStream {
  readonly features: Features;
  /** Of all regular expressions; undefined: they have been read before. */
  readonly regexes: RegexBudget | undefined;
  readonly #lexer: Lexer;
  readonly #maxDepth: number;
  readonly #heights = new WeakMap<Expr | Duration, number>();
  #lookahead: Token | undefined;
  #lastEnd = 0;
  #nesting = 0;
  #aggregations = 0;

  constructor(input: string, features: Features, { maxDepth, regexes }: { readonly maxDepth: number; readonly regexes: RegexBudget | undefined }) {
    this.features = features;
    this.regexes = regexes;
    this.#lexer = new Lexer(input);
    this.#maxDepth = maxDepth;
  }

  /** End of the token taken last. */
  get lastEnd(): number {
    return this.#lastEnd;
  }

  peek(): Token {
    this.#lookahead ??= this.#lexer.next();
    return this.#lookahead;
  }

  take(): Token {
    const token = this.peek();
    this.#lookahead = undefined;
    this.#lastEnd = token.end;
    return token;
  }

  /** Is the next token this symbol or keyword? */
  at(...words: readonly string[]): boolean {
    const { word } = this.peek();
    return word !== '' && words.includes(word);
  }

  /** Takes it if it is the next one. */
  accept(...words: readonly string[]): Token | undefined {
    return this.at(...words) ? this.take() : undefined;
  }

  /** Takes it, or fails with "unexpected … in <context>, expected <expected>". */
  expect(word: string, context?: string, expected?: string): Token {
    return this.at(word) ? this.take() : this.unexpected(context, expected);
  }

  /** The next token does not belong here. Without a context: what we are in the middle of. */
  unexpected(context = this.#aggregations > 0 ? 'aggregation' : '', expected = ''): never {
    const token = this.peek();
    const place = context === '' ? '' : ` in ${context}`;
    return this.fail(`unexpected ${describe(token)}${place}${expected === '' ? '' : `, expected ${expected}`}`, token);
  }

  fail(message: string, { start, end }: Span): never {
    throw new ParseFailure(message, { start, end });
  }

  /** Runs a part of the parser one level deeper. */
  nested<T>(parse: () => T): T {
    if (this.#nesting >= this.#maxDepth) this.#tooDeep(this.peek());
    this.#nesting += 1;
    const result = parse();
    this.#nesting -= 1;
    return result;
  }

  /** Runs the part of the parser that an aggregation's syntax errors are said to be in. */
  inAggregation<T>(parse: () => T): T {
    this.#aggregations += 1;
    const result = parse();
    this.#aggregations -= 1;
    return result;
  }

  /** A finished node, which is refused if it is too high: `a + a + …` nests without recursion in the parser. */
  node<T extends Expr | Duration>(node: T, children: readonly (Expr | Duration | undefined)[] = []): T {
    const below = children.reduce((most, child) => Math.max(most, child === undefined ? 0 : (this.#heights.get(child) ?? 1)), 0);
    const height = below + 1;
    if (height > this.#maxDepth) this.#tooDeep(node.span);
    this.#heights.set(node, height);
    return node;
  }

  #tooDeep({ start, end }: Span): never {
    throw new ParseFailure(`expression is nested more than ${this.#maxDepth} levels deep`, { start, end }, 'too_deep');
  }
}
