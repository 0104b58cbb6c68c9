/**
 * One relabelling rule: checked as Prometheus checks it when it loads its configuration, and compiled to a function that changes
 * labels or says that they are to be dropped (prometheus/model/relabel, 3.15; names are UTF-8 as there).
 */
import { createHash } from 'node:crypto';
import { assertNever, err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { RelabelConfig } from '../model/relabel-config.js';
import type { LabelsBuilder } from './labels-builder.js';
import { goLowerCase, goUpperCase } from './letters.js';
import { compilePattern, compileTemplate } from './pattern.js';
import type { Pattern } from './pattern.js';

export const RELABEL_ACTIONS = ['replace', 'keep', 'drop', 'keepequal', 'dropequal', 'hashmod', 'labelmap', 'labeldrop', 'labelkeep', 'lowercase', 'uppercase'] as const;
export type RelabelAction = (typeof RELABEL_ACTIONS)[number];

/** Changes the labels; false = what they belong to is dropped. */
export type Rule = (labels: LabelsBuilder) => boolean;

export interface RuleFault {
  readonly key: keyof RelabelConfig;
  /** A sentence's end: "must not be empty". */
  readonly message: string;
}

const DEFAULT_SEPARATOR = ';';
const DEFAULT_REGEX = '(.*)';
const DEFAULT_REPLACEMENT = '$1';

const WRITES_TARGET: ReadonlySet<RelabelAction> = new Set(['replace', 'hashmod', 'lowercase', 'uppercase', 'keepequal', 'dropequal']);

/** All faults of the rule at once. */
export function compileRule(config: RelabelConfig): Result<Rule, readonly RuleFault[]> {
  const wanted = (config.action ?? 'replace').toLowerCase();
  const action = RELABEL_ACTIONS.find((each) => each === wanted);
  const pattern = compilePattern(config.regex ?? DEFAULT_REGEX);
  const faults: RuleFault[] = [];
  if (action === undefined) faults.push({ key: 'action', message: `must be one of ${RELABEL_ACTIONS.join(', ')}` });
  if (!pattern.ok) faults.push({ key: 'regex', message: `is no regular expression of RE2: ${pattern.error}` });
  if (config.source_labels?.includes('') === true) faults.push({ key: 'source_labels', message: 'must not hold an empty name' });
  if (action !== undefined) faults.push(...actionFaults(action, config));
  if (faults.length > 0 || action === undefined || !pattern.ok) return err(faults);
  return ok(ruleOf(action, config, pattern.value));
}

function actionFaults(action: RelabelAction, config: RelabelConfig): RuleFault[] {
  const { target_label: target = '', replacement = DEFAULT_REPLACEMENT, modulus = 0, separator = DEFAULT_SEPARATOR } = config;
  const faults: RuleFault[] = [];
  const check = (holds: boolean, key: keyof RelabelConfig, message: string): void => {
    if (!holds) faults.push({ key, message });
  };
  const unused = (used: boolean, key: keyof RelabelConfig): void => check(!used, key, `has no meaning for the action ${action}`);
  if (WRITES_TARGET.has(action)) check(target !== '', 'target_label', `is missing; the action ${action} needs it`);
  if (!Number.isSafeInteger(modulus) || modulus < 0) check(false, 'modulus', 'must be a whole number');
  switch (action) {
    case 'hashmod':
      check(modulus !== 0, 'modulus', 'is missing; the action hashmod needs one above 0');
      break;
    case 'labelmap':
      check(replacement !== '', 'replacement', 'must not be empty for the action labelmap');
      break;
    case 'lowercase':
    case 'uppercase':
      unused(replacement !== DEFAULT_REPLACEMENT, 'replacement');
      break;
    case 'keepequal':
    case 'dropequal':
      unused(config.regex !== undefined, 'regex');
      unused(modulus !== 0, 'modulus');
      unused(separator !== DEFAULT_SEPARATOR, 'separator');
      unused(replacement !== DEFAULT_REPLACEMENT, 'replacement');
      break;
    case 'labeldrop':
    case 'labelkeep':
      unused(config.source_labels !== undefined, 'source_labels');
      unused(target !== '', 'target_label');
      unused(modulus !== 0, 'modulus');
      unused(separator !== DEFAULT_SEPARATOR, 'separator');
      unused(replacement !== DEFAULT_REPLACEMENT, 'replacement');
      break;
    case 'replace':
    case 'keep':
    case 'drop':
      break;
    default:
      return assertNever(action, 'relabelling action');
  }
  return faults;
}

function ruleOf(action: RelabelAction, config: RelabelConfig, pattern: Pattern): Rule {
  const { source_labels: sources = [], separator = DEFAULT_SEPARATOR, target_label: target = '', modulus = 1 } = config;
  const input = (labels: LabelsBuilder): string => sources.map((name) => labels.get(name)).join(separator);
  const replacement = compileTemplate(config.replacement ?? DEFAULT_REPLACEMENT);
  const matchesName = remembering(pattern.test);
  /** A rule that only changes. */
  const change = (apply: (labels: LabelsBuilder) => void): Rule => (labels) => {
    apply(labels);
    return true;
  };
  switch (action) {
    case 'keep':
      return (labels) => pattern.test(input(labels));
    case 'drop':
      return (labels) => !pattern.test(input(labels));
    case 'keepequal':
      return (labels) => labels.get(target) === input(labels);
    case 'dropequal':
      return (labels) => labels.get(target) !== input(labels);
    case 'replace': {
      const targetTemplate = compileTemplate(target);
      return change((labels) => {
        const match = pattern.match(input(labels));
        const name = match === undefined ? '' : targetTemplate(match);
        if (match !== undefined && name !== '') labels.set(name, replacement(match));
      });
    }
    case 'lowercase':
      return change((labels) => labels.set(target, goLowerCase(input(labels))));
    case 'uppercase':
      return change((labels) => labels.set(target, goUpperCase(input(labels))));
    case 'hashmod':
      return change((labels) => labels.set(target, hashModulo(input(labels), modulus)));
    case 'labelmap':
      return change((labels) => {
        for (const [name, value] of labels.entries()) {
          const renamed = matchesName(name) ? pattern.replaceAll(name, replacement) : '';
          if (renamed !== '') labels.set(renamed, value);
        }
      });
    case 'labeldrop':
      return change((labels) => deleteWhere(labels, matchesName));
    case 'labelkeep':
      return change((labels) => deleteWhere(labels, (name) => !matchesName(name)));
    default:
      return assertNever(action, 'relabelling action');
  }
}

const MAX_REMEMBERED_NAMES = 1000;

/** Label names are few, and are asked about for every target and every sample. */
function remembering(test: (name: string) => boolean): (name: string) => boolean {
  const known = new Map<string, boolean>();
  return (name) => {
    const before = known.get(name);
    if (before !== undefined) return before;
    const result = test(name);
    if (known.size < MAX_REMEMBERED_NAMES) known.set(name, result);
    return result;
  };
}

function deleteWhere(labels: LabelsBuilder, condition: (name: string) => boolean): void {
  for (const [name] of labels.entries()) if (condition(name)) labels.delete(name);
}

/** The last 8 bytes of the MD5, big-endian: the same shards as Prometheus. */
function hashModulo(text: string, modulus: number): string {
  return String(createHash('md5').update(text).digest().readBigUInt64BE(8) % BigInt(modulus));
}
