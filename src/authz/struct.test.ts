import { create, fromJson, toBinary } from '@bufbuild/protobuf';
import type { JsonObject } from '@bufbuild/protobuf';
import { StructSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from '@jest/globals';
import { readStruct } from './struct.js';
import type { StructValue } from './struct.js';

/** By the generated code, which knows nothing of ours. */
function encoded(json: JsonObject): Buffer {
  return Buffer.from(toBinary(StructSchema, fromJson(StructSchema, json)));
}

/** Maps as objects again. */
function plain(value: StructValue | undefined): unknown {
  if (Array.isArray(value)) return value.map(plain);
  return value instanceof Map ? Object.fromEntries([...value].map(([key, inner]) => [key, plain(inner)])) : value;
}

function nested(levels: number): JsonObject {
  return levels === 0 ? {} : { inner: nested(levels - 1) };
}

describe('a Struct', () => {
  it.each<[string, JsonObject]>([
    ['with nothing in it', {}],
    ['with scalars', { text: 'ä', empty: '', yes: true, no: false, nothing: null, zero: 0, negative: -1.5, large: 1_790_000_000 }],
    ['with lists', { groups: ['a', 'b'], none: [], mixed: [1, 'x', null, [true, []], { a: 1 }] }],
    ['with objects', { realm_access: { roles: ['r'] }, 'kubernetes.io': { serviceaccount: { name: 'x' } }, '': {} }],
    ['with names that mean something to JavaScript', JSON.parse('{"__proto__": {"a": 1}, "constructor": "x", "toString": ["y"]}')],
  ])('%s is read as it was written', (_name, json) => {
    expect(plain(readStruct(encoded(json)))).toEqual(json);
  });

  it('takes the last of two entries of one name', () => {
    expect(plain(readStruct(Buffer.concat([encoded({ a: 'x' }), encoded({ a: 'y' })])))).toEqual({ a: 'y' });
  });

  it('with an entry without key or value has them empty, as protobuf says', () => {
    expect(plain(readStruct(Buffer.from([0x0a, 0x00])))).toEqual({ '': null });
  });

  it('is read to a depth, and refused beyond', () => {
    expect(plain(readStruct(encoded(nested(40))))).toEqual(nested(40));
    expect(readStruct(encoded(nested(60)))).toBeUndefined();
  });

  it('that is cut off anywhere is refused, or is a shorter one', () => {
    const bytes = encoded({ groups: ['a', 'b'], n: 1.5 });
    const whole = plain(readStruct(bytes));
    for (let end = 1; end < bytes.length; end += 1) expect(plain(readStruct(bytes.subarray(0, end)))).not.toEqual(whole);
  });

  it.each([
    ['a group', [0x0b, 0x0c]],
    ['the field 0', [0x02, 0x00]],
    ['a length beyond the end', [0x0a, 0x05, 0x00]],
    ['a number without an end', [0x08, 0xff]],
    ['a double of four bytes', [0x0a, 0x09, 0x0a, 0x00, 0x12, 0x05, 0x15, 0, 0, 0, 0]],
  ])('with %s is refused', (_name, bytes) => {
    expect(readStruct(Buffer.from(bytes))).toBeUndefined();
  });

  it('of nothing is empty', () => {
    expect(plain(readStruct(Buffer.from(toBinary(StructSchema, create(StructSchema)))))).toEqual({});
  });
});
