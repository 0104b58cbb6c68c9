/**
 * What remote write carries, before it is written in either version. Labels are the complete set, `__name__` among them; the writers
 * sort them.
 */

export interface Label {
  readonly name: string;
  readonly value: string;
}

/** The end of a series: a NaN that JavaScript's numbers cannot hold (facts: bits 0x7ff0000000000002). */
export const STALE = 'stale';
export const STALE_NAN_BITS = 0x7ff0_0000_0000_0002n;

export interface Sample {
  readonly value: number | typeof STALE;
  /** ms since the epoch. */
  readonly timestampMs: number;
}

export interface Exemplar {
  readonly labels: readonly Label[];
  readonly value: number;
  readonly timestampMs: number;
}

export interface BucketSpan {
  readonly offset: number;
  readonly length: number;
}

/** A native histogram. `int` ones have deltas of counts, `float` ones absolute counts, in the order of their spans. */
export interface Histogram {
  readonly kind: 'int' | 'float';
  readonly count: number;
  readonly sum: number | typeof STALE;
  /** −4 to 8, or −53 with `customValues`. */
  readonly schema: number;
  readonly zeroThreshold: number;
  readonly zeroCount: number;
  readonly negativeSpans: readonly BucketSpan[];
  readonly negativeBuckets: readonly number[];
  readonly positiveSpans: readonly BucketSpan[];
  readonly positiveBuckets: readonly number[];
  readonly resetHint: 'unspecified' | 'yes' | 'no' | 'gauge';
  readonly timestampMs: number;
  readonly customValues: readonly number[];
}

/** In the order of their numbers on the wire. */
export const METRIC_TYPES = ['unspecified', 'counter', 'gauge', 'histogram', 'gaugehistogram', 'summary', 'info', 'stateset'] as const;
export type MetricType = (typeof METRIC_TYPES)[number];

export interface Metadata {
  readonly type: MetricType;
  readonly help: string;
  readonly unit: string;
}

/** Samples or histograms, never both (2.0). In order of time. */
export interface Series {
  readonly labels: readonly Label[];
  readonly samples: readonly Sample[];
  readonly histograms: readonly Histogram[];
  readonly exemplars: readonly Exemplar[];
  /** Sent with the series in 2.0, in `FamilyMetadata` of their own in 1.0. */
  readonly metadata?: Metadata;
}

/** By the bytes of the name, as Go compares strings (UTF-16 order differs above the basic plane). */
export function sortLabels(labels: readonly Label[]): readonly Label[] {
  const compare = labels.every(({ name }) => isAscii(name)) ? byUnits : byBytes;
  const isSorted = labels.every((label, index) => compare(labels[index - 1] ?? label, label) <= 0);
  return isSorted ? labels : labels.toSorted(compare);
}

function byUnits(a: Label, b: Label): number {
  return a.name < b.name ? -1 : a.name === b.name ? 0 : 1;
}

function byBytes(a: Label, b: Label): number {
  return Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) > 127) return false;
  return true;
}
