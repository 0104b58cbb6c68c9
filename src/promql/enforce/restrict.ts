import { matchersOf, METRIC_NAME_LABEL } from '../ast.js';
import type { Matcher, VectorSelector } from '../ast.js';
import { compileMatcher } from '../regex.js';
import type { Predicate } from '../regex.js';
import { mergeBranches } from './merge.js';
import type { Branch, Merges } from './merge.js';
import { keyOf } from './policy.js';
import type { CompiledMatcher, Policy, Rule } from './policy.js';

/**
 * What the policy means for one selector. What the selector pins by equality is decided now: rules that contradict it drop out,
 * and conditions that it fulfils anyway need not be added, which settles nearly all that dashboards ask.
 */
export type Restriction =
  /** All that it selects is allowed. */
  | { readonly kind: 'unchanged'; readonly rules: readonly number[] }
  /** Nothing that it selects is. */
  | { readonly kind: 'denied' }
  /** Its branches' union is; one branch where one selector can say it. */
  | { readonly kind: 'branches'; readonly branches: readonly Branch[] };

/** Restrictions of one question's selectors: those that ask the same of the labels that rules are about have the same. */
export class Restrictions {
  readonly #known = new Map<string, Restriction>();
  readonly #keys: RelevantKeys;

  constructor(
    private readonly policy: Policy,
    private readonly merges: Merges,
  ) {
    this.#keys = new RelevantKeys(policy);
  }

  of(selector: VectorSelector): Restriction {
    const key = this.#keys.of(matchersOf(selector));
    const known = this.#known.get(key) ?? restrict(selector, this.policy, this.merges);
    this.#known.set(key, known);
    return known;
  }
}

/** What matchers say of the labels that a policy's rules are about, as a key. */
export class RelevantKeys {
  readonly #labels: ReadonlySet<string>;

  constructor({ rules }: Policy) {
    this.#labels = new Set(rules.flatMap((rule) => rule.map(({ matcher }) => matcher.name)));
  }

  of(matchers: readonly Matcher[]): string {
    return matchers.flatMap((matcher) => (this.#labels.has(matcher.name) ? [keyOf(matcher)] : [])).join(' ');
  }
}

export function restrict(selector: VectorSelector, policy: Policy, merges: Merges): Restriction {
  const asked = matchersOf(selector).map(compiledWhenAsked);
  const branches = policy.rules.flatMap((rule, index): Branch[] => {
    const missing = missingFrom(asked, rule);
    return missing === undefined ? [] : [{ matchers: missing, rules: [index] }];
  });
  const allowing = branches.filter(({ matchers }) => matchers.length === 0);
  if (allowing.length > 0) return { kind: 'unchanged', rules: allowing.flatMap(({ rules }) => rules) };
  return branches.length === 0 ? { kind: 'denied' } : { kind: 'branches', branches: mergeBranches(branches, merges) };
}

/** Most of what a selector asks is of labels that no rule is about. */
function compiledWhenAsked(matcher: Matcher): CompiledMatcher {
  let compiled: Predicate | undefined;
  return {
    matcher,
    accepts: (value) => {
      if (compiled === undefined) {
        const accepts = compileMatcher(matcher);
        compiled = accepts.ok ? accepts.value : () => true;
      }
      return compiled(value);
    },
  };
}

/** What the rule asks and the selector does not; undefined where both together select nothing. */
function missingFrom(asked: readonly CompiledMatcher[], rule: Rule): readonly Matcher[] | undefined {
  const missing: Matcher[] = [];
  for (const { matcher, accepts } of rule) {
    const same = asked.filter((other) => other.matcher.name === matcher.name);
    const pinned = same.filter((other) => other.matcher.op === '=');
    if (pinned.some((other) => !accepts(other.matcher.value))) return undefined;
    if (matcher.op === '=' && same.some((other) => !other.accepts(matcher.value))) return undefined;
    if (pinned.length === 0 && !same.some((other) => keyOf(other.matcher) === keyOf(matcher))) missing.push(matcher);
  }
  return missing;
}

export function withMatchers(selector: VectorSelector, matchers: readonly Matcher[]): VectorSelector {
  return { ...selector, matchers: [...selector.matchers, ...matchers] };
}

export function withOnly(selector: VectorSelector, matchers: readonly Matcher[]): VectorSelector {
  return { ...selector, matchers };
}

const DENIED_LABEL = '__scrapeway_denied__';

/** The selector with a contradiction: it selects nothing, and keeps its form, so that types and labels of `absent` stay. */
export function selectingNothing(selector: VectorSelector): VectorSelector {
  return withMatchers(selector, [
    { name: DENIED_LABEL, op: '=', value: '1' },
    { name: DENIED_LABEL, op: '=', value: '2' },
  ]);
}

/** Two equalities of one label that cannot both hold. */
export function selectsNothing(matchers: readonly Matcher[]): boolean {
  const pinned = new Map<string, string>();
  return matchers.some(({ name, op, value }) => {
    if (op !== '=') return false;
    const before = pinned.get(name);
    pinned.set(name, value);
    return before !== undefined && before !== value;
  });
}

/** The one name that all of them select; undefined where they may select several. */
export function commonName(selectors: readonly VectorSelector[]): string | undefined {
  const names = new Set(selectors.map((selector) => matchersOf(selector).find(({ name, op }) => name === METRIC_NAME_LABEL && op === '=')?.value));
  const [only] = names;
  return names.size === 1 ? only : undefined;
}
