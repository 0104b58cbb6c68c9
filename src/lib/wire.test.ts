import { describe, expect, it } from '@jest/globals';
import { FieldCursor, FieldWriter, readPacked } from './wire.js';

function walk(hex: string): { fields: readonly string[]; failed: boolean } {
  const bytes = Buffer.from(hex, 'hex');
  const cursor = new FieldCursor(bytes).enter(0, bytes.length);
  const fields: string[] = [];
  while (cursor.next()) fields.push(`${cursor.field}:${cursor.wireType}:${bytes.toString('hex', cursor.start, cursor.end)}`);
  return { fields, failed: cursor.failed };
}

describe('a walk over fields', () => {
  it('tells number, type and the bytes of the value', () => {
    expect(walk('0896011101020304050607081a036162632501020304')).toEqual({ fields: ['1:0:9601', '2:1:0102030405060708', '3:2:616263', '4:5:01020304'], failed: false });
  });

  it.each([
    ['a delimited field that is longer than what is left', '0a05616263'],
    ['a fixed one that is', '0901020304'],
    ['a varint that never ends', '08ffffffffffffffffffffff01'],
    ['a varint that breaks off', '0880'],
    ['a tag that breaks off', '80'],
    ['field number 0', '0000'],
    ['a field number that wraps around in 32 bits', '8a808080800100'],
    ['a length that wraps around in 64 bits', '0a83808080808080808002616263'],
    ['a group', '0b0c'],
  ])('ends at a fault: %s', (_, hex) => {
    expect(walk(hex)).toEqual({ fields: [], failed: true });
  });
});

describe('packed numbers', () => {
  it.each([
    ['', []],
    ['00018001ffffffff0f', [0, 1, 128, 0xffff_ffff]],
  ])('%s', (hex, expected) => {
    const into: number[] = [];
    expect(readPacked(Buffer.from(hex, 'hex'), 0, hex.length / 2, into)).toBe(true);
    expect(into).toEqual(expected);
  });

  it.each(['80', '8080808010', 'ffffffffffffffffff01'])('are none: %s', (hex) => {
    expect(readPacked(Buffer.from(hex, 'hex'), 0, hex.length / 2, [])).toBe(false);
  });
});

describe('a writer', () => {
  it.each([0, 1, 127, 128, 16_383, 16_384])('knows the length of what it nests afterwards (%d bytes)', (length) => {
    const writer = new FieldWriter(64);
    writer.nested(1, () => writer.raw(Buffer.alloc(length, 'x')));
    const bytes = writer.finish();
    const cursor = new FieldCursor(bytes).enter(0, bytes.length);
    expect([cursor.next(), bytes.toString('latin1', cursor.start, cursor.end), cursor.next(), cursor.failed]).toEqual([true, 'x'.repeat(length), false, false]);
  });
});
