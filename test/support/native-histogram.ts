import { BinaryWriter } from '@bufbuild/protobuf/wire';

/**
 * The protobuf exposition format, as far as a native histogram needs it: `io.prometheus.client.MetricFamily`, delimited.
 * Field numbers from Prometheus's metrics.proto.
 */

export const PROTOBUF_FORMAT = 'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited';

const HISTOGRAM = 4;

/** One histogram with two observations in bucket 0 and one in bucket 1 of schema 0, that is up to 1 and up to 2. */
export function nativeHistogramBody(name: string): Buffer {
  const family = new BinaryWriter();
  family.uint32(tag(1, LENGTH)).string(name);
  family.uint32(tag(2, LENGTH)).string('A native histogram.');
  family.uint32(tag(3, VARINT)).int32(HISTOGRAM);
  family.uint32(tag(4, LENGTH)).fork();
  family.uint32(tag(7, LENGTH)).fork();
  histogram(family);
  family.join().join();
  return Buffer.from(new BinaryWriter().bytes(family.finish()).finish());
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;

function tag(field: number, type: number): number {
  return field * 8 + type;
}

function histogram(writer: BinaryWriter): void {
  writer.uint32(tag(1, VARINT)).uint64(3);
  writer.uint32(tag(2, FIXED64)).double(3.5);
  writer.uint32(tag(5, VARINT)).sint32(0);
  writer.uint32(tag(6, FIXED64)).double(1e-128);
  writer.uint32(tag(7, VARINT)).uint64(0);
  // one span of two buckets from index 0 on, counts as deltas: 2, then 2 - 1
  writer.uint32(tag(12, LENGTH)).fork();
  writer.uint32(tag(1, VARINT)).sint32(0);
  writer.uint32(tag(2, VARINT)).uint32(2);
  writer.join();
  writer.uint32(tag(13, VARINT)).sint64(2);
  writer.uint32(tag(13, VARINT)).sint64(-1);
}
