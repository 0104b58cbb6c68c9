/**
 * What rules make of a metric with several series. Prometheus judges `_bucket`, `_sum`, `_count` and quantiles one by one, so some may
 * go and some may get another name. As long as all that stay changed alike the metric stays one; else each that stays is written as a
 * metric of its own, with the same name, labels, value, time, start time and exemplar. Native histograms are one series and stay one.
 */
import { FieldCursor } from '../../lib/wire.js';
import type { FieldWriter } from '../../lib/wire.js';
import type { Labels } from '../../relabel/relabel.js';
import { COUNTER, UNTYPED, VALUE_FIELD } from './exposition.js';
import type { Metric, Range, Series, View } from './exposition.js';
import type { LabelsVerdict } from './metric-filter.js';

/** A metric to be written into a family of this name and type. */
export interface Placed {
  readonly name: string;
  readonly type: number;
  readonly write: (writer: FieldWriter) => void;
  /** In a family of its own. */
  readonly isAlone: boolean;
}

/** `keep` = the bytes of the target. */
export interface Outcome {
  readonly metrics: 'keep' | readonly Placed[];
  readonly kept: number;
  readonly dropped: number;
}

interface Kept {
  readonly series: Series;
  readonly labels: Labels;
}

/** All series changed alike: the metric's new name and labels. */
interface Alike {
  readonly name: string;
  readonly labels: Labels;
}

interface JudgedView {
  readonly view: View;
  readonly kept: readonly Kept[];
  readonly alike: Alike | undefined;
}

export function judgeMetric(bytes: Buffer, type: number, metric: Metric, judge: (labels: Labels) => LabelsVerdict): Outcome {
  let total = 0;
  let changed = false;
  const views = metric.views.map((view): JudgedView => {
    total += view.series.length;
    const kept = view.series.flatMap((series): Kept[] => {
      const verdict = judge(series.labels);
      changed ||= verdict !== 'keep';
      if (verdict === 'drop') return [];
      return [{ series, labels: verdict === 'keep' ? series.labels : verdict }];
    });
    return { view, kept, alike: kept.length === view.series.length ? alikeOf(kept) : undefined };
  });
  const kept = views.reduce((sum, view) => sum + view.kept.length, 0);
  const counts = { kept, dropped: total - kept };
  if (!changed) return { ...counts, metrics: 'keep' };
  const whole = commonOf(views.map(({ alike }) => alike));
  if (whole !== undefined) return { ...counts, metrics: [placeMetric(bytes, type, metric, whole, 'whole')] };
  return { ...counts, metrics: views.flatMap(({ view, kept: rest, alike }) => (alike === undefined ? rest.map((each) => placeSeries(bytes, metric, each)) : [placeMetric(bytes, type, metric, alike, view.part)])) };
}

function alikeOf(kept: readonly Kept[]): Alike | undefined {
  return commonOf(kept.map(({ series, labels }): Alike | undefined => {
    const name = labels.get('__name__') ?? '';
    if (!name.endsWith(series.suffix)) return undefined;
    const { ownLabel } = series;
    if (ownLabel !== undefined && labels.get(ownLabel) !== series.labels.get(ownLabel)) return undefined;
    return { name: name.slice(0, name.length - series.suffix.length), labels: new Map([...labels].filter(([label]) => label !== '__name__' && label !== ownLabel)) };
  }));
}

/** What all of them are, if they are all the same. */
function commonOf(all: readonly (Alike | undefined)[]): Alike | undefined {
  const [first, ...others] = all;
  if (first === undefined) return undefined;
  const isSame = (other: Alike | undefined): boolean => other !== undefined && other.name === first.name && other.labels.size === first.labels.size && [...first.labels].every(([label, value]) => other.labels.get(label) === value);
  return others.every(isSame) ? first : undefined;
}

function writeLabels(writer: FieldWriter, labels: Iterable<readonly [string, string]>): void {
  for (const [name, value] of labels) {
    if (name === '__name__') continue;
    writer.nested(1, () => {
      writer.text(1, name);
      writer.text(2, value);
    });
  }
}

function copy(writer: FieldWriter, bytes: Buffer, range: Range | undefined): void {
  if (range !== undefined) writer.raw(bytes, range.tagStart, range.end);
}

function placeMetric(bytes: Buffer, type: number, metric: Metric, { name, labels }: Alike, part: View['part']): Placed {
  return {
    name,
    type,
    // Prometheus 3.15 takes exemplars of the first native histogram of a family only, where they are not those of buckets
    isAlone: part === 'native',
    write: (writer) => {
      writeLabels(writer, labels);
      copy(writer, bytes, metric.timestamp);
      if (part === 'whole' || metric.value === undefined) return copy(writer, bytes, metric.value);
      const { value } = metric;
      writer.nested(VALUE_FIELD.get(type) ?? 0, () => writePart(writer, bytes, value, part));
    },
  };
}

const BUCKET = 3;
const EXEMPLARS = 16;
/** Schema, zero bucket, spans, deltas and counts, and their exemplars. */
const OF_NATIVE: ReadonlySet<number> = new Set([5, 6, 7, 8, 9, 10, 11, 12, 13, 14, EXEMPLARS]);

/** Of a histogram that is both native and classic, one of them. */
function writePart(writer: FieldWriter, bytes: Buffer, value: Range, part: 'native' | 'classic'): void {
  const field = new FieldCursor(bytes).enter(value.start, value.end);
  const ofBuckets: Range[] = [];
  let hasOwn = false;
  while (field.next()) {
    if (part === 'native' && field.field === BUCKET) ofBuckets.push(...exemplarsOf(field.inside()));
    else if (part === 'native' || !OF_NATIVE.has(field.field)) copy(writer, bytes, field);
    hasOwn ||= field.field === EXEMPLARS;
  }
  // without any of its own a native histogram has those of its buckets
  if (!hasOwn) for (const { start, end } of ofBuckets) writer.slice(EXEMPLARS, bytes, start, end);
}

function exemplarsOf(bucket: FieldCursor): Range[] {
  const found: Range[] = [];
  while (bucket.next()) if (bucket.field === 3) found.push({ tagStart: bucket.tagStart, start: bucket.start, end: bucket.end });
  return found;
}

/** Untyped, but a counter where only that can carry what the series has. */
function placeSeries(bytes: Buffer, { timestamp, startTime }: Metric, { series: { valueBits, exemplar }, labels }: Kept): Placed {
  const type = exemplar === undefined && startTime === undefined ? UNTYPED : COUNTER;
  return {
    name: labels.get('__name__') ?? '',
    type,
    isAlone: false,
    write: (writer) => {
      writeLabels(writer, labels);
      copy(writer, bytes, timestamp);
      writer.nested(VALUE_FIELD.get(type) ?? 0, () => {
        writer.doubleBits(1, valueBits);
        if (exemplar !== undefined) writer.slice(2, bytes, exemplar.start, exemplar.end);
        if (startTime !== undefined) writer.slice(3, bytes, startTime.start, startTime.end);
      });
    },
  };
}
