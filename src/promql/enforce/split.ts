import type { Call, Expr, Matcher, Paren, Span } from '../ast.js';
import { METRIC_NAME_LABEL } from '../ast.js';
import { compileMatcher } from '../regex.js';
import { keyOf } from './policy.js';

/**
 * Trees that say a union where no matcher can. `or` compares labels without the metric's name, so a union over several names
 * needs a temporary label that tells its sides apart, and that is removed again.
 */

const INVERSE = { '=': '!=', '!=': '=', '=~': '!~', '!~': '=~' } as const;

/** `(a or b or …)`. Right where equal labels mean the same series: all sides have one name. */
export function unionOf(sides: readonly Expr[], span: Span): Paren {
  const [first, ...others] = sides;
  if (first === undefined) throw new Error('a union of nothing');
  const matching = { card: 'many-to-many', on: false, labels: [], include: [], fillLeft: undefined, fillRight: undefined } as const;
  const expr = others.reduce<Expr>((lhs, rhs) => ({ kind: 'binary', op: 'or', lhs, rhs, bool: false, matching, span }), first);
  return { kind: 'paren', expr, span };
}

/** The union of vectors that have their names still: the name takes part in the comparison. */
export function unionByName(sides: readonly Expr[], temporary: string, span: Span): Expr {
  const named = sides.map((side) => labelReplace(side, temporary, '$1', METRIC_NAME_LABEL, '(.+)'));
  return labelReplace(unionOf(named, span), temporary, '', '', '');
}

/** The union of vectors that have lost their names, of disjoint sets of series: the removal of the tag fails where Prometheus itself would, on equal labels. */
export function unionOfDisjoint(sides: readonly Expr[], temporary: string, span: Span): Expr {
  const tagged = sides.map((side, index) => labelReplace(side, temporary, `${index + 1}`, '', ''));
  return labelReplace(unionOf(tagged, span), temporary, '', '', '');
}

function labelReplace(vector: Expr, ...texts: readonly [string, string, string, string]): Call {
  const { span } = vector;
  return { kind: 'call', name: 'label_replace', args: [vector, ...texts.map((value): Expr => ({ kind: 'string', value, span }))], span };
}

/** `absent` of an expression has no labels; these are the ones that `absent` of the bare selector has. */
export function withAbsentLabels(absent: Expr, matchers: readonly Matcher[]): Expr {
  const labels = new Map<string, string>();
  const seen = new Set<string>();
  for (const { name, op, value } of matchers) {
    if (name === METRIC_NAME_LABEL) continue;
    if (op === '=' && !seen.has(name)) labels.set(name, value);
    else labels.delete(name);
    if (op === '=') seen.add(name);
  }
  return [...labels].reduce<Expr>((expr, [name, value]) => (value === '' ? expr : labelReplace(expr, name, value.replaceAll('$', '$$$$'), '', '')), absent);
}

/** Without what it selects in common with earlier ones: each series is in one of the results only. Undefined beyond `max`. */
export function disjoint(branches: readonly (readonly Matcher[])[], max: number): readonly (readonly Matcher[])[] | undefined {
  const all: (readonly Matcher[])[] = [];
  for (const [index, branch] of branches.entries()) {
    let pieces: readonly (readonly Matcher[])[] = [branch];
    for (const earlier of branches.slice(0, index)) {
      pieces = pieces.flatMap((piece) => without(piece, earlier));
      if (all.length + pieces.length > max) return undefined;
    }
    all.push(...pieces);
  }
  return all;
}

/** `piece` and not `taken`: not its first matcher; or its first, but not its second; and so on. */
function without(piece: readonly Matcher[], taken: readonly Matcher[]): readonly (readonly Matcher[])[] {
  return taken
    .map((matcher, index) => distinct([...piece, ...taken.slice(0, index), { ...matcher, op: INVERSE[matcher.op] }]))
    .filter((candidate) => !isContradictory(candidate));
}

function distinct(matchers: readonly Matcher[]): readonly Matcher[] {
  return [...new Map(matchers.map((matcher) => [keyOf(matcher), matcher])).values()];
}

function isContradictory(matchers: readonly Matcher[]): boolean {
  const keys = new Set(matchers.map(keyOf));
  if (matchers.some((matcher) => keys.has(keyOf({ ...matcher, op: INVERSE[matcher.op] })))) return true;
  return matchers.some((pinned) => pinned.op === '=' && matchers.some((other) => other.name === pinned.name && !accepts(other, pinned.value)));
}

function accepts(matcher: Matcher, value: string): boolean {
  const predicate = compileMatcher(matcher);
  return predicate.ok && predicate.value(value);
}

/** Does the call's answer keep the names of its range's series? */
export function keepsNames(call: Call): boolean {
  return call.name === 'last_over_time' || call.name === 'first_over_time';
}
