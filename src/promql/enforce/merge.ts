import type { Matcher } from '../ast.js';
import { compileMatcher, compileRegex } from '../regex.js';
import { implies, keyOf } from './policy.js';

/**
 * Fewer branches for the same union: where two branches differ in one matcher of one label only, one regex says both. This is
 * exact in every position of a query, unlike all splitting, and covers lists of namespaces and of names.
 */

/** One way to be allowed: what must be asked of a series besides what the selector asks. */
export interface Branch {
  readonly matchers: readonly Matcher[];
  /** Indices of the rules that it stands for. */
  readonly rules: readonly number[];
}

/** Remembers what each merged matcher was made of, so that the result can be checked against the rules as they were written. */
export class Merges {
  readonly #alternatives = new Map<string, readonly Matcher[]>();

  alternativesOf(matcher: Matcher): readonly Matcher[] {
    return this.#alternatives.get(keyOf(matcher)) ?? [matcher];
  }

  /** One matcher that holds where one of them does; undefined where none can be written. All are of one label. */
  union(matchers: readonly Matcher[]): Matcher | undefined {
    const byKey = new Map(matchers.flatMap((matcher) => this.alternativesOf(matcher)).map((matcher) => [keyOf(matcher), matcher]));
    const alternatives = [...byKey.keys()].sort().flatMap((key) => byKey.get(key) ?? []);
    const [first] = alternatives;
    if (first === undefined || !alternatives.every(isMergeable)) return undefined;
    if (alternatives.length === 1) return first;
    return this.#remember({ name: first.name, op: '=~', value: alternatives.map(body).join('|') }, alternatives);
  }

  /** The same condition without an equality sign: `absent` takes labels of its answer from those. */
  withoutEquality(matcher: Matcher): Matcher {
    return matcher.op === '=' ? (this.#remember({ ...matcher, op: '=~', value: escapeRegex(matcher.value) }, [matcher]) ?? matcher) : matcher;
  }

  #remember(merged: Matcher, alternatives: readonly Matcher[]): Matcher | undefined {
    if (!compileRegex(merged.value).ok) return undefined;
    this.#alternatives.set(keyOf(merged), alternatives);
    return merged;
  }
}

/** `\Q` without `\E` would swallow what follows the body. */
function isMergeable({ op, value }: Matcher): boolean {
  return op === '=' || (op === '=~' && !value.includes('\\Q'));
}

function body({ op, value }: Matcher): string {
  return op === '=' ? escapeRegex(value) : `(?:${value})`;
}

export function escapeRegex(value: string): string {
  return value.replaceAll(/[\\.+*?()|[\]{}^$]/g, String.raw`\$&`);
}

/** An equal union of fewer branches. */
export function mergeBranches(branches: readonly Branch[], merges: Merges): readonly Branch[] {
  let current = distinct(branches);
  for (;;) {
    const labels = new Set(current.flatMap(({ matchers }) => matchers.map(({ name }) => name)));
    const next = [...labels].reduce((merged, label) => mergeLabel(merged, label, merges), current);
    if (next.length === current.length) return withoutImplied(current);
    current = next;
  }
}

function distinct(branches: readonly Branch[]): readonly Branch[] {
  return [...Map.groupBy(branches, ({ matchers }) => setKey(matchers)).values()].flatMap((same) => combined(same, same[0]?.matchers));
}

function combined(branches: readonly Branch[], matchers: readonly Matcher[] | undefined): readonly Branch[] {
  return matchers === undefined ? branches : [{ matchers, rules: [...new Set(branches.flatMap(({ rules }) => rules))] }];
}

/** Merges branches that are alike but for their only matcher of this label. */
function mergeLabel(branches: readonly Branch[], label: string, merges: Merges): readonly Branch[] {
  const groups = Map.groupBy(branches, ({ matchers }, index) => {
    const [matcher, ...more] = matchers.filter(({ name }) => name === label);
    if (matcher === undefined || more.length > 0 || !isMergeable(matcher)) return `alone ${index}`;
    return setKey(matchers.filter(({ name }) => name !== label));
  });
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined || group.length === 1) return group;
    const union = merges.union(group.flatMap(({ matchers }) => matchers.filter(({ name }) => name === label)));
    return union === undefined ? group : combined(group, [...first.matchers.filter(({ name }) => name !== label), union]);
  });
}

/** Drops branches that are part of another. */
function withoutImplied(branches: readonly Branch[]): readonly Branch[] {
  const compiled = branches.map(({ matchers }) =>
    matchers.map((matcher) => {
      const accepts = compileMatcher(matcher);
      return { matcher, accepts: accepts.ok ? accepts.value : () => false };
    }),
  );
  const includes = (wide: number, narrow: number): boolean => compiled[wide]?.every((matcher) => implies(branches[narrow]?.matchers ?? [], matcher)) === true;
  return branches.filter((_, narrow) => !branches.some((_wide, wide) => wide !== narrow && includes(wide, narrow) && (!includes(narrow, wide) || wide < narrow)));
}

function setKey(matchers: readonly Matcher[]): string {
  return [...new Set(matchers.map(keyOf))].sort().join(' ');
}
