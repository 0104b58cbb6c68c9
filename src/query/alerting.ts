import { createHash } from 'node:crypto';
import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { METRIC_NAME_LABEL, matchersOf } from '../promql/ast.js';
import { Merges } from '../promql/enforce/merge.js';
import type { Policy, Rule } from '../promql/enforce/policy.js';
import { Restrictions } from '../promql/enforce/restrict.js';
import { ALL_FEATURES } from '../promql/features.js';
import { parse } from '../promql/parse.js';
import { compileMatcher } from '../promql/regex.js';
import { selectorsOf, visit } from '../promql/walk.js';
import type { Plan, Question } from './endpoint.js';
import type { Form } from './form.js';
import { isObject, labelsOf, objectsOf, pick, textOf } from './json.js';
import type { JsonObject } from './json.js';
import type { Limits } from './limits.js';
import { readSelectors } from './match.js';
import { refuse } from './refusal.js';
import type { Refusal } from './refusal.js';
import { readCount } from './values.js';

/**
 * A rule is shown if its query asks for nothing that the tenant could not ask itself, whoever wrote it: then its result, its
 * alerts and its texts are made of allowed series. An alert of another rule is shown if its series in `ALERTS` is one that the
 * tenant may query, and then with no more than this series says.
 */

const FILTERS = ['rule_name[]', 'rule_group[]', 'file[]'] as const;
const GROUP_FIELDS = ['name', 'file', 'interval', 'limit', 'lastEvaluation'];
const RULE_FIELDS = ['state', 'name', 'query', 'duration', 'keepFiringFor', 'labels', 'annotations', 'health', 'evaluationTime', 'lastEvaluation', 'type'];
const ALERT_FIELDS = ['labels', 'annotations', 'state', 'activeAt', 'keepFiringSince', 'value', 'partialResponseStrategy'];

export function rulesPlan({ form, policy, limits }: Question): Result<Plan, Refusal> {
  const type = form.first('type') ?? '';
  if (!['', 'alert', 'record'].includes(type)) return refuse('query_malformed', 'invalid parameter "type"');
  // Read here and applied to the answer, since older servers do not know them.
  const selectors = readConditions(form.all('match[]'), limits);
  if (!selectors.ok) return selectors;
  const filters = FILTERS.flatMap((name) => form.all(name).map((value) => [name, value] as const));
  return ok({
    kind: 'filter',
    requests: [{ method: 'GET', path: '/api/v1/rules', parameters: [...filters, ...(type === '' ? [] : [['type', type] as const])] }],
    filter: ([data]) => paged(visibleGroups(data, policy, { selectors: selectors.value, withAlerts: form.first('exclude_alerts') !== 'true' }), form),
  });
}

export function alertsPlan({ policy }: Question): Result<Plan, Refusal> {
  return ok({
    kind: 'filter',
    requests: [{ method: 'GET', path: '/api/v1/rules', parameters: [['type', 'alert']] }],
    filter: ([data]) => ({ alerts: visibleAlertsIn(data, policy) }),
  });
}

function groupsOf(data: unknown): readonly JsonObject[] {
  return objectsOf(typeof data === 'object' && data !== null && 'groups' in data ? data.groups : undefined);
}

interface RuleFilter {
  /** None = no condition. */
  readonly selectors: readonly Rule[];
  readonly withAlerts: boolean;
}

export function visibleGroups(data: unknown, policy: Policy, { selectors, withAlerts }: RuleFilter): readonly JsonObject[] {
  const restrictions = new Restrictions(policy, new Merges());
  return groupsOf(data).flatMap((group) => {
    const rules = objectsOf(group.rules)
      .filter((rule) => isOwn(rule, restrictions) && selected(rule, selectors))
      .map((rule): JsonObject => (rule.type === 'alerting' ? { ...pick(rule, RULE_FIELDS), alerts: withAlerts ? objectsOf(rule.alerts).map((alert) => pick(alert, ALERT_FIELDS)) : [] } : pick(rule, RULE_FIELDS)));
    const seconds = rules.reduce((sum, { evaluationTime }) => sum + (typeof evaluationTime === 'number' ? evaluationTime : 0), 0);
    return rules.length === 0 ? [] : [{ ...pick(group, GROUP_FIELDS), evaluationTime: seconds, rules }];
  });
}

/** Every selector of its query is allowed as it stands, and its templates ask nothing on their own. */
function isOwn(rule: JsonObject, restrictions: Restrictions): boolean {
  const parsed = parse(textOf(rule.query), { features: ALL_FEATURES });
  if (!parsed.ok) return false;
  let joins = false;
  visit(parsed.value, (node) => {
    joins ||= node.kind === 'call' && node.name === 'info';
  });
  const selectors = selectorsOf(parsed.value);
  if (joins || selectors.length === 0) return false;
  return !asksInTemplates(rule) && selectors.every((selector) => restrictions.of(selector).kind === 'unchanged');
}

/** `{{ query "…" }}`; what template a word belongs to is Go's to know, so any will do. */
function asksInTemplates({ annotations, labels }: JsonObject): boolean {
  const texts = [annotations, labels].flatMap((value) => (isObject(value) ? Object.values(value) : []));
  return texts.some((text) => typeof text !== 'string' || (text.includes('{{') && /query/.test(text)));
}

/** By the rule's own labels, as Prometheus does since 2.54. */
function selected({ labels }: JsonObject, selectors: readonly Rule[]): boolean {
  return selectors.length === 0 || accept(selectors, labelsOf(labels) ?? {});
}

export function visibleAlertsIn(data: unknown, policy: Policy): readonly JsonObject[] {
  const restrictions = new Restrictions(policy, new Merges());
  return groupsOf(data).flatMap(({ rules }) => objectsOf(rules).flatMap((rule) => visibleAlerts(rule, policy, restrictions)));
}

function visibleAlerts(rule: JsonObject, policy: Policy, restrictions: Restrictions): readonly JsonObject[] {
  const alerts = objectsOf(rule.alerts);
  if (isOwn(rule, restrictions)) return alerts.map((alert) => pick(alert, ALERT_FIELDS));
  return alerts.flatMap((alert) => {
    const labels = labelsOf(alert.labels);
    const state = textOf(alert.state);
    if (labels === undefined || !accept(policy.rules, { ...labels, [METRIC_NAME_LABEL]: 'ALERTS', alertstate: state })) return [];
    return [{ labels, annotations: {}, state, activeAt: alert.activeAt, value: '1e+00' }];
  });
}

/** Some selector, with all of its matchers. */
export function accept(selectors: readonly Rule[], labels: Readonly<Record<string, string>>): boolean {
  return selectors.some((matchers) => matchers.every(({ matcher, accepts }) => accepts(labels[matcher.name] ?? '')));
}

/** As conditions on labels, each selector a rule. */
export function readConditions(texts: readonly string[], limits: Limits): Result<readonly Rule[], Refusal> {
  const selectors = readSelectors(texts, limits);
  if (!selectors.ok) return selectors;
  return ok(selectors.value.map((selector) => matchersOf(selector).flatMap((matcher) => {
    const accepts = compileMatcher(matcher);
    return accepts.ok ? [{ matcher, accepts: accepts.value }] : [];
  })));
}

/** A page of groups; the token is of the first group of the next page, made of what this tenant sees. */
function paged(groups: readonly JsonObject[], form: Form): JsonObject {
  const token = form.first('group_next_token') ?? '';
  const first = token === '' ? 0 : groups.findIndex((group) => tokenOf(group) === token);
  const size = readCount(form.first('group_limit') ?? '') ?? 0;
  const rest = first < 0 ? [] : groups.slice(first);
  const next = size === 0 ? undefined : rest[size];
  return next === undefined ? { groups: rest } : { groups: rest.slice(0, size), groupNextToken: tokenOf(next) };
}

function tokenOf({ file, name }: JsonObject): string {
  return createHash('sha256').update(JSON.stringify([file, name])).digest('hex');
}
