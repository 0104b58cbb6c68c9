/**
 * Metric families of the protobuf exposition as Prometheus reads them (model/textparse/protobufparse.go): a metric is one series, or
 * many with suffixes and a label of their own, or a native histogram, or the latter and classic buckets. Only what decides about series is
 * read; everything else is a range of the target's bytes.
 */
import { DELIMITED, FieldCursor, FIXED64, VARINT } from '../../lib/wire.js';
import type { Labels } from '../../relabel/relabel.js';

export const COUNTER = 0;
export const GAUGE = 1;
export const SUMMARY = 2;
export const UNTYPED = 3;
export const HISTOGRAM = 4;
export const GAUGE_HISTOGRAM = 5;

/** Where a metric of a type has its value. */
export const VALUE_FIELD: ReadonlyMap<number, number> = new Map([[GAUGE, 2], [COUNTER, 3], [SUMMARY, 4], [UNTYPED, 5], [HISTOGRAM, 7], [GAUGE_HISTOGRAM, 7]]);
const TIMESTAMP_FIELD = 6;

/** `[start, end)` of a field's content, the whole field from `tagStart` on. */
export interface Range {
  readonly tagStart: number;
  readonly start: number;
  readonly end: number;
}

export interface Family {
  readonly name: string;
  readonly type: number;
  readonly metrics: readonly Range[];
  /** Help, unit and what we do not know. */
  readonly rest: readonly Range[];
}

/** What Prometheus stores one by one. */
export interface Series {
  readonly labels: Labels;
  readonly suffix: '' | '_count' | '_sum' | '_bucket';
  /** The label that tells the series of a metric apart. */
  readonly ownLabel: 'le' | 'quantile' | undefined;
  readonly valueBits: bigint;
  readonly exemplar: Range | undefined;
}

/** The series of a metric, or of a part of it: native and classic histogram may be read both. */
export interface View {
  readonly part: 'whole' | 'native' | 'classic';
  readonly series: readonly Series[];
}

export interface Metric {
  readonly labels: readonly (readonly [name: string, value: string])[];
  readonly value: Range | undefined;
  readonly timestamp: Range | undefined;
  readonly startTime: Range | undefined;
  readonly views: readonly View[];
}

/** Undefined: malformed. */
export function readFamily(bytes: Buffer, start: number, end: number): Family | undefined {
  const field = new FieldCursor(bytes).enter(start, end);
  const metrics: Range[] = [];
  const rest: Range[] = [];
  let name = '';
  let type = COUNTER;
  while (field.next()) {
    if (field.field === 1 && field.wireType === DELIMITED) name = field.text();
    else if (field.field === 3 && field.wireType === VARINT) type = field.number();
    else if (field.field === 4 && field.wireType === DELIMITED) metrics.push(rangeOf(field));
    else if (field.field === 1 || field.field === 3 || field.field === 4) return undefined;
    else rest.push(rangeOf(field));
  }
  return field.failed ? undefined : { name, type, metrics, rest };
}

/** Undefined: malformed, or a label comes twice, which no rule can be asked about. A type that we do not know has no views. */
export function readMetric(bytes: Buffer, family: Family, range: Range, readsClassic: boolean): Metric | undefined {
  const field = new FieldCursor(bytes).enter(range.start, range.end);
  const valueField = VALUE_FIELD.get(family.type);
  const labels: [string, string][] = [];
  let value: Range | undefined;
  let timestamp: Range | undefined;
  while (field.next()) {
    if (field.field === 1) {
      const label = field.wireType === DELIMITED ? readLabel(field.inside()) : undefined;
      if (label === undefined) return undefined;
      labels.push(label);
    } else if (field.field === valueField) {
      // protobuf would merge two
      if (value !== undefined || field.wireType !== DELIMITED) return undefined;
      value = rangeOf(field);
    } else if (field.field === TIMESTAMP_FIELD) {
      timestamp = rangeOf(field);
    }
  }
  if (field.failed) return undefined;
  const names = new Set(['__name__', ...ownLabels(family.type), ...labels.map(([name]) => name)]);
  if (names.size !== 1 + ownLabels(family.type).length + labels.length) return undefined;
  const empty = { labels, value, timestamp, startTime: undefined, views: [] };
  if (valueField === undefined) return empty;
  const series = seriesOf(family.name, labels);
  const content = new FieldCursor(bytes).enter(value?.start ?? 0, value?.end ?? 0);
  switch (family.type) {
    case SUMMARY:
      return readSummary(content, empty, series);
    case HISTOGRAM:
    case GAUGE_HISTOGRAM:
      return readHistogram(content, empty, series, readsClassic);
    default:
      return { ...empty, views: [{ part: 'whole', series: [series('', 0n)] }] };
  }
}

/** What Prometheus adds to the labels of some series of a metric. */
function ownLabels(type: number): readonly string[] {
  if (type === SUMMARY) return ['quantile'];
  return type === HISTOGRAM || type === GAUGE_HISTOGRAM ? ['le'] : [];
}

type MakeSeries = (suffix: Series['suffix'], valueBits: bigint, own?: { readonly label: 'le' | 'quantile'; readonly value: number }, exemplar?: Range) => Series;

function seriesOf(name: string, labels: Metric['labels']): MakeSeries {
  return (suffix, valueBits, own, exemplar) => {
    const all: (readonly [string, string])[] = [['__name__', name + suffix], ...labels];
    if (own !== undefined) all.push([own.label, formatFloat(own.value)]);
    const sorted = all.filter(([, text]) => text !== '').toSorted(([a], [b]) => (a < b ? -1 : 1));
    return { labels: new Map(sorted), suffix, ownLabel: own?.label, valueBits, exemplar };
  };
}

function readSummary(field: FieldCursor, metric: Metric, series: MakeSeries): Metric | undefined {
  let count = 0;
  let sumBits = 0n;
  let startTime: Range | undefined;
  const quantiles: Series[] = [];
  while (field.next()) {
    if (field.field === 1 && field.wireType === VARINT) count = field.number();
    else if (field.field === 2 && field.wireType === FIXED64) sumBits = field.doubleBits();
    else if (field.field === 4) startTime = rangeOf(field);
    else if (field.field === 3 && field.wireType === DELIMITED) {
      const doubles = readDoubles(field.inside());
      if (doubles === undefined) return undefined;
      quantiles.push(series('', doubles.get(2) ?? 0n, { label: 'quantile', value: fromBits(doubles.get(1) ?? 0n) }));
    }
  }
  if (field.failed) return undefined;
  return { ...metric, startTime, views: [{ part: 'whole', series: [series('_count', toBits(count)), series('_sum', sumBits), ...quantiles] }] };
}

/** Spans, or a zero threshold or zero count that is none, as in Prometheus. */
function makesNative(field: FieldCursor): boolean {
  if (field.field === 6 && field.wireType === FIXED64) return field.double() > 0;
  if (field.field === 7 && field.wireType === VARINT) return field.number() > 0;
  return field.field === 9 || field.field === 12;
}

function readHistogram(field: FieldCursor, metric: Metric, series: MakeSeries, readsClassic: boolean): Metric | undefined {
  let count = 0;
  let countFloatBits = 0n;
  let sumBits = 0n;
  let startTime: Range | undefined;
  let isNative = false;
  let isInfinite = false;
  const buckets: Series[] = [];
  while (field.next()) {
    if (field.field === 1 && field.wireType === VARINT) count = field.number();
    else if (field.field === 4 && field.wireType === FIXED64) countFloatBits = field.doubleBits();
    else if (field.field === 2 && field.wireType === FIXED64) sumBits = field.doubleBits();
    else if (field.field === 15) startTime = rangeOf(field);
    else if (field.field === 3 && field.wireType === DELIMITED) {
      const bucket = readBucket(field.inside());
      if (bucket === undefined) return undefined;
      // Prometheus stops at +Inf
      if (!isInfinite) buckets.push(series('_bucket', bucket.valueBits, { label: 'le', value: bucket.upperBound }, bucket.exemplar));
      isInfinite ||= bucket.upperBound === Infinity;
    }
    isNative ||= makesNative(field);
  }
  if (field.failed) return undefined;
  const total = orFloat(count, countFloatBits);
  const hasBuckets = buckets.length > 0;
  if (!isInfinite) buckets.push(series('_bucket', total, { label: 'le', value: Infinity }));
  const classic = [series('_count', total), series('_sum', sumBits), ...buckets];
  if (!isNative) return { ...metric, startTime, views: [{ part: 'whole', series: classic }] };
  const native = [series('', 0n)];
  const both = readsClassic && hasBuckets;
  return { ...metric, startTime, views: both ? [{ part: 'native', series: native }, { part: 'classic', series: classic }] : [{ part: 'whole', series: native }] };
}

function readBucket(field: FieldCursor): { readonly upperBound: number; readonly valueBits: bigint; readonly exemplar: Range | undefined } | undefined {
  let count = 0;
  let countFloatBits = 0n;
  let upperBound = 0;
  let exemplar: Range | undefined;
  while (field.next()) {
    if (field.field === 1 && field.wireType === VARINT) count = field.number();
    else if (field.field === 4 && field.wireType === FIXED64) countFloatBits = field.doubleBits();
    else if (field.field === 2 && field.wireType === FIXED64) upperBound = field.double();
    else if (field.field === 3 && field.wireType === DELIMITED) exemplar = rangeOf(field);
  }
  return field.failed ? undefined : { upperBound, valueBits: orFloat(count, countFloatBits), exemplar };
}

/** A float count goes before the whole one, unless it is zero. */
function orFloat(count: number, floatBits: bigint): bigint {
  return fromBits(floatBits) === 0 ? toBits(count) : floatBits;
}

function readLabel(field: FieldCursor): [string, string] | undefined {
  let name = '';
  let value = '';
  while (field.next()) {
    if (field.wireType !== DELIMITED) continue;
    if (field.field === 1) name = field.text();
    else if (field.field === 2) value = field.text();
  }
  return field.failed ? undefined : [name, value];
}

/** The bits of the double fields. */
function readDoubles(field: FieldCursor): ReadonlyMap<number, bigint> | undefined {
  const doubles = new Map<number, bigint>();
  while (field.next()) if (field.wireType === FIXED64) doubles.set(field.field, field.doubleBits());
  return field.failed ? undefined : doubles;
}

function rangeOf({ tagStart, start, end }: FieldCursor): Range {
  return { tagStart, start, end };
}

const converter = new DataView(new ArrayBuffer(8));

function toBits(value: number): bigint {
  converter.setFloat64(0, value);
  return converter.getBigUint64(0);
}

function fromBits(bits: bigint): number {
  converter.setBigUint64(0, bits);
  return converter.getFloat64(0);
}

/** As Prometheus writes `le` and `quantile`: Go's FormatFloat(value, 'g', -1, 64), and `.0` behind whole numbers. */
export function formatFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (value === 0) return '0.0';
  const [digits = '', power = ''] = value.toExponential().split('e');
  const exponent = Number(power);
  if (exponent < -4 || exponent >= LARGE_EXPONENT) return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  const text = String(value);
  return text.includes('.') ? text : `${text}.0`;
}

/** From a million on. */
const LARGE_EXPONENT = 6;
