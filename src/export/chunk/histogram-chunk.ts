import { STALE } from '../../remotewrite/series.js';
import type { BucketSpan, Histogram } from '../../remotewrite/series.js';
import { BitReader, BrokenChunk, XorFloat } from './bits.js';
import type { Span } from './bits.js';

/**
 * Chunks of native histograms: a layout that holds for all of them, then for each its numbers as changes of changes (counts of integers)
 * or as changes of bits (floats).
 */

const HEADER_BYTES = 3;
const FLAGS_AT = 2;
/** The chunk has gauges, or was begun because a counter was reset. */
const GAUGE = 0b11;
const RESET = 0b10;

const CUSTOM_BUCKETS = -53;
/** As many as 16 MiB of chunk could hold; a guard against a count that is garbage. */
const MAX_BUCKETS = 1_000_000;

interface Layout {
  readonly schema: number;
  readonly zeroThreshold: number;
  readonly positiveSpans: readonly BucketSpan[];
  readonly negativeSpans: readonly BucketSpan[];
  readonly customValues: readonly number[];
}

function readLayout(bits: BitReader): Layout {
  const zeroThreshold = readZeroThreshold(bits);
  const schema = bits.varbitInt();
  const positiveSpans = readSpans(bits);
  const negativeSpans = readSpans(bits);
  const customValues = schema === CUSTOM_BUCKETS ? times(bits.varbitUint(), () => readCustomBound(bits)) : [];
  return { schema, zeroThreshold, positiveSpans, negativeSpans, customValues };
}

function readZeroThreshold(bits: BitReader): number {
  const exponent = bits.bits(8);
  if (exponent === 0) return 0;
  return exponent === 255 ? bits.double() : 2 ** (exponent - 244);
}

function readSpans(bits: BitReader): readonly BucketSpan[] {
  return times(bits.varbitUint(), () => {
    const length = bits.varbitUint();
    return { offset: bits.varbitInt(), length };
  });
}

/** In thousandths where that is exact, else as it is after a zero. */
function readCustomBound(bits: BitReader): number {
  const thousandths = bits.varbitUint();
  return thousandths === 0 ? bits.double() : (thousandths - 1) / 1000;
}

function times<T>(count: number, make: () => T): T[] {
  if (count > MAX_BUCKETS) throw new BrokenChunk(`it has ${count} buckets`);
  return Array.from({ length: count }, make);
}

function bucketCount(spans: readonly BucketSpan[]): number {
  return spans.reduce((sum, { length }) => sum + length, 0);
}

/** What the storage knows of resets: in one chunk there is none after the first (chunkenc `counterResetHint`). */
function resetHint(flags: number, index: number): Histogram['resetHint'] {
  if (flags === GAUGE) return 'gauge';
  if (index > 0) return 'no';
  return flags === RESET ? 'yes' : 'unspecified';
}

/** Numbers of one histogram; each `next` moves them on by what the chunk says. */
interface Numbers {
  first(bits: BitReader): void;
  next(bits: BitReader): void;
  readonly value: number;
}

class Count implements Numbers {
  value = 0;
  private change = 0;

  constructor(private readonly isSigned: boolean) {}

  first(bits: BitReader): void {
    this.value = this.isSigned ? bits.varbitInt() : bits.varbitUint();
  }

  next(bits: BitReader): void {
    this.change += bits.varbitInt();
    this.value += this.change;
  }
}

class Float implements Numbers {
  private readonly bits_ = new XorFloat();

  get value(): number {
    return this.bits_.value;
  }

  first(bits: BitReader): void {
    this.bits_.readWhole(bits);
  }

  next(bits: BitReader): void {
    this.bits_.readNext(bits);
  }
}

export function intHistograms(bytes: Uint8Array, span: Span, into: Histogram[]): void {
  histograms(bytes, span, { kind: 'int', count: () => new Count(false), bucket: () => new Count(true), into });
}

export function floatHistograms(bytes: Uint8Array, span: Span, into: Histogram[]): void {
  histograms(bytes, span, { kind: 'float', count: () => new Float(), bucket: () => new Float(), into });
}

interface Kind {
  readonly kind: Histogram['kind'];
  readonly count: () => Numbers;
  readonly bucket: () => Numbers;
  readonly into: Histogram[];
}

function histograms(bytes: Uint8Array, { afterMs, untilMs }: Span, { kind, count, bucket, into }: Kind): void {
  if (bytes.length < HEADER_BYTES) throw new BrokenChunk('it has no header');
  const total = new BitReader(bytes, 0).bits(16);
  const flags = (bytes[FLAGS_AT] ?? 0) >> 6;
  const bits = new BitReader(bytes, HEADER_BYTES);
  if (total === 0) return;
  const layout = readLayout(bits);
  const [all, zero, sum] = [count(), count(), new XorFloat()];
  const positive = times(bucketCount(layout.positiveSpans), bucket);
  const negative = times(bucketCount(layout.negativeSpans), bucket);
  let timestampMs = 0;
  let distance = 0;
  for (let index = 0; index < total; index += 1) {
    const step = (numbers: Numbers): void => (index === 0 ? numbers.first(bits) : numbers.next(bits));
    if (index === 0) {
      timestampMs = bits.varbitInt();
    } else {
      distance += bits.varbitInt();
      timestampMs += distance;
    }
    step(all);
    step(zero);
    if (index === 0) sum.readWhole(bits);
    else sum.readNext(bits);
    // A stale one has no buckets, but for the first of a chunk.
    if (index === 0 || !sum.isStale) {
      for (const each of positive) step(each);
      for (const each of negative) step(each);
    }
    if (timestampMs > untilMs) return;
    if (timestampMs <= afterMs) continue;
    into.push(sum.isStale ? staleHistogram(kind, timestampMs) : histogramOf({ kind, layout, timestampMs, all, zero, sum, positive, negative, resetHint: resetHint(flags, index) }));
  }
}

interface Read {
  readonly kind: Histogram['kind'];
  readonly layout: Layout;
  readonly timestampMs: number;
  readonly all: Numbers;
  readonly zero: Numbers;
  readonly sum: XorFloat;
  readonly positive: readonly Numbers[];
  readonly negative: readonly Numbers[];
  readonly resetHint: Histogram['resetHint'];
}

function histogramOf({ kind, layout, timestampMs, all, zero, sum, positive, negative, resetHint: hint }: Read): Histogram {
  return {
    kind,
    ...layout,
    timestampMs,
    count: all.value,
    zeroCount: zero.value,
    sum: sum.value,
    positiveBuckets: positive.map(({ value }) => value),
    negativeBuckets: negative.map(({ value }) => value),
    resetHint: hint,
  };
}

/** The end of a series of histograms. */
export function staleHistogram(kind: Histogram['kind'], timestampMs: number): Histogram {
  return {
    kind,
    timestampMs,
    sum: STALE,
    count: 0,
    schema: 0,
    zeroThreshold: 0,
    zeroCount: 0,
    negativeSpans: [],
    negativeBuckets: [],
    positiveSpans: [],
    positiveBuckets: [],
    resetHint: 'unspecified',
    customValues: [],
  };
}
