import { STALE, STALE_NAN_BITS } from './series.js';
import type { BucketSpan, Histogram, Sample } from './series.js';
import { DELIMITED } from '../lib/wire.js';
import type { FieldWriter } from '../lib/wire.js';

/** Samples and native histograms: their messages have the same numbers in both versions. */

/** Prometheus's ordinary NaN: whatever payload a NaN of JavaScript has, it must never look like a stale one. */
const NORMAL_NAN_BITS = 0x7ff8_0000_0000_0001n;

const RESET_HINTS = { unspecified: 0, yes: 1, no: 2, gauge: 3 } as const;

/** Sample: `value` 1, `timestamp` 2. */
export function writeSample(writer: FieldWriter, { value, timestampMs }: Sample): void {
  writeValue(writer, 1, value);
  if (timestampMs !== 0) writer.int(2, timestampMs);
}

export function writeValue(writer: FieldWriter, field: number, value: number | typeof STALE): void {
  if (value === STALE) writer.doubleBits(field, STALE_NAN_BITS);
  else if (Number.isNaN(value)) writer.doubleBits(field, NORMAL_NAN_BITS);
  else if (!Object.is(value, 0)) writer.double(field, value); // −0 is no default
}

export function writeHistogram(writer: FieldWriter, histogram: Histogram): void {
  const { kind, schema, zeroThreshold, customValues } = histogram;
  const isInt = kind === 'int';
  if (isInt) writer.uint(1, histogram.count);
  else writer.double(2, histogram.count);
  writeValue(writer, 3, histogram.sum);
  if (schema !== 0) writer.sint(4, schema);
  if (zeroThreshold !== 0) writer.double(5, zeroThreshold);
  if (isInt) writer.uint(6, histogram.zeroCount);
  else writer.double(7, histogram.zeroCount);
  writeSpans(writer, 8, histogram.negativeSpans);
  writeBuckets(writer, isInt ? 9 : 10, isInt, histogram.negativeBuckets);
  writeSpans(writer, 11, histogram.positiveSpans);
  writeBuckets(writer, isInt ? 12 : 13, isInt, histogram.positiveBuckets);
  const hint = RESET_HINTS[histogram.resetHint];
  if (hint !== 0) writer.uint(14, hint);
  if (histogram.timestampMs !== 0) writer.int(15, histogram.timestampMs);
  writeBuckets(writer, 16, false, customValues);
}

function writeSpans(writer: FieldWriter, field: number, spans: readonly BucketSpan[]): void {
  for (const { offset, length } of spans) {
    writer.nested(field, () => {
      if (offset !== 0) writer.sint(1, offset);
      if (length !== 0) writer.uint(2, length);
    });
  }
}

/** Packed: zigzag deltas or doubles. */
function writeBuckets(writer: FieldWriter, field: number, isInt: boolean, values: readonly number[]): void {
  if (values.length === 0) return;
  if (isInt) {
    writer.nested(field, () => {
      for (const value of values) writer.zigzag(value);
    });
    return;
  }
  writer.tag(field, DELIMITED);
  writer.varint(values.length * 8);
  for (const value of values) writer.bareDouble(value);
}
