import { describe, expect, it } from '@jest/globals';
import { err, ok } from '../lib/result.js';
import { protocolHeaders, retryAfterMs, versionOf } from './protocol.js';
import { pack, unpack, unpackedLength } from './snappy.js';

describe('the version of a request', () => {
  it.each(['1', '2'] as const)('is what its sender’s headers say (%s)', (version) => {
    const headers = protocolHeaders(version);
    expect(versionOf(headers['content-type'], headers['content-encoding'])).toEqual(ok(version));
  });

  it.each([
    ['application/x-protobuf;proto=prometheus.WriteRequest', '1'],
    ['application/x-protobuf; proto=io.prometheus.write.v2.Request', '2'],
    ['Application/X-Protobuf', '1'],
  ] as const)('%s', (contentType, version) => {
    expect(versionOf(contentType, undefined)).toEqual(ok(version));
  });

  it.each([
    [undefined, 'snappy'],
    ['application/json', 'snappy'],
    ['application/x-protobuf;proto=other', 'snappy'],
    ['application/x-protobuf', 'gzip'],
  ])('is none: %s, %s', (contentType, encoding) => {
    expect(versionOf(contentType, encoding).ok).toBe(false);
  });
});

describe('Retry-After', () => {
  it.each([
    ['3', 3000],
    ['0', 0],
    ['100000', 60_000],
    [new Date(1_700_000_005_000).toUTCString(), 5000],
    [new Date(1_600_000_000_000).toUTCString(), 0],
    ['soon', undefined],
    [undefined, undefined],
  ])('%s', (value, expected) => {
    expect(retryAfterMs(value, 1_700_000_000_000, 60_000)).toBe(expected);
  });
});

describe('snappy blocks', () => {
  const text = Buffer.from('abc'.repeat(1000));

  it('unpack to what was packed', async () => {
    const block = await pack(text);
    expect(block.length).toBeLessThan(text.length / 10);
    expect(unpackedLength(block)).toBe(3000);
    expect(await unpack(block, 3000)).toEqual(ok(text));
  });

  it('are known bytes: a literal of the format’s description', async () => {
    expect(await unpack(Buffer.from([3, 2 << 2, 97, 98, 99]), 10)).toEqual(ok(Buffer.from('abc')));
  });

  it('are judged by the length that they say, before they are unpacked', async () => {
    expect(await unpack(await pack(text), 2999)).toEqual(err('too_large'));
    expect(await unpack(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]), 1000)).toEqual(err('too_large'));
  });

  it.each([
    ['nothing', []],
    ['a length without an end', [0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ['less than it says', [4, 2 << 2, 97, 98, 99]],
    ['more than it says', [2, 2 << 2, 97, 98, 99]],
    ['a copy from before the beginning', [8, 0x01, 0x05]],
    ['the framed format', [0xff, 0x06, 0x00, 0x00, 0x73, 0x4e, 0x61, 0x50, 0x70, 0x59]],
  ])('are malformed: %s', async (_, bytes) => {
    expect(await unpack(Buffer.from(bytes), 10_000)).toEqual(err('malformed'));
  });
});
