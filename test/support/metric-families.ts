import { FieldWriter } from '../../src/lib/wire.js';

/** Bodies of the protobuf exposition: delimited io.prometheus.client.MetricFamily, field by field, so that a test can write odd ones. */

export type LabelPairs = Readonly<Record<string, string>>;

/** Where a Metric has its value. */
export const GAUGE_VALUE = 2;
export const COUNTER_VALUE = 3;
export const SUMMARY_VALUE = 4;
export const UNTYPED_VALUE = 5;
export const HISTOGRAM_VALUE = 7;

/** One family with its length before it; `write` adds metrics and whatever else. */
export function delimitedFamily(name: string, write: (writer: FieldWriter) => void): Buffer {
  const family = new FieldWriter();
  family.text(1, name);
  write(family);
  const content = family.finish();
  const delimited = new FieldWriter();
  delimited.varint(content.length);
  delimited.raw(content);
  return delimited.finish();
}

export function writeMetric(writer: FieldWriter, labels: LabelPairs, valueField: number, value: () => void, timestampMs?: number): void {
  writer.nested(4, () => {
    for (const [name, text] of Object.entries(labels)) {
      writer.nested(1, () => {
        writer.text(1, name);
        writer.text(2, text);
      });
    }
    if (timestampMs !== undefined) writer.int(6, timestampMs);
    writer.nested(valueField, value);
  });
}

export function writeExemplar(writer: FieldWriter, field: number, seconds: number): void {
  writer.nested(field, () => {
    writer.nested(1, () => {
      writer.text(1, 'trace');
      writer.text(2, 'x');
    });
    writer.double(2, 0.7);
    writer.nested(3, () => writer.uint(1, seconds));
  });
}

export interface HistogramShape {
  readonly native: boolean;
  readonly classic: boolean;
  readonly startSeconds?: number;
  readonly exemplars?: { readonly of: 'bucket' | 'native'; readonly seconds: number };
}

/** A histogram's value: three observations, two of them up to 0.5. */
export function writeHistogram(writer: FieldWriter, { native, classic, startSeconds, exemplars }: HistogramShape): void {
  writer.uint(1, 3);
  writer.double(2, 4.5);
  if (classic) {
    writer.nested(3, () => {
      writer.uint(1, 2);
      writer.double(2, 0.5);
      if (exemplars?.of === 'bucket') writeExemplar(writer, 3, exemplars.seconds);
    });
  }
  if (native) writeNative(writer);
  if (startSeconds !== undefined) writer.nested(15, () => writer.uint(1, startSeconds));
  if (exemplars?.of === 'native') writeExemplar(writer, 16, exemplars.seconds);
}

/** Schema 0, one bucket with all three. */
export function writeNative(writer: FieldWriter): void {
  writer.sint(5, 0);
  writer.double(6, 1e-128);
  writer.nested(12, () => writer.uint(2, 1));
  writer.sint(13, 3);
}
