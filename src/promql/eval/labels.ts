import { METRIC_NAME_LABEL } from '../ast.js';
import { quote } from '../strings.js';
import { isPlainLabelName } from '../tokens.js';

/** Sets of labels as values: made once, known by their key from then on. A label without a value is no label. */

export interface LabelSet {
  readonly labels: ReadonlyMap<string, string>;
  /** Equal for equal sets. */
  readonly key: string;
}

/** What a result that is not that metric any more loses (Prometheus's schema.IsMetadataLabel). */
const METADATA: ReadonlySet<string> = new Set([METRIC_NAME_LABEL, '__type__', '__unit__']);

/** Of entries with the same name, the last counts. */
export function labelSet(entries: Iterable<readonly [string, string]>): LabelSet {
  const sorted = [...new Map(entries)].filter(([, value]) => value !== '').sort(([a], [b]) => compareText(a, b));
  return { labels: new Map(sorted), key: JSON.stringify(sorted) };
}

export const NO_LABELS: LabelSet = labelSet([]);

export function labelOf({ labels }: LabelSet, name: string): string {
  return labels.get(name) ?? '';
}

export function withLabel({ labels }: LabelSet, name: string, value: string): LabelSet {
  return labelSet([...labels, [name, value]]);
}

export function withoutMetadata(set: LabelSet): LabelSet {
  return filtered(set, (name) => !METADATA.has(name));
}

export function keeping(set: LabelSet, names: Iterable<string>): LabelSet {
  const kept = new Set(names);
  return filtered(set, (name) => kept.has(name));
}

export function dropping(set: LabelSet, names: Iterable<string>): LabelSet {
  const dropped = new Set(names);
  return filtered(set, (name) => !dropped.has(name));
}

/** What vector matching looks at: those `on` which, or all but those ignored and the metric's name. */
export function matchedLabels(set: LabelSet, on: boolean, names: readonly string[]): LabelSet {
  return on ? keeping(set, names) : dropping(set, [...names, METRIC_NAME_LABEL]);
}

function filtered(set: LabelSet, keep: (name: string) => boolean): LabelSet {
  const entries = [...set.labels].filter(([name]) => keep(name));
  return entries.length === set.labels.size ? set : labelSet(entries);
}

/** As Go prints them: `{a="b", c="d"}`. */
export function printLabels({ labels }: LabelSet): string {
  return `{${[...labels].map(([name, value]) => `${isPlainLabelName(name) ? name : quote(name)}=${quote(value)}`).join(', ')}}`;
}

/** Go's labels.Compare: name before value, label by label, and the shorter first. */
export function compareLabelSets(a: LabelSet, b: LabelSet): number {
  const [left, right] = [[...a.labels], [...b.labels]];
  for (const [index, [name, value]] of left.entries()) {
    const other = right[index];
    if (other === undefined) return 1;
    const order = compareText(name, other[0]) || compareText(value, other[1]);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

/** By bytes of UTF-8, which differs from the order of JavaScript's strings only beyond the surrogates. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return ASTRAL.test(a) || ASTRAL.test(b) ? Buffer.compare(Buffer.from(a), Buffer.from(b)) : a < b ? -1 : 1;
}

const ASTRAL = /[\ud800-\udfff]/;

/** Remembers what was made of each set: a series has the same labels at every step. */
export function perLabelSet<T>(make: (set: LabelSet) => T): (set: LabelSet) => T {
  const made = new Map<LabelSet, T>();
  return (set) => {
    const known = made.get(set);
    if (known !== undefined) return known;
    const fresh = make(set);
    made.set(set, fresh);
    return fresh;
  };
}
