import { STALE, STALE_NAN_BITS } from './series.js';
import type { BucketSpan, Exemplar, Histogram, Label, Sample, Series } from './series.js';
import { DELIMITED } from '../lib/wire.js';
import type { FieldCursor } from '../lib/wire.js';

/**
 * Series of version 1 read back: for what we have written ourselves and kept. What is not as `encode.ts` writes it is left out, so this is
 * no door for what others send (those are src/push).
 */

/** A series whose message is the content of the cursor's range. */
export function decodeSeries(cursor: FieldCursor): Series {
  const labels: Label[] = [];
  const samples: Sample[] = [];
  const exemplars: Exemplar[] = [];
  const histograms: Histogram[] = [];
  while (cursor.next()) {
    if (cursor.field === 1) labels.push(decodeLabel(cursor.inside()));
    else if (cursor.field === 2) samples.push(decodeSample(cursor.inside()));
    else if (cursor.field === 3) exemplars.push(decodeExemplar(cursor.inside()));
    else if (cursor.field === 4) histograms.push(decodeHistogram(cursor.inside()));
  }
  return { labels, samples, histograms, exemplars };
}

export function decodeLabel(cursor: FieldCursor): Label {
  let name = '';
  let value = '';
  while (cursor.next()) {
    if (cursor.field === 1) name = cursor.text();
    else if (cursor.field === 2) value = cursor.text();
  }
  return { name, value };
}

function decodeValue(cursor: FieldCursor): number | typeof STALE {
  const value = cursor.double();
  return Number.isNaN(value) && cursor.doubleBits() === STALE_NAN_BITS ? STALE : value;
}

function decodeSample(cursor: FieldCursor): Sample {
  let value: Sample['value'] = 0;
  let timestampMs = 0;
  while (cursor.next()) {
    if (cursor.field === 1) value = decodeValue(cursor);
    else if (cursor.field === 2) timestampMs = cursor.int();
  }
  return { value, timestampMs };
}

function decodeExemplar(cursor: FieldCursor): Exemplar {
  const labels: Label[] = [];
  let value = 0;
  let timestampMs = 0;
  while (cursor.next()) {
    if (cursor.field === 1) labels.push(decodeLabel(cursor.inside()));
    else if (cursor.field === 2) value = cursor.double();
    else if (cursor.field === 3) timestampMs = cursor.int();
  }
  return { labels, value, timestampMs };
}

const RESET_HINTS = ['unspecified', 'yes', 'no', 'gauge'] as const;

function decodeHistogram(cursor: FieldCursor): Histogram {
  const made = {
    kind: 'int' as Histogram['kind'],
    count: 0,
    sum: 0 as Histogram['sum'],
    schema: 0,
    zeroThreshold: 0,
    zeroCount: 0,
    negativeSpans: [] as BucketSpan[],
    negativeBuckets: [] as number[],
    positiveSpans: [] as BucketSpan[],
    positiveBuckets: [] as number[],
    resetHint: 'unspecified' as Histogram['resetHint'],
    timestampMs: 0,
    customValues: [] as number[],
  };
  while (cursor.next()) {
    switch (cursor.field) {
      case 1:
        made.count = cursor.number();
        break;
      case 2:
        made.kind = 'float';
        made.count = cursor.double();
        break;
      case 3:
        made.sum = decodeValue(cursor);
        break;
      case 4:
        made.schema = cursor.sint();
        break;
      case 5:
        made.zeroThreshold = cursor.double();
        break;
      case 6:
        made.zeroCount = cursor.number();
        break;
      case 7:
        made.zeroCount = cursor.double();
        break;
      case 8:
        made.negativeSpans.push(decodeSpan(cursor.inside()));
        break;
      case 9:
        made.negativeBuckets = packedDeltas(cursor);
        break;
      case 10:
        made.negativeBuckets = packedDoubles(cursor);
        break;
      case 11:
        made.positiveSpans.push(decodeSpan(cursor.inside()));
        break;
      case 12:
        made.positiveBuckets = packedDeltas(cursor);
        break;
      case 13:
        made.positiveBuckets = packedDoubles(cursor);
        break;
      case 14:
        made.resetHint = RESET_HINTS[cursor.number()] ?? 'unspecified';
        break;
      case 15:
        made.timestampMs = cursor.int();
        break;
      case 16:
        made.customValues = packedDoubles(cursor);
        break;
      default:
        break;
    }
  }
  return made;
}

function decodeSpan(cursor: FieldCursor): BucketSpan {
  let offset = 0;
  let length = 0;
  while (cursor.next()) {
    if (cursor.field === 1) offset = cursor.sint();
    else if (cursor.field === 2) length = cursor.number();
  }
  return { offset, length };
}

function packedDoubles({ bytes, wireType, start, end }: FieldCursor): number[] {
  const values: number[] = [];
  if (wireType === DELIMITED) for (let at = start; at + 8 <= end; at += 8) values.push(bytes.readDoubleLE(at));
  return values;
}

function packedDeltas({ bytes, start, end }: FieldCursor): number[] {
  const values: number[] = [];
  let zigzag = 0;
  let scale = 1;
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] ?? 0;
    zigzag += (byte & 0x7f) * scale;
    scale *= 128;
    if (byte >= 0x80) continue;
    values.push(zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2);
    zigzag = 0;
    scale = 1;
  }
  return values;
}
