import { METRIC_NAME_LABEL } from '../promql/ast.js';
import { mustCompileRelabel } from '../relabel/relabel.js';
import { decodeLabel } from '../remotewrite/decode.js';
import { writeLabels } from '../remotewrite/encode.js';
import { sortLabels } from '../remotewrite/series.js';
import type { Label } from '../remotewrite/series.js';
import { FieldCursor, FieldWriter } from '../lib/wire.js';
import type { ExportJob } from './job.js';

/**
 * From the labels of a series at the source to those at the receiver: the tenant's rules first, then its extra labels, and last the label
 * that the operator enforces, so that nothing of the tenant's comes after it.
 *
 * Labels are kept as they are on the wire, one character a byte: a key that costs what it says, and that need not be made twice.
 */

/** The fields of the labels, sorted, as latin1. */
export type PackedLabels = string;

/** Undefined: the series is not exported. */
export type Shape = (labels: PackedLabels) => PackedLabels | undefined;

export function shapeOf({ tenant, spec, destination }: ExportJob): Shape {
  const { extraLabels, honorLabels } = spec;
  const relabel = mustCompileRelabel(spec.relabel);
  const extra = Object.entries(extraLabels);
  const enforced = destination.tenantLabel;
  if (spec.relabel.length === 0 && extra.length === 0 && enforced === undefined) return (labels) => labels;
  return (packed) => {
    const relabelled = relabel(new Map(unpackLabels(packed).map(({ name, value }) => [name, value])));
    if (relabelled === undefined) return undefined;
    const labels = new Map(relabelled);
    for (const [name, value] of extra) if (!honorLabels || (labels.get(name) ?? '') === '') labels.set(name, value);
    if (enforced !== undefined) labels.set(enforced, tenant);
    // What begins with two underscores is a rule's own and was never meant to leave (facts/remote-write.md §2).
    const left = [...labels].filter(([name, value]) => value !== '' && (name === METRIC_NAME_LABEL || !name.startsWith('__')));
    return left.some(([name]) => name !== enforced) ? packLabels(left.map(([name, value]) => ({ name, value }))) : undefined;
  };
}

export function packLabels(labels: readonly Label[]): PackedLabels {
  const writer = new FieldWriter(256);
  writeLabels(writer, sortLabels(labels));
  return writer.finish().toString('latin1');
}

export function unpackLabels(packed: PackedLabels): readonly Label[] {
  const cursor = new FieldCursor(Buffer.from(packed, 'latin1'));
  cursor.enter(0, cursor.bytes.length);
  const labels: Label[] = [];
  while (cursor.next()) labels.push(decodeLabel(cursor.inside()));
  return labels;
}
