import { matchersOf } from '../ast.js';
import type { Expr, Matcher, VectorSelector } from '../ast.js';
import { selectorsOf } from '../walk.js';
import type { Merges } from './merge.js';
import { implies } from './policy.js';
import type { Policy } from './policy.js';
import { RelevantKeys, selectsNothing } from './restrict.js';

/**
 * The last word before a query leaves: read as text again, every selector in it must lie within the rules. It knows nothing of
 * how the query was rewritten, but for what each merged regex was made of.
 */

/** Combinations of alternatives times rules: about a second. What cannot be shown within it is not covered. */
const MAX_COMPARISONS = 10_000_000;

/** The first selector that the policy does not cover; undefined where all are covered. */
export function uncovered(expr: Expr, policy: Policy, merges: Merges): VectorSelector | undefined {
  const keys = new RelevantKeys(policy);
  const known = new Map<string, boolean>();
  return selectorsOf(expr).find((selector) => {
    const matchers = matchersOf(selector);
    if (selectsNothing(matchers)) return false;
    const key = keys.of(matchers);
    const isCovered = known.get(key) ?? covers(policy, matchers, merges);
    known.set(key, isCovered);
    return !isCovered;
  });
}

function covers(policy: Policy, matchers: readonly Matcher[], merges: Merges): boolean {
  let combinations: readonly (readonly Matcher[])[] = [[]];
  for (const matcher of matchers) {
    const alternatives = merges.alternativesOf(matcher);
    if (combinations.length * alternatives.length * policy.rules.length > MAX_COMPARISONS) return false;
    combinations = alternatives.flatMap((alternative) => combinations.map((combination) => combination.concat(alternative)));
  }
  return combinations.every((combination) => policy.rules.some((rule) => rule.every((matcher) => implies(combination, matcher))));
}
