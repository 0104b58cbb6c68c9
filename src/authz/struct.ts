/**
 * google.protobuf.Struct, read by hand as the rest of the question is: JSON in protobuf, of which only tokens have any. Objects
 * are maps, so that no name in a token means anything to us.
 */
export type StructValue = null | boolean | number | string | readonly StructValue[] | Struct;
export type Struct = ReadonlyMap<string, StructValue>;

/** As deep as JSON may be nested. Envoy's own reader stops at 100 messages, two a level. */
const MAX_DEPTH = 50;

interface Field {
  readonly number: number;
  /** Of a varint. */
  readonly value: number;
  /** Of everything else. */
  readonly content: Buffer;
}

/** Undefined: not a Struct, or nested too deep. */
export function readStruct(bytes: Buffer, depth = 0): Struct | undefined {
  return depth > MAX_DEPTH ? undefined : readMap(bytes, 1, (content) => readValue(content, depth + 1));
}

/** The entries of the map in field `number`; other fields are left out. Undefined where `read` says so of any. */
export function readMap<T>(bytes: Buffer, number: number, read: (value: Buffer) => T | undefined): ReadonlyMap<string, T> | undefined {
  const map = new Map<string, T>();
  for (const field of fieldsOf(bytes) ?? [BROKEN]) {
    if (field === BROKEN) return undefined;
    if (field.number !== number) continue;
    const entry = fieldsOf(field.content);
    const value = entry && read(last(entry, 2)?.content ?? EMPTY);
    if (entry === undefined || value === undefined) return undefined;
    map.set(last(entry, 1)?.content.toString('utf8') ?? '', value);
  }
  return map;
}

function readValue(bytes: Buffer, depth: number): StructValue | undefined {
  const fields = fieldsOf(bytes);
  if (fields === undefined) return undefined;
  const field = fields.at(-1); // of a oneof the last counts
  switch (field?.number) {
    case 2:
      return field.content.length === 8 ? field.content.readDoubleLE() : undefined;
    case 3:
      return field.content.toString('utf8');
    case 4:
      return field.value !== 0;
    case 5:
      return readStruct(field.content, depth);
    case 6:
      return readList(field.content, depth);
    default:
      return null;
  }
}

function readList(bytes: Buffer, depth: number): readonly StructValue[] | undefined {
  if (depth > MAX_DEPTH) return undefined;
  const values = fieldsOf(bytes)
    ?.filter(({ number }) => number === 1)
    .map(({ content }) => readValue(content, depth + 1));
  const sound = values?.filter((value) => value !== undefined);
  return sound?.length === values?.length ? sound : undefined;
}

const EMPTY = Buffer.alloc(0);
const BROKEN: Field = { number: 0, value: 0, content: EMPTY };

function last(fields: readonly Field[], number: number): Field | undefined {
  return fields.findLast((field) => field.number === number);
}

/** Undefined where the bytes are no message. */
function fieldsOf(bytes: Buffer): readonly Field[] | undefined {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1, length = 0; length < 10; length += 1, scale *= 128) {
      const byte = bytes[at];
      if (byte === undefined) return NaN;
      at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    return NaN;
  };
  while (at < bytes.length) {
    const tag = varint();
    const [number, wire] = [Math.floor(tag / 8), tag % 8];
    const value = wire === 0 || wire === 2 ? varint() : 0;
    const size = wire === 2 ? value : (FIXED_BYTES[wire] ?? NaN);
    if (!(number > 0) || Number.isNaN(value) || !(at + size <= bytes.length)) return undefined;
    fields.push({ number, value: wire === 0 ? value : 0, content: bytes.subarray(at, at + size) });
    at += size;
  }
  return fields;
}

/** By wire type; groups, which proto3 does not have, are none. */
const FIXED_BYTES: Readonly<Record<number, number>> = { 0: 0, 1: 8, 5: 4 };
