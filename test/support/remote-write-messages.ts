import { createFileRegistry, fromBinary, fromJson, toBinary, toJson, create } from '@bufbuild/protobuf';
import type { DescMessage, JsonValue } from '@bufbuild/protobuf';
import { FieldDescriptorProto_Label, FieldDescriptorProto_Type, FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

/**
 * Remote write's messages for protobuf's own library, as the oracle of our hand-written readers and writers: names and numbers from
 * facts/remote-write.md §1, which are the interface. Messages are given and compared as protobuf's JSON.
 */

/** `name number type`; `*` repeats; another word than a scalar's is a message of the same package. */
const VERSION_1 = {
  WriteRequest: 'timeseries 1 TimeSeries*, metadata 3 MetricMetadata*',
  TimeSeries: 'labels 1 Label*, samples 2 Sample*, exemplars 3 Exemplar*, histograms 4 Histogram*',
  Label: 'name 1 string, value 2 string',
  Sample: 'value 1 double, timestamp 2 int64',
  Exemplar: 'labels 1 Label*, value 2 double, timestamp 3 int64',
  MetricMetadata: 'type 1 int32, metric_family_name 2 string, help 4 string, unit 5 string',
};
const VERSION_2 = {
  Request: 'symbols 4 string*, timeseries 5 TimeSeries*',
  TimeSeries: 'labels_refs 1 uint32*, samples 2 Sample*, histograms 3 Histogram*, exemplars 4 Exemplar*, metadata 5 Metadata',
  Sample: 'value 1 double, timestamp 2 int64, start_timestamp 3 int64',
  Exemplar: 'labels_refs 1 uint32*, value 2 double, timestamp 3 int64',
  Metadata: 'type 1 int32, help_ref 3 uint32, unit_ref 4 uint32',
};
/** The members of oneofs as plain fields: a test gives one of them, and a zero of the others is not written. */
const HISTOGRAM = {
  Histogram:
    'count_int 1 uint64, count_float 2 double, sum 3 double, schema 4 sint32, zero_threshold 5 double, zero_count_int 6 uint64, zero_count_float 7 double, negative_spans 8 BucketSpan*, negative_deltas 9 sint64*, negative_counts 10 double*, positive_spans 11 BucketSpan*, positive_deltas 12 sint64*, positive_counts 13 double*, reset_hint 14 int32, timestamp 15 int64, custom_values 16 double*',
  BucketSpan: 'offset 1 sint32, length 2 uint32',
};

const SCALARS: Readonly<Record<string, FieldDescriptorProto_Type>> = {
  double: FieldDescriptorProto_Type.DOUBLE,
  int32: FieldDescriptorProto_Type.INT32,
  int64: FieldDescriptorProto_Type.INT64,
  uint32: FieldDescriptorProto_Type.UINT32,
  uint64: FieldDescriptorProto_Type.UINT64,
  sint32: FieldDescriptorProto_Type.SINT32,
  sint64: FieldDescriptorProto_Type.SINT64,
  string: FieldDescriptorProto_Type.STRING,
};

function messagesOf(packageName: string, messages: Readonly<Record<string, string>>) {
  return create(FileDescriptorProtoSchema, {
    name: `${packageName}.proto`,
    package: packageName,
    syntax: 'proto3',
    messageType: Object.entries(messages).map(([name, fields]) => ({
      name,
      field: fields.split(', ').map((field) => {
        const [fieldName = '', number = '', type = ''] = field.split(' ');
        const single = type.replace('*', '');
        const scalar = SCALARS[single];
        return {
          name: fieldName,
          jsonName: fieldName.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
          number: Number(number),
          label: type.endsWith('*') ? FieldDescriptorProto_Label.REPEATED : FieldDescriptorProto_Label.OPTIONAL,
          type: scalar ?? FieldDescriptorProto_Type.MESSAGE,
          ...(scalar === undefined && { typeName: `.${packageName}.${single}` }),
        };
      }),
    })),
  });
}

const registry = createFileRegistry(
  create(FileDescriptorSetSchema, { file: [messagesOf('prometheus', { ...VERSION_1, ...HISTOGRAM }), messagesOf('io.prometheus.write.v2', { ...VERSION_2, ...HISTOGRAM })] }),
);

const NAMES = { 1: 'prometheus.WriteRequest', 2: 'io.prometheus.write.v2.Request' } as const;

function message(version: 1 | 2): DescMessage {
  const found = registry.getMessage(NAMES[version]);
  if (found === undefined) throw new Error(`no message ${NAMES[version]}`);
  return found;
}

export function requestBytes(version: 1 | 2, json: JsonValue): Buffer {
  const schema = message(version);
  return Buffer.from(toBinary(schema, fromJson(schema, json)));
}

/** Fields of the request that nobody knows are an error: `unknown` in its text. */
export function requestJson(version: 1 | 2, bytes: Buffer): JsonValue {
  const schema = message(version);
  const read = fromBinary(schema, bytes);
  if ((read.$unknown ?? []).length > 0) throw new Error('unknown fields in the request');
  return toJson(schema, read);
}

/** Each series' labels, in the order of the wire, as `name=value`. */
export function labelsOf(version: 1 | 2, bytes: Buffer): readonly (readonly string[])[] {
  const { timeseries = [], symbols = [] }: { timeseries?: readonly SeriesJson[]; symbols?: readonly string[] } = JSON.parse(JSON.stringify(requestJson(version, bytes)));
  return timeseries.map(({ labels, labelsRefs = [] }) =>
    labels === undefined
      ? labelsRefs.flatMap((ref, index) => (index % 2 === 0 ? [`${symbols[ref]}=${symbols[labelsRefs[index + 1] ?? 0]}`] : []))
      : labels.map(({ name, value }) => `${name}=${value}`),
  );
}

interface SeriesJson {
  readonly labels?: readonly { readonly name: string; readonly value: string }[];
  readonly labelsRefs?: readonly number[];
}
