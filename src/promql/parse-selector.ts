import type { Matcher, MatchOp, VectorSelector } from './ast.js';
import { METRIC_NAME_LABEL } from './ast.js';
import { ParseFailure } from './failure.js';
import { compileMatcher } from './regex.js';
import { unquote } from './strings.js';
import type { TokenStream } from './token-stream.js';
import type { Token } from './tokens.js';

/** `name{label="value"}`, and `{"name", "label"="value"}`. */

const MATCH_OPS: ReadonlyMap<string, MatchOp> = new Map([['=', '='], ['!=', '!='], ['=~', '=~'], ['!~', '!~']]);
const CONTEXT = 'label matching';

/** `name` is the token before the braces, taken already. */
export function parseSelector(p: TokenStream, name: Token | undefined): VectorSelector {
  const start = name === undefined ? p.peek().start : name.start;
  const matchers = p.at('{') ? parseMatchers(p) : [];
  return p.node({
    kind: 'vector', name: name?.text, matchers, offset: undefined, at: undefined, anchored: false, smoothed: false, span: { start, end: p.lastEnd },
  });
}

function parseMatchers(p: TokenStream): readonly Matcher[] {
  p.take();
  const matchers: Matcher[] = [];
  while (p.accept('}') === undefined) {
    if (matchers.length > 0) p.expect(',', CONTEXT, '"," or "}"');
    if (matchers.length > 0 && p.accept('}') !== undefined) break;
    matchers.push(parseMatcher(p));
  }
  return matchers;
}

function parseMatcher(p: TokenStream): Matcher {
  const { type } = p.peek();
  if (type !== 'identifier' && type !== 'string') return p.unexpected(CONTEXT, 'identifier or "}"');
  const label = p.take();
  const name = type === 'string' ? unquote(label.text) : label.text;
  const op = MATCH_OPS.get(p.peek().word);
  if (op === undefined && type === 'identifier') return p.unexpected(CONTEXT, 'label matching operator');
  if (op === undefined) return { name: METRIC_NAME_LABEL, op: '=', value: name };
  p.take();
  if (p.peek().type !== 'string') return p.unexpected(CONTEXT, 'string');
  const value = p.take();
  const matcher: Matcher = { name, op, value: unquote(value.text) };
  if (p.regexes === undefined) return matcher;
  const isRegex = op === '=~' || op === '!~';
  if (isRegex && !p.regexes.spend(matcher.value)) throw new ParseFailure('regular expressions that would take too long to read', { start: label.start, end: value.end }, 'too_costly');
  const compiled = compileMatcher(matcher);
  return compiled.ok ? matcher : p.fail(compiled.error, { start: label.start, end: value.end });
}
