/**
 * A Kubernetes label selector, in the two forms that prometheus-operator gives it: rules over a target's labels, or the text that the API
 * server chooses objects by. The operator puts names and values into regular expressions as they are; that is safe, and the same
 * here, since what is no legal label of Kubernetes is refused before.
 */
import type { RelabelConfig } from '../../../model/relabel-config.js';
import { sanitise } from '../kubernetes/labels.js';
import type { Spec } from './spec.js';

export interface LabelSelector {
  readonly labels: readonly (readonly [string, string])[];
  readonly expressions: readonly { readonly key: string; readonly operator: Operator; readonly values: readonly string[] }[];
}

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const;
type Operator = (typeof OPERATORS)[number];

const PART = '[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?';
const LABEL_KEY = new RegExp(`^(?:[a-z0-9.-]{1,253}/)?${PART}$`);
const LABEL_VALUE = new RegExp(`^(?:${PART})?$`);

/** What is wrong is told to the spec. */
export function readSelector(spec: Spec): LabelSelector {
  const selector = spec.child('selector');
  if (selector === undefined) {
    spec.fault('selector', 'is missing');
    return { labels: [], expressions: [] };
  }
  const labels = selector.pairs('matchLabels');
  for (const [key, value] of labels) checkLabel(selector, 'matchLabels', key, [value]);
  const expressions = selector.children('matchExpressions').map((each) => {
    const key = each.text('key') ?? '';
    const operator = OPERATORS.find((known) => known === each.text('operator'));
    const values = each.texts('values');
    checkLabel(each, '', key, values);
    const wantsValues = operator === 'In' || operator === 'NotIn';
    if (operator === undefined) each.fault('operator', `must be one of ${OPERATORS.join(', ')}`);
    else if (wantsValues !== values.length > 0) each.fault('values', wantsValues ? 'must not be empty' : `have no meaning for ${operator}`);
    return { key, operator: operator ?? 'Exists', values };
  });
  return { labels, expressions };
}

function checkLabel(spec: Spec, at: string, key: string, values: readonly string[]): void {
  if (!LABEL_KEY.test(key)) spec.fault(at, `"${key.slice(0, 64)}" is no label of Kubernetes`);
  if (!values.every((value) => LABEL_VALUE.test(value))) spec.fault(at, `"${key.slice(0, 64)}" has a value that no label of Kubernetes can have`);
}

/** Keep what the selector chooses, by the labels of a pod or of a service. */
export function selectorRules(object: 'pod' | 'service', { labels, expressions }: LabelSelector): readonly RelabelConfig[] {
  const present = (key: string): string => `__meta_kubernetes_${object}_labelpresent_${sanitise(key)}`;
  const valueAnd = (key: string): readonly string[] => [`__meta_kubernetes_${object}_label_${sanitise(key)}`, present(key)];
  return [
    ...labels.map(([key, value]): RelabelConfig => ({ action: 'keep', source_labels: valueAnd(key), regex: `(${value});true` })),
    ...expressions.map(({ key, operator, values }): RelabelConfig => {
      switch (operator) {
        case 'In':
          return { action: 'keep', source_labels: valueAnd(key), regex: `(${values.join('|')});true` };
        case 'NotIn':
          return { action: 'drop', source_labels: valueAnd(key), regex: `(${values.join('|')});true` };
        case 'Exists':
          return { action: 'keep', source_labels: [present(key)], regex: 'true' };
        case 'DoesNotExist':
          return { action: 'drop', source_labels: [present(key)], regex: 'true' };
      }
    }),
  ];
}

/** As the API server takes it: `app=web,tier in (a,b),!old`. */
export function selectorText({ labels, expressions }: LabelSelector): string {
  const text = ({ key, operator, values }: LabelSelector['expressions'][number]): string => {
    switch (operator) {
      case 'In':
        return `${key} in (${values.join(',')})`;
      case 'NotIn':
        return `${key} notin (${values.join(',')})`;
      case 'Exists':
        return key;
      case 'DoesNotExist':
        return `!${key}`;
    }
  };
  return [...labels.map(([key, value]) => `${key}=${value}`), ...expressions.map(text)].join(',');
}
