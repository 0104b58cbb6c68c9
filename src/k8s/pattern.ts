import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { QueryGrant } from '../model/desired-state.js';
import { readMetricPattern } from '../promql/enforce/metric-pattern.js';
import { compilePolicy, implies, keyOf } from '../promql/enforce/policy.js';
import type { MetricPattern, Rule } from '../promql/enforce/policy.js';
import { print } from '../promql/print.js';

/**
 * One access pattern, and what is left of it under a ceiling. Both are an AND of matchers, so both at once is the AND of all of
 * them, and that again is one selector. Nothing is approximated: the query service evaluates what stands here.
 */

/**
 * The pattern as a rule, with labels that every series must have beside; in the error why it cannot be one. The pattern must say
 * something by itself: labels do not make a rule of one that matches every series.
 */
export function readPattern(text: string, labels: Readonly<Record<string, string>>): Result<Rule, string> {
  const alone = oneRule(readMetricPattern(text));
  if (!alone.ok) return alone;
  const rule = [...alone.value, ...equalities(labels)];
  return selectorOfAll(rule) === undefined ? err('contradicts itself or the labelSelectors, so that no series can match') : ok(rule);
}

/** A ceiling's rules, one for each of its patterns. */
export function readCeiling({ metrics, labels }: QueryGrant): Result<readonly Rule[], string> {
  const rules: Rule[] = [];
  for (const text of metrics) {
    // Here the labels may make a rule of it: "everything of this namespace" is a ceiling.
    const rule = oneRule(readMetricPattern(text), equalities(labels));
    if (!rule.ok) return err(`${text}: ${rule.error}`);
    rules.push(rule.value);
  }
  return ok(rules);
}

function equalities(labels: Readonly<Record<string, string>>): Rule {
  return Object.entries(labels).map(([name, value]) => ({ matcher: { name, op: '=', value }, accepts: (given) => given === value }));
}

function oneRule(metric: MetricPattern, labels: Rule = []): Result<Rule, string> {
  const policy = compilePolicy([{ metric, labels: labels.map(({ matcher }) => matcher) }]);
  if (!policy.ok) return err(policy.error.map(({ message }) => message).join('; '));
  const [rule] = policy.value.rules;
  return rule === undefined ? err('is no rule') : ok(rule);
}

/** The series that satisfy all of these rules, as the text of a selector; undefined where it is plain that there are none. */
export function selectorOfAll(...rules: readonly Rule[]): string | undefined {
  const all = [...new Map(rules.flat().map((each) => [keyOf(each.matcher), each])).values()];
  const equal = all.filter(({ matcher }) => matcher.op === '=');
  const impossible = equal.some(({ matcher: { name, value } }) => all.some((other) => other.matcher.name === name && !other.accepts(value)));
  if (impossible) return undefined;
  const values = equal.map(({ matcher }) => matcher);
  const needed = all.filter((each) => each.matcher.op === '=' || !implies(values, each)).map(({ matcher }) => matcher);
  return print({ kind: 'vector', name: undefined, matchers: needed, offset: undefined, at: undefined, anchored: false, smoothed: false, span: { start: 0, end: 0 } });
}

/** What in a valid pattern is likely meant otherwise than it reads; undefined = nothing. */
export function suspicion(text: string, rule: Rule): string | undefined {
  const metric = readMetricPattern(text);
  const glob = metric.kind === 'regex' && /[A-Za-z0-9_:]\*/.test(text);
  if (glob) return `"*" repeats the character before it, as in every regular expression; "${text.replaceAll(/(?<=[A-Za-z0-9_:])\*/g, '.*')}" matches any continuation`;
  // Among labelSelectors too.
  const literal = rule.find(({ matcher }) => matcher.op === '=' && /\.[*+]/.test(matcher.value))?.matcher;
  return literal === undefined ? undefined : `${literal.name}="${literal.value}" is compared literally; a regular expression is written with =~`;
}
