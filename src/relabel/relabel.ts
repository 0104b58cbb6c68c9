/**
 * `relabel_configs` of Prometheus as a pure function: labels in, labels or nothing out.
 */
import { err, ok } from '../lib/result.js';
import type { Fault, Result } from '../lib/result.js';
import type { RelabelConfig } from '../model/relabel-config.js';
import { LabelsBuilder } from './labels-builder.js';
import { compileRule } from './rule.js';
import type { Rule } from './rule.js';

export type Labels = ReadonlyMap<string, string>;

/** The labels after all rules; undefined = a rule dropped what they belong to. */
export type Relabel = (labels: Labels) => Labels | undefined;

/** Compiles rules in their order; faults have places such as `[2].regex`. */
export function compileRelabel(configs: readonly RelabelConfig[]): Result<Relabel> {
  const rules: Rule[] = [];
  const faults: Fault[] = [];
  for (const [index, config] of configs.entries()) {
    const rule = compileRule(config);
    if (rule.ok) rules.push(rule.value);
    else faults.push(...rule.error.map(({ key, message }) => ({ place: `[${index}].${key}`, message: `\`${key}\` ${message}` })));
  }
  if (faults.length > 0) return err(faults);
  return ok((labels) => {
    const builder = new LabelsBuilder(labels);
    return rules.every((rule) => rule(builder)) ? builder.labels() : undefined;
  });
}

/** Rules that have been checked before, where the configuration was read: a fault here is a defect of ours. */
export function mustCompileRelabel(configs: readonly RelabelConfig[]): Relabel {
  const compiled = compileRelabel(configs);
  if (!compiled.ok) throw new Error(`relabelling rules that were not checked: ${compiled.error.map(({ place, message }) => `${place}: ${message}`).join('; ')}`);
  return compiled.value;
}
