import type { Matching } from '../ast.js';
import { isArithmetic } from './arithmetic.js';
import type { NumericOp } from './arithmetic.js';
import { elementOf } from './elements.js';
import type { Operation } from './elements.js';
import { dropping, keeping, labelOf, labelSet, matchedLabels, NO_LABELS, perLabelSet, printLabels, withoutMetadata } from './labels.js';
import type { LabelSet } from './labels.js';
import { Collector, countAt, EvaluationFault, place, sampleAt } from './series.js';
import type { Context, Sample, Series } from './series.js';

/** Binary operators between two vectors: who meets whom is decided by the labels, step by step (Prometheus's VectorBinop and its set operators). */

/** Of each series, in the order of both sides: the number of the group of those that may meet. */
interface Groups {
  readonly left: readonly number[];
  readonly right: readonly number[];
  readonly count: number;
}

function groupsOf(left: readonly Series[], right: readonly Series[], { on, labels }: Matching): Groups {
  const numbers = new Map<string, number>();
  const numberOf = (series: Series): number => {
    const { key } = matchedLabels(series.labels, on, labels);
    const known = numbers.get(key) ?? numbers.size;
    numbers.set(key, known);
    return known;
  };
  return { left: left.map(numberOf), right: right.map(numberOf), count: numbers.size };
}

/** `and`, `unless` and `or`. */
export function setOperation(op: 'and' | 'or' | 'unless', matching: Matching, left: readonly Series[], right: readonly Series[], context: Context): readonly Series[] {
  const groups = groupsOf(left, right, matching);
  const collector = new Collector(context);
  /** The last step at which a group was there. */
  const seen = new Int32Array(groups.count).fill(-1);
  const look = (series: readonly Series[], numbers: readonly number[], step: number): void => {
    for (let index = 0; index < series.length; index += 1) if ((series[index]?.present[step] ?? 0) !== 0) seen[numbers[index] ?? 0] = step;
  };
  const take = (series: readonly Series[], step: number, wanted: (index: number) => boolean): void => {
    for (const [index, one] of series.entries()) {
      const sample = sampleAt(one, step);
      if (sample !== undefined && wanted(index)) collector.add(one.labels, step, sample);
    }
  };
  for (let step = 0; step < context.steps.count; step += 1) {
    if (op === 'or') {
      look(left, groups.left, step);
      take(left, step, () => true);
      take(right, step, (index) => seen[groups.right[index] ?? 0] !== step);
    } else {
      look(right, groups.right, step);
      take(left, step, (index) => (seen[groups.left[index] ?? 0] === step) === (op === 'and'));
    }
  }
  return collector.series;
}

/** Arithmetic and comparisons. Throws EvaluationFault where it is not clear who meets whom. */
export function vectorOperation(operation: Operation, matching: Matching, left: readonly Series[], right: readonly Series[], context: Context): readonly Series[] {
  const swapped = matching.card === 'one-to-many';
  const [many, one] = swapped ? [right, left] : [left, right];
  const groups = groupsOf(many, one, matching);
  const { fillLeft, fillRight } = matching;
  const pairs = new Pairs(many, one, { context, matching, labelsOf: resultLabels(operation.op, operation.bool, matching) });
  const meetings = new Meetings(groups.count, matching);
  const partners = new Int32Array(groups.count);
  const isThere = (series: Series | undefined, step: number): boolean => series !== undefined && series.present[step] !== 0;
  const sampleOf = (series: Series | undefined, fill: number | undefined, step: number): Sample => (series === undefined ? (fill ?? 0) : (sampleAt(series, step) ?? Number.NaN));
  for (let step = 0; step < context.steps.count; step += 1) {
    if (countAt(many, step) === 0 && fillLeft === undefined) continue;
    if (countAt(one, step) === 0 && fillRight === undefined) continue;
    choosePartners(partners, one, groups.right, { step, matching });
    const meet = (index: number, partner: number, group: number): void => {
      const a = sampleOf(many[index], fillLeft, step);
      const b = sampleOf(one[partner], fillRight, step);
      const result = swapped ? elementOf(operation, b, a, context) : elementOf(operation, a, b, context);
      // Samples that nothing can be made of have not met.
      if (result === 'incompatible') return;
      const { series } = meetings.note(step, group, pairs.of(index, partner));
      if (result !== undefined) place(series, step, result, context);
    };
    for (let index = 0; index < many.length; index += 1) {
      const group = groups.left[index] ?? 0;
      const partner = partners[group] ?? NOBODY;
      if (isThere(many[index], step) && (partner !== NOBODY || fillRight !== undefined)) meet(index, partner, group);
    }
    if (fillLeft === undefined) continue;
    for (let partner = 0; partner < one.length; partner += 1) {
      const group = groups.right[partner] ?? 0;
      if (isThere(one[partner], step) && !meetings.hasMet(step, group)) meet(NOBODY, partner, group);
    }
  }
  return pairs.results;
}

/** In place of an index: what is missing, and may be filled in. */
const NOBODY = -1;

/** Of each group, the one on the side of which it may have one only. */
function choosePartners(partners: Int32Array, one: readonly Series[], numbers: readonly number[], { step, matching: { card, on, labels } }: { readonly step: number; readonly matching: Matching }): void {
  partners.fill(NOBODY);
  for (let index = 0; index < one.length; index += 1) {
    const series = one[index];
    if (series === undefined || series.present[step] === 0) continue;
    const group = numbers[index] ?? 0;
    const before = one[partners[group] ?? NOBODY];
    if (before !== undefined) {
      const both = [printLabels(series.labels), printLabels(before.labels)].sort().join(', ');
      const side = card === 'one-to-many' ? 'left' : 'right';
      throw new EvaluationFault(`found duplicate series for the match group ${printLabels(matchedLabels(series.labels, on, labels))} on the ${side} hand-side of the operation: [${both}];many-to-many matching not allowed: matching labels must be unique on one side`);
    }
    partners[group] = index;
  }
}

/** What comes of a pair. */
interface Outcome {
  readonly series: Series;
  /** In which groups it came, at `step`. */
  readonly groups: Set<number>;
  step: number;
}

/** Each pair's outcome is looked for once; most series meet the same one at all steps. */
class Pairs {
  readonly #many: readonly Series[];
  readonly #one: readonly Series[];
  readonly #matching: Matching;
  readonly #labelsOf: (many: LabelSet, one: LabelSet) => LabelSet;
  readonly #collector: Collector;
  readonly #known = new Map<number, Outcome>();
  readonly #byLabels = new Map<string, Outcome>();

  constructor(many: readonly Series[], one: readonly Series[], { context, matching, labelsOf }: { readonly context: Context; readonly matching: Matching; readonly labelsOf: (many: LabelSet, one: LabelSet) => LabelSet }) {
    this.#many = many;
    this.#one = one;
    this.#matching = matching;
    this.#labelsOf = labelsOf;
    this.#collector = new Collector(context);
  }

  get results(): readonly Series[] {
    return this.#collector.series;
  }

  of(index: number, partner: number): Outcome {
    const number = (index + 1) * (this.#one.length + 1) + partner + 1;
    const known = this.#known.get(number);
    if (known !== undefined) return known;
    const labels = this.#labelsOf(this.#labels(this.#many[index], this.#one[partner]), this.#labels(this.#one[partner], this.#many[index]));
    const outcome = this.#byLabels.get(labels.key) ?? { series: this.#collector.slot(labels), groups: new Set<number>(), step: -1 };
    this.#byLabels.set(labels.key, outcome);
    this.#known.set(number, outcome);
    return outcome;
  }

  /** What is filled in has the labels by which it would have been met. */
  #labels(series: Series | undefined, other: Series | undefined): LabelSet {
    if (series !== undefined) return series.labels;
    return matchedLabels(other?.labels ?? NO_LABELS, this.#matching.on, this.#matching.labels);
  }
}

/** Who has met at a step: once each where it is one to one, with one result each where it is not. */
class Meetings {
  readonly #last: Int32Array;
  readonly #isOneToOne: boolean;

  constructor(groups: number, { card }: Matching) {
    this.#last = new Int32Array(groups).fill(-1);
    this.#isOneToOne = card === 'one-to-one';
  }

  hasMet(step: number, group: number): boolean {
    return this.#last[group] === step;
  }

  note(step: number, group: number, outcome: Outcome): Outcome {
    if (this.#isOneToOne && this.hasMet(step, group)) throw new EvaluationFault('multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)');
    this.#last[group] = step;
    if (this.#isOneToOne) return outcome;
    if (outcome.step !== step) outcome.groups.clear();
    outcome.step = step;
    if (outcome.groups.has(group)) throw new EvaluationFault('multiple matches for labels: grouping labels must ensure unique matches');
    outcome.groups.add(group);
    return outcome;
  }
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
