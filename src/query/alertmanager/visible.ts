import { METRIC_NAME_LABEL } from '../../promql/ast.js';
import type { Matcher } from '../../promql/ast.js';
import { implies } from '../../promql/enforce/policy.js';
import type { Policy, Rule } from '../../promql/enforce/policy.js';
import { accept } from '../alerting.js';
import { isObject, labelsOf, objectsOf, pick, textOf } from '../json.js';
import type { JsonObject } from '../json.js';

/**
 * An alert is the tenant's if Prometheus's own series of it is: `ALERTS{alertstate="firing", …its labels}`. A silence is the tenant's
 * if it can only ever match such alerts: some rule follows from its matchers.
 */

/** What every alert of Alertmanager has, as a series. */
const AS_SERIES: Readonly<Record<string, string>> = { [METRIC_NAME_LABEL]: 'ALERTS', alertstate: 'firing' };
const ALERT_FIELDS = ['labels', 'annotations', 'startsAt', 'endsAt', 'updatedAt', 'fingerprint', 'generatorURL', 'receivers'];
const SILENCE_FIELDS = ['id', 'status', 'updatedAt', 'comment', 'createdBy', 'endsAt', 'startsAt', 'matchers'];

/** `silences`: as the API lists them; what is said of an alert's silences is kept for those of the tenant only. */
export function visibleAlerts(alerts: unknown, silences: unknown, policy: Policy): readonly JsonObject[] {
  const own = objectsOf(alerts).filter(({ labels }) => isOwnAlert(labels, policy));
  const fingerprints = new Set(own.map(({ fingerprint }) => textOf(fingerprint)));
  const silenceIds = new Set(visibleSilences(silences, policy).map(({ id }) => textOf(id)));
  return own.map((alert) => ({ ...pick(alert, ALERT_FIELDS), status: statusOf(alert.status, { fingerprints, silenceIds }) }));
}

export function visibleGroups(groups: unknown, silences: unknown, policy: Policy): readonly JsonObject[] {
  return objectsOf(groups).flatMap(({ labels, receiver, alerts }) => {
    const own = visibleAlerts(alerts, silences, policy);
    return own.length === 0 ? [] : [{ labels, receiver, alerts: own }];
  });
}

export function visibleSilences(silences: unknown, policy: Policy): readonly JsonObject[] {
  return objectsOf(silences).flatMap((silence) => (isOwnSilence(silence.matchers, policy) ? [pick(silence, SILENCE_FIELDS)] : []));
}

/** Receivers that the tenant's own alerts go to. */
export function visibleReceivers(alerts: unknown, policy: Policy): readonly JsonObject[] {
  const own = objectsOf(alerts).filter(({ labels }) => isOwnAlert(labels, policy));
  const names = new Set(own.flatMap(({ receivers }) => objectsOf(receivers).map(({ name }) => textOf(name))));
  return [...names].toSorted().map((name) => ({ name }));
}

export function isOwnSilence(matchers: unknown, policy: Policy): boolean {
  const read = readMatchers(matchers);
  return read !== undefined && policy.rules.some((rule) => follows(rule, read));
}

/** A silence's matchers, and with them those that make it the tenant's own; or why that cannot be. */
export function ownMatchers(matchers: unknown, policy: Policy): { readonly matchers: readonly JsonObject[] } | { readonly fault: string } {
  const read = readMatchers(matchers);
  if (read === undefined || read.length === 0) return { fault: 'matchers: a list of name, value, isRegex and isEqual, not empty' };
  const written = read.map(writeMatcher);
  const implied = policy.rules.filter((rule) => follows(rule, read));
  if (implied.length > 0) {
    const narrows = read.some((one) => !implied.some((rule) => rule.some(({ matcher }) => sameMatcher(matcher, one))));
    return narrows ? { matchers: written } : { fault: 'matchers: at least one besides those of your own rule' };
  }
  const [added, ...others] = [...new Set(policy.rules.filter(canHoldAlerts).map((rule) => JSON.stringify(missing(rule, read))))];
  if (added === undefined) return { fault: 'none of your rules allows alerts' };
  if (others.length > 0) return { fault: 'your rules are several: name in the matchers the labels of the one that is meant' };
  const more: readonly Matcher[] = JSON.parse(added);
  return { matchers: [...written, ...more.map(writeMatcher)] };
}

function isOwnAlert(labels: unknown, policy: Policy): boolean {
  const read = labelsOf(labels);
  return read !== undefined && accept(policy.rules, { ...read, ...AS_SERIES });
}

function statusOf(status: unknown, own: { readonly fingerprints: ReadonlySet<string>; readonly silenceIds: ReadonlySet<string> }): JsonObject {
  const { state, silencedBy, inhibitedBy } = isObject(status) ? status : {};
  const kept = (ids: unknown, known: ReadonlySet<string>): readonly unknown[] => (Array.isArray(ids) ? ids.filter((id) => known.has(textOf(id))) : []);
  return { state, silencedBy: kept(silencedBy, own.silenceIds), inhibitedBy: kept(inhibitedBy, own.fingerprints), mutedBy: [] };
}

/** Does the rule hold for every alert that all matchers hold for? */
function follows(rule: Rule, matchers: readonly Matcher[]): boolean {
  return canHoldAlerts(rule) && missing(rule, matchers).length === 0;
}

/** A rule about other metrics than `ALERTS` says nothing of alerts. */
function canHoldAlerts(rule: Rule): boolean {
  return rule.every(({ matcher, accepts }) => !isOfSeries(matcher) || accepts(AS_SERIES[matcher.name] ?? ''));
}

function missing(rule: Rule, matchers: readonly Matcher[]): readonly Matcher[] {
  return rule.filter((compiled) => !isOfSeries(compiled.matcher) && !implies(matchers, compiled)).map(({ matcher }) => matcher);
}

/** About a label that alerts do not have in Alertmanager, only as series. */
function isOfSeries({ name }: Matcher): boolean {
  return Object.hasOwn(AS_SERIES, name);
}

function sameMatcher(a: Matcher, b: Matcher): boolean {
  return a.name === b.name && a.op === b.op && a.value === b.value;
}

/** Undefined where one is no matcher. `isEqual` came with Alertmanager 0.22 and is true where it is left out. */
function readMatchers(value: unknown): readonly Matcher[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const matchers: Matcher[] = [];
  for (const one of value) {
    if (!isObject(one)) return undefined;
    const { name, value: text, isRegex = false, isEqual = true } = one;
    if (typeof name !== 'string' || name === '' || typeof text !== 'string' || typeof isRegex !== 'boolean' || typeof isEqual !== 'boolean') return undefined;
    matchers.push({ name, value: text, op: isRegex ? (isEqual ? '=~' : '!~') : isEqual ? '=' : '!=' });
  }
  return matchers;
}

function writeMatcher({ name, op, value }: Matcher): JsonObject {
  return { name, value, isRegex: op === '=~' || op === '!~', isEqual: op === '=' || op === '=~' };
}
