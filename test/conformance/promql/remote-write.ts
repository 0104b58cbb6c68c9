import { request } from 'undici';

/** Series into a real Prometheus by remote write 1.0, encoded by hand: a little protobuf, and Snappy that compresses nothing. */

export interface FloatSample {
  readonly timestampMs: number;
  readonly value: number;
}

/** A native histogram with one bucket per entry. */
export interface HistogramSample {
  readonly timestampMs: number;
  readonly buckets: readonly number[];
  readonly sum: number;
  /** 0 where it is not given. */
  readonly schema?: number;
  /** Index of the first bucket: 0 where it is not given, which is the one that ends at 1 (with `custom`, the first of all). */
  readonly from?: number;
  readonly zero?: { readonly threshold: number; readonly count: number };
  /** As `buckets`, below zero. */
  readonly negative?: readonly number[];
  /** Upper bounds of buckets of one's own. */
  readonly custom?: readonly number[];
}

const CUSTOM_SCHEMA = -53;

export interface Exemplar extends FloatSample {
  readonly labels: Readonly<Record<string, string>>;
}

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly samples: readonly FloatSample[];
  readonly histograms: readonly HistogramSample[];
  readonly exemplars?: readonly Exemplar[];
}

/** Prometheus's mark for "this series ends here"; a value of NaN is written as this. */
const STALE_BITS = 0x7ff0000000000002n;

export async function remoteWrite(url: string, series: readonly Series[]): Promise<void> {
  const { statusCode, body } = await request(`${url}/api/v1/write`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy', 'x-prometheus-remote-write-version': '0.1.0' },
    body: snappy(Buffer.concat(series.map((one) => field(1, timeSeries(one))))),
  });
  const answer = await body.text();
  if (statusCode >= 300) throw new Error(`remote write: ${statusCode} ${answer}`);
}

function labelFields(labels: Readonly<Record<string, string>>): readonly Buffer[] {
  const sorted = Object.entries(labels).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return sorted.map(([name, value]) => field(1, Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.from(value))])));
}

function timeSeries({ labels, samples, histograms, exemplars = [] }: Series): Buffer {
  return Buffer.concat([
    ...labelFields(labels),
    ...exemplars.map((one) => field(3, Buffer.concat([...labelFields(one.labels), double(2, one.value), integer(3, BigInt(one.timestampMs))]))),
    ...samples.map(({ timestampMs, value }) => field(2, Buffer.concat([double(1, value), integer(2, BigInt(timestampMs))]))),
    ...histograms.map((sample) => field(4, histogram(sample))),
  ]);
}

function histogram({ timestampMs, buckets, sum, schema = 0, from = 0, zero = { threshold: 0, count: 0 }, negative = [], custom }: HistogramSample): Buffer {
  const count = [...buckets, ...negative, zero.count].reduce((total, bucket) => total + bucket, 0);
  const span = (length: number): Buffer => Buffer.concat([integer(1, zigzag(from)), integer(2, BigInt(length))]);
  return Buffer.concat([
    integer(1, BigInt(count)), double(3, sum), integer(4, zigzag(custom === undefined ? schema : CUSTOM_SCHEMA)), double(5, zero.threshold), integer(6, BigInt(zero.count)),
    ...(negative.length > 0 ? [field(8, span(negative.length)), field(9, deltas(negative))] : []),
    field(11, span(buckets.length)), field(12, deltas(buckets)), integer(15, BigInt(timestampMs)),
    ...(custom === undefined ? [] : [field(16, Buffer.concat(custom.map(bareDouble)))]),
  ]);
}

function deltas(buckets: readonly number[]): Buffer {
  return Buffer.concat(buckets.map((bucket, index) => varint(zigzag(bucket - (buckets[index - 1] ?? 0)))));
}

function bareDouble(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

function zigzag(value: number): bigint {
  return value < 0 ? BigInt(-value) * 2n - 1n : BigInt(value) * 2n;
}

function integer(number: number, value: bigint): Buffer {
  return Buffer.concat([varint(BigInt(number * 8)), varint(value)]);
}

function double(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  if (Number.isNaN(value)) bytes.writeBigUInt64LE(STALE_BITS);
  else bytes.writeDoubleLE(value);
  return Buffer.concat([varint(BigInt(number * 8 + 1)), bytes]);
}

function field(number: number, content: Buffer): Buffer {
  return Buffer.concat([varint(BigInt(number * 8 + 2)), varint(BigInt(content.length)), content]);
}

/** Literals of at most 64 KiB each. */
function snappy(content: Buffer): Buffer {
  const parts = [varint(BigInt(content.length))];
  for (let start = 0; start < content.length; start += 65_536) {
    const literal = content.subarray(start, start + 65_536);
    const length = Buffer.alloc(2);
    length.writeUInt16LE(literal.length - 1);
    parts.push(Buffer.from([0xf4]), length, literal);
  }
  return Buffer.concat(parts);
}
