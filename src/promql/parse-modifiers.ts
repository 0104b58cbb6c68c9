import type { Matching } from './ast.js';
import { atNumber, parseNumberLiteral } from './parse-literal.js';
import { isValidUtf8, quote, unquote } from './strings.js';
import type { TokenStream } from './token-stream.js';
import { isGroupingLabel } from './tokens.js';

/** `by (…)`, `without (…)`, and what stands between a binary operator and its right side. */

const CONTEXT = 'grouping opts';

export interface Grouping {
  readonly labels: readonly string[];
  readonly without: boolean;
}

/** Of an aggregation, if there is one here. */
export function parseGrouping(p: TokenStream): Grouping | undefined {
  const keyword = p.accept('by', 'without');
  return keyword === undefined ? undefined : { labels: parseGroupingLabels(p), without: keyword.word === 'without' };
}

function parseGroupingLabels(p: TokenStream): readonly string[] {
  p.expect('(', CONTEXT, '"("');
  const labels: string[] = [];
  while (p.accept(')') === undefined) {
    if (labels.length > 0) p.expect(',', CONTEXT, '"," or ")"');
    if (labels.length > 0 && p.accept(')') !== undefined) break;
    labels.push(parseGroupingLabel(p));
  }
  return labels;
}

function parseGroupingLabel(p: TokenStream): string {
  const token = p.peek();
  if (isGroupingLabel(token)) return p.take().text;
  if (token.type !== 'string') return p.unexpected(CONTEXT, 'label');
  p.take();
  const label = unquote(token.text);
  return label !== '' && isValidUtf8(label) ? label : p.fail(`invalid label name for grouping: ${quote(label)}`, token);
}

/** Which series of the two sides belong together; the type check makes it many-to-many or drops it. */
export function parseMatching(p: TokenStream): Matching {
  const matching = parseOnOrIgnoring(p);
  const first = p.accept('fill', 'fill_left', 'fill_right');
  if (first === undefined) return matching;
  const value = parseFillValue(p);
  if (first.word === 'fill') return { ...matching, fillLeft: value, fillRight: value };
  const other = first.word === 'fill_left' ? 'fill_right' : 'fill_left';
  const otherValue = p.accept(other) === undefined ? undefined : parseFillValue(p);
  return first.word === 'fill_left' ? { ...matching, fillLeft: value, fillRight: otherValue } : { ...matching, fillLeft: otherValue, fillRight: value };
}

function parseOnOrIgnoring(p: TokenStream): Matching {
  const none = { fillLeft: undefined, fillRight: undefined };
  const keyword = p.accept('on', 'ignoring');
  if (keyword === undefined) return { card: 'one-to-one', on: false, labels: [], include: [], ...none };
  const on = keyword.word === 'on';
  const labels = parseGroupingLabels(p);
  const group = p.accept('group_left', 'group_right');
  if (group === undefined) return { card: 'one-to-one', on, labels, include: [], ...none };
  const include = p.at('(') ? parseGroupingLabels(p) : [];
  return { card: group.word === 'group_left' ? 'many-to-one' : 'one-to-many', on, labels, include, ...none };
}

function parseFillValue(p: TokenStream): number {
  p.expect('(');
  const sign = p.accept('+', '-');
  if (!atNumber(p)) return p.unexpected();
  const { value } = parseNumberLiteral(p);
  p.expect(')');
  return sign?.word === '-' ? -value : value;
}
