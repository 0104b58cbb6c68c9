import { err, ok } from '../../lib/result.js';
import type { Fault, Result } from '../../lib/result.js';
import { matchersOf, METRIC_NAME_LABEL } from '../ast.js';
import type { Matcher } from '../ast.js';
import { parse } from '../parse.js';
import { compileMatcher } from '../regex.js';
import type { Predicate } from '../regex.js';

/**
 * A policy is an OR of rules, a rule an AND of matchers, the metric's name being one label among them: disjunctive normal form.
 * Each rule must refuse the empty string somewhere, or it would allow whatever lacks a label.
 */

export type MetricPattern =
  | { readonly kind: 'any' }
  | { readonly kind: 'exact'; readonly name: string }
  /** RE2, anchored on both ends. */
  | { readonly kind: 'regex'; readonly pattern: string }
  /** A PromQL selector without modifiers: `up{job="x"}`. */
  | { readonly kind: 'selector'; readonly selector: string };

export interface RuleSource {
  readonly metric: MetricPattern;
  readonly labels: readonly Matcher[];
}

export interface CompiledMatcher {
  readonly matcher: Matcher;
  readonly accepts: Predicate;
}

export type Rule = readonly CompiledMatcher[];

/** Without rules it allows nothing. */
export interface Policy {
  readonly rules: readonly Rule[];
}

/** All faults at once; none of the rules is dropped or widened silently. */
export function compilePolicy(sources: readonly RuleSource[]): Result<Policy> {
  const faults: Fault[] = [];
  const rules = sources.flatMap((source, index) => {
    const rule = compileRule(source);
    if (rule.ok) return [rule.value];
    faults.push({ place: `rules[${index}]`, message: rule.error });
    return [];
  });
  return faults.length === 0 ? ok({ rules }) : err(faults);
}

function compileRule({ metric, labels }: RuleSource): Result<Rule, string> {
  const names = nameMatchers(metric);
  if (!names.ok) return names;
  const rule: CompiledMatcher[] = [];
  for (const matcher of [...names.value, ...labels]) {
    const accepts = compileMatcher(matcher);
    if (!accepts.ok) return err(`${matcher.name}: ${accepts.error}`);
    rule.push({ matcher, accepts: accepts.value });
  }
  if (rule.every(({ accepts }) => accepts(''))) return err('matches series without any label; add a name, or a matcher that does not match the empty string');
  return ok(rule);
}

function nameMatchers(metric: MetricPattern): Result<readonly Matcher[], string> {
  switch (metric.kind) {
    case 'any':
      return ok([]);
    case 'exact':
      return ok([{ name: METRIC_NAME_LABEL, op: '=', value: metric.name }]);
    case 'regex':
      return ok([{ name: METRIC_NAME_LABEL, op: '=~', value: metric.pattern }]);
    case 'selector': {
      const parsed = parse(metric.selector);
      if (!parsed.ok) return err(`${metric.selector}: ${parsed.error.message}`);
      const { value } = parsed;
      const plain = value.kind === 'vector' && value.offset === undefined && value.at === undefined;
      return plain ? ok(matchersOf(value)) : err(`${metric.selector}: must be a selector without offset, @ or range`);
    }
  }
}

/** Identity of a matcher. */
export function keyOf({ name, op, value }: Matcher): string {
  return JSON.stringify([name, op, value]);
}

/** Does a series for which all of `matchers` hold always satisfy the one of the rule? Errs on the side of no. */
export function implies(matchers: readonly Matcher[], { matcher, accepts }: CompiledMatcher): boolean {
  return matchers.some(({ name, op, value }) => name === matcher.name && (op === '=' ? accepts(value) : op === matcher.op && value === matcher.value));
}
