import { describe, expect, it } from '@jest/globals';
import { FieldWriter } from '../lib/wire.js';
import { decodeChunk } from './chunk/chunk.js';
import { crc32c } from './crc32c.js';
import { decodeFrame, encodeReadRequest, FrameReader } from './remote-read.js';

/** Framing and refusals; what real servers send: test/integration/export-histograms.test.ts. */

function framed(content: Buffer): Buffer {
  const writer = new FieldWriter();
  writer.varint(content.length);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32c(content));
  writer.raw(checksum);
  writer.raw(content);
  return writer.finish();
}

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
      for (let next = reader.next(); next.ok && next.value !== undefined; next = reader.next()) found.push(next.value.toString());
    }
    expect(found).toEqual(contents.map(String));
    expect(reader.isEmpty).toBe(true);
  });

  it.each([
    ['with a wrong checksum', Buffer.from([1, 0, 0, 0, 0, 97])],
    ['longer than any', Buffer.from([0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0])],
    ['with a length that has no end', Buffer.alloc(9, 0xff)],
  ])('%s are refused', (_, bytes) => {
    const reader = new FrameReader();
    reader.add(bytes);
    expect(reader.next().ok).toBe(false);
  });

  it('that are no message are refused', () => {
    expect(decodeFrame(Buffer.from([0x0a, 99])).ok).toBe(false);
  });
});

describe('a chunk', () => {
  it.each([
    ['that ends too early', 1, Buffer.from([0, 5, 1])],
    ['of a kind that is not known', 9, Buffer.from([0, 1])],
    ['without a header', 2, Buffer.from([0])],
  ])('%s is refused', (_, encoding, bytes) => {
    expect(decodeChunk(encoding, bytes, { afterMs: 0, untilMs: Infinity }, { samples: [], histograms: [] }).ok).toBe(false);
  });
});

describe('a request', () => {
  it('has no equality that the source could take for its own label', () => {
    const body = encodeReadRequest([[{ name: 'cluster', op: '=', value: 'a.b' }, { name: 'team', op: '=', value: '' }, { name: '__name__', op: '=', value: 'up' }]], 1, 2).toString('latin1');
    expect(body).toContain(String.raw`a\.b`);
    // an equality has no type on the wire, the others have: only the name is one
    expect(body.split('\u0008\u0002\u0012')).toHaveLength(3);
  });
});
