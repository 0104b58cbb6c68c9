import { compilePattern, compileTemplate } from '../../relabel/pattern.js';
import { matchersOf, METRIC_NAME_LABEL } from '../ast.js';
import type { Expr } from '../ast.js';
import { unwrapped } from '../walk.js';
import { labelOf, labelSet, perLabelSet, withLabel } from './labels.js';
import type { LabelSet } from './labels.js';
import { EvaluationFault, mapSamples } from './series.js';
import type { Context, Series } from './series.js';

/** Functions whose results differ from their arguments in labels only, and the labels of what is not there. */

export function labelReplace(series: readonly Series[], [target = '', replacement = '', source = '', regex = '']: readonly string[], context: Context): readonly Series[] {
  const pattern = compilePattern(regex);
  if (!pattern.ok) throw new EvaluationFault(`invalid regular expression in label_replace(): ${regex}`);
  if (target === '') throw new EvaluationFault(`invalid destination label name in label_replace(): ${target}`);
  const template = compileTemplate(replacement);
  return mapSamples(series, context, perLabelSet((labels) => {
    const match = pattern.value.match(labelOf(labels, source));
    return match === undefined ? labels : withLabel(labels, target, template(match));
  }));
}

export function labelJoin(series: readonly Series[], [target = '', separator = '', ...sources]: readonly string[], context: Context): readonly Series[] {
  if (sources.includes('')) throw new EvaluationFault('invalid source label name in label_join(): ');
  if (target === '') throw new EvaluationFault(`invalid destination label name in label_join(): ${target}`);
  return mapSamples(series, context, perLabelSet((labels) => withLabel(labels, target, sources.map((name) => labelOf(labels, name)).join(separator))));
}

/** Of `absent` and `absent_over_time`: what the selector demands exactly; a label that it speaks of twice is none of them. */
export function absentLabels(argument: Expr): LabelSet {
  const expr = unwrapped(argument);
  const selector = expr.kind === 'matrix' ? expr.selector : expr;
  if (selector.kind !== 'vector') return labelSet([]);
  const labels = new Map<string, string>();
  const seen = new Set<string>();
  for (const { name, op, value } of matchersOf(selector)) {
    if (name === METRIC_NAME_LABEL) continue;
    if (op === '=' && !seen.has(name)) {
      labels.set(name, value);
      seen.add(name);
    } else labels.delete(name);
  }
  return labelSet(labels);
}
