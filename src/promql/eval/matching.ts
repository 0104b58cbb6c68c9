import type { Binary, Matching } from '../ast.js';
import { calculate, compare, isArithmetic, isComparison } from './arithmetic.js';
import type { NumericOp } from './arithmetic.js';
import { dropping, keeping, labelOf, labelSet, matchedLabels, perLabelSet, printLabels, withoutMetadata } from './labels.js';
import type { LabelSet } from './labels.js';
import { Collector, countAt, EvaluationFault } from './series.js';
import type { Context, Series } from './series.js';

/** Binary operators between two vectors: who meets whom is decided by the labels, step by step (Prometheus's VectorBinop and its set operators). */

interface Side {
  readonly series: readonly Series[];
  /** Of each series: what the other side must have too. */
  readonly groups: readonly string[];
}

function sideOf(series: readonly Series[], { on, labels }: Matching): Side {
  return { series, groups: series.map((one) => matchedLabels(one.labels, on, labels).key) };
}

function groupsAt({ series, groups }: Side, step: number): ReadonlySet<string> {
  return new Set(groups.filter((_, index) => series[index]?.present[step] === 1));
}

/** `and`, `unless` and `or`. */
export function setOperation(op: 'and' | 'or' | 'unless', matching: Matching, left: readonly Series[], right: readonly Series[], context: Context): readonly Series[] {
  const [lhs, rhs] = [sideOf(left, matching), sideOf(right, matching)];
  const collector = new Collector(context);
  const addWhere = ({ series, groups }: Side, step: number, wanted: (group: string) => boolean): void => {
    for (const [index, { labels, values, present }] of series.entries()) {
      if (present[step] === 1 && wanted(groups[index] ?? '')) collector.add(labels, step, values[step] ?? Number.NaN);
    }
  };
  for (let step = 0; step < context.steps.count; step += 1) {
    const others = groupsAt(op === 'or' ? lhs : rhs, step);
    if (op === 'or') addWhere(lhs, step, () => true);
    addWhere(op === 'or' ? rhs : lhs, step, (group) => others.has(group) === (op === 'and'));
  }
  return collector.series;
}

interface Operand {
  readonly labels: LabelSet;
  readonly value: number;
}

/** Arithmetic and comparisons. Throws EvaluationFault where it is not clear who meets whom. */
export function vectorOperation(op: NumericOp, { bool }: Pick<Binary, 'bool'>, matching: Matching, left: readonly Series[], right: readonly Series[], context: Context): readonly Series[] {
  const swapped = matching.card === 'one-to-many';
  const [many, one] = swapped ? [right, left] : [left, right];
  const [lhs, rhs] = [sideOf(many, matching), sideOf(one, matching)];
  const collector = new Collector(context);
  const labelsOf = resultLabels(op, bool, matching);
  const fillOne = operandFrom(matching, matching.fillRight);
  const fillMany = operandFrom(matching, matching.fillLeft);
  for (let step = 0; step < context.steps.count; step += 1) {
    if (countAt(many, step) === 0 && fillMany === undefined) continue;
    if (countAt(one, step) === 0 && fillOne === undefined) continue;
    const partners = partnersAt(rhs, step, matching);
    const met = new Map<string, Set<string>>();
    const meet = (group: string, a: Operand, b: Operand): void => {
      const [x, y] = swapped ? [b.value, a.value] : [a.value, b.value];
      const labels = labelsOf(a.labels, b.labels);
      noteMeeting(met, group, labels, matching);
      const kept = isComparison(op) ? compare(op, x, y) : true;
      if (bool) collector.add(labels, step, Number(kept));
      else if (kept) collector.add(labels, step, isArithmetic(op) ? calculate(op, x, y) : x);
    };
    for (const [index, series] of lhs.series.entries()) {
      const group = lhs.groups[index] ?? '';
      const partner = partners.get(group) ?? fillOne?.(series.labels);
      if (series.present[step] === 1 && partner !== undefined) meet(group, operandAt(series, step), partner);
    }
    if (fillMany === undefined) continue;
    for (const [group, partner] of partners) if (!met.has(group)) meet(group, fillMany(partner.labels), partner);
  }
  return collector.series;
}

function operandAt({ labels, values }: Series, step: number): Operand {
  return { labels, value: values[step] ?? Number.NaN };
}

/** Stands in for what is missing. */
function operandFrom({ on, labels }: Matching, fill: number | undefined): ((other: LabelSet) => Operand) | undefined {
  return fill === undefined ? undefined : (other) => ({ labels: matchedLabels(other, on, labels), value: fill });
}

/** The side of which each group may have one only. */
function partnersAt({ series, groups }: Side, step: number, { card, on, labels }: Matching): ReadonlyMap<string, Operand> {
  const partners = new Map<string, Operand>();
  for (const [index, one] of series.entries()) {
    if (one.present[step] !== 1) continue;
    const group = groups[index] ?? '';
    const before = partners.get(group);
    if (before !== undefined) {
      const both = [printLabels(one.labels), printLabels(before.labels)].sort().join(', ');
      const side = card === 'one-to-many' ? 'left' : 'right';
      throw new EvaluationFault(`found duplicate series for the match group ${printLabels(matchedLabels(one.labels, on, labels))} on the ${side} hand-side of the operation: [${both}];many-to-many matching not allowed: matching labels must be unique on one side`);
    }
    partners.set(group, operandAt(one, step));
  }
  return partners;
}

function noteMeeting(met: Map<string, Set<string>>, group: string, labels: LabelSet, { card }: Matching): void {
  const results = met.get(group) ?? new Set();
  if (card === 'one-to-one' && results.size > 0) throw new EvaluationFault('multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)');
  if (results.has(labels.key)) throw new EvaluationFault('multiple matches for labels: grouping labels must ensure unique matches');
  met.set(group, results.add(labels.key));
}

/** Of a pair: those of the many, or what was matched, and what `group_left` brings from the one. */
function resultLabels(op: NumericOp, bool: boolean, { card, on, labels, include }: Matching): (many: LabelSet, one: LabelSet) => LabelSet {
  const base = perLabelSet((many) => {
    const named = bool || isArithmetic(op) ? withoutMetadata(many) : many;
    if (card !== 'one-to-one') return named;
    return on ? keeping(named, labels) : dropping(named, labels);
  });
  if (include.length === 0) return base;
  const withIncluded = perLabelSet((many) => perLabelSet((one) => labelSet([...base(many).labels, ...include.map((name) => [name, labelOf(one, name)] as const)])));
  return (many, one) => withIncluded(many)(one);
}
