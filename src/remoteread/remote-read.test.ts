import { describe, expect, it } from '@jest/globals';
import { FieldWriter } from '../lib/wire.js';
import { decodeFrame } from './chunks.js';
import { crc32c } from './crc32c.js';
import { framed, FrameReader } from './frames.js';
import { againstStored, decodeReadRequest, encodeReadRequest } from './request.js';
import type { ReadQuery, ReadRequest } from './request.js';

/** Framing and refusals; what real servers send: test/integration/export-histograms.test.ts. */

describe('CRC-32C', () => {
  it('of the check value of RFC 3720', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe306_9283);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a91_36aa);
  });
});

describe('frames', () => {
  const contents = [Buffer.from('a'), Buffer.alloc(300, 'b'), Buffer.alloc(0)];

  it.each([1, 2, 7, 1000])('are found in pieces of %d bytes', (size) => {
    const body = Buffer.concat(contents.map(framed));
    const reader = new FrameReader();
    const found: string[] = [];
    for (let at = 0; at < body.length; at += size) {
      reader.add(body.subarray(at, at + size));
      while (reader.next()) found.push(reader.frame.toString());
    }
    expect(found).toEqual(contents.map(String));
    expect([reader.isEmpty, reader.fault]).toEqual([true, undefined]);
  });

  it.each([
    ['with a wrong checksum', Buffer.from([1, 0, 0, 0, 0, 97]), 'checksum'],
    ['longer than any', Buffer.from([0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0]), 'bytes'],
    ['with a length that has no end', Buffer.alloc(9, 0xff), 'without a length'],
  ])('%s are refused, and so is all behind them', (_, bytes, fault) => {
    const reader = new FrameReader();
    reader.add(Buffer.concat([bytes, framed(Buffer.from('a'))]));
    expect([reader.next(), reader.next()]).toEqual([false, false]);
    expect(reader.fault).toContain(fault);
  });

  it('that are no message are refused', () => {
    expect(decodeFrame(Buffer.from([0x0a, 99])).ok).toBe(false);
  });
});

describe('a request', () => {
  const request: ReadRequest = {
    queries: [
      { startMs: -5, endMs: 1_700_000_000_000, matchers: [{ name: '__name__', op: '=', value: 'up' }, { name: 'ns', op: '!~', value: 'ä|b' }] },
      { startMs: 0, endMs: 0, matchers: [] },
    ],
    responseTypes: ['streamed_chunks', 'samples'],
  };

  it('is read as it was written', () => {
    expect(decodeReadRequest(encodeReadRequest(request))).toEqual({ ok: true, value: request });
  });

  it('may say for which time chunks need not be cut, which another reader passes over', () => {
    const query: ReadQuery = { startMs: 8, endMs: 9, matchers: [] };
    const uncut = encodeReadRequest({ queries: [{ ...query, uncut: { startMs: 7, endMs: Infinity } }], responseTypes: [] });
    expect(uncut.includes(Buffer.from([0x22, 12, 0x18, 7, 0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]))).toBe(true);
    expect(decodeReadRequest(uncut)).toEqual({ ok: true, value: { queries: [query], responseTypes: ['samples'] } });
  });

  it('without a wish is for samples; wishes may be packed, and unknown ones do not count', () => {
    expect(decodeReadRequest(Buffer.alloc(0))).toMatchObject({ value: { responseTypes: ['samples'] } });
    expect(decodeReadRequest(Buffer.from([0x12, 2, 1, 7]))).toMatchObject({ value: { responseTypes: ['streamed_chunks'] } });
    expect(decodeReadRequest(Buffer.from([0x10, 7]))).toMatchObject({ value: { responseTypes: [] } });
  });

  it('has no equality that the source could take for its own label', () => {
    expect([{ name: 'cluster', op: '=', value: 'a.b' } as const, { name: 'team', op: '=', value: '' } as const, { name: '__name__', op: '=', value: 'up' } as const, { name: 'x', op: '!=', value: 'y' } as const].map(againstStored)).toEqual([
      { name: 'cluster', op: '=~', value: String.raw`a\.b` },
      { name: 'team', op: '=~', value: '' },
      { name: '__name__', op: '=', value: 'up' },
      { name: 'x', op: '!=', value: 'y' },
    ]);
  });

  const matcher = (write: (writer: FieldWriter) => void): Buffer => {
    const writer = new FieldWriter();
    writer.nested(1, () => writer.nested(3, () => write(writer)));
    return writer.finish();
  };
  it.each([
    ['garbage', Buffer.from('garbage')],
    ['a query that ends too early', Buffer.from([0x0a, 2, 8])],
    ['a query that is a number', Buffer.from([8, 1])],
    ['a matcher of a kind that does not exist', matcher((writer) => { writer.uint(1, 4); writer.text(2, 'a'); })],
    ['a matcher without a name', matcher((writer) => writer.text(3, 'a'))],
    ['a matcher that is no UTF-8', matcher((writer) => { writer.text(2, 'a'); writer.slice(3, Buffer.from([0xff]), 0, 1); })],
    ['a matcher whose value is a number', matcher((writer) => { writer.text(2, 'a'); writer.uint(3, 1); })],
  ])('that is %s is refused', (_, message) => {
    expect(decodeReadRequest(message).ok).toBe(false);
  });
});
