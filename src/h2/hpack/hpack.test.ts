import { describe, expect, it } from '@jest/globals';
import { HpackDecoder } from './decoder.js';
import type { FieldList } from './decoder.js';
import { BlockWriter, encodeBlock } from './encoder.js';
import { decodeHuffman } from './huffman.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

function decode(decoder: HpackDecoder, block: Buffer): { outcome: string; fields: FieldList } {
  const fields: FieldList = [];
  const outcome = decoder.decode(block, 0, block.length, fields);
  return { outcome, fields };
}

const newDecoder = (tableLimit?: number, maxListBytes = 65_536): HpackDecoder => {
  const decoder = new HpackDecoder(maxListBytes);
  if (tableLimit !== undefined) decoder.setTableLimit(tableLimit);
  return decoder;
};

const REQUEST = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com'];
const SECURE = [':method', 'GET', ':scheme', 'https', ':path', '/index.html', ':authority', 'www.example.com', 'custom-key', 'custom-value'];
const RESPONSE_1 = [':status', '302', 'cache-control', 'private', 'date', 'Mon, 21 Oct 2013 20:13:21 GMT', 'location', 'https://www.example.com'];
const RESPONSE_2 = [':status', '307', ...RESPONSE_1.slice(2)];
const COOKIE = 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';
const RESPONSE_3 = [
  [':status', '200', 'cache-control', 'private', 'date', 'Mon, 21 Oct 2013 20:13:22 GMT', 'location', 'https://www.example.com'],
  ['content-encoding', 'gzip', 'set-cookie', COOKIE],
].flat();

/** RFC 7541 Appendix C: blocks of one connection, what they say, and the size of the table after each. */
const SERIES: { name: string; tableBytes: number; steps: [block: string, fields: string[], tableBytes: number][] }[] = [
  {
    name: 'C.3 requests without Huffman coding',
    tableBytes: 4096,
    steps: [
      ['8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', REQUEST, 57],
      ['8286 84be 5808 6e6f 2d63 6163 6865', [...REQUEST, 'cache-control', 'no-cache'], 110],
      ['8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65', SECURE, 164],
    ],
  },
  {
    name: 'C.4 requests with Huffman coding',
    tableBytes: 4096,
    steps: [
      ['8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', REQUEST, 57],
      ['8286 84be 5886 a8eb 1064 9cbf', [...REQUEST, 'cache-control', 'no-cache'], 110],
      ['8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf', SECURE, 164],
    ],
  },
  {
    name: 'C.5 responses without Huffman coding, with eviction',
    tableBytes: 256,
    steps: [
      [
        `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768
         7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
        RESPONSE_1,
        222,
      ],
      ['4803 3330 37c1 c0bf', RESPONSE_2, 222],
      [
        `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153
         444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`,
        RESPONSE_3,
        215,
      ],
    ],
  },
  {
    name: 'C.6 responses with Huffman coding, with eviction',
    tableBytes: 256,
    steps: [
      [
        `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8
         e9ae 82ae 43d3`,
        RESPONSE_1,
        222,
      ],
      ['4883 640e ffc1 c0bf', RESPONSE_2, 222],
      [
        `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b
         3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
        RESPONSE_3,
        215,
      ],
    ],
  },
];

describe('RFC 7541 Appendix C', () => {
  it.each(SERIES)('$name', ({ tableBytes, steps }) => {
    const decoder = newDecoder();
    // C.5 and C.6 presume a table of 256 bytes: announced by us, taken up by the encoder with a size update.
    const update = tableBytes === 4096 ? Buffer.alloc(0) : hex('3f e1 01');
    if (tableBytes !== 4096) decoder.setTableLimit(tableBytes);
    for (const [index, [block, fields, bytes]] of steps.entries()) {
      const wire = index === 0 ? Buffer.concat([update, hex(block)]) : hex(block);
      expect(decode(decoder, wire)).toEqual({ outcome: 'ok', fields });
      expect(decoder.tableBytes).toBe(bytes);
    }
  });

  it.each([
    ['C.2.1 literal with indexing', '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', ['custom-key', 'custom-header'], 55],
    ['C.2.2 literal without indexing', '040c 2f73 616d 706c 652f 7061 7468', [':path', '/sample/path'], 0],
    ['C.2.3 literal never indexed', '1008 7061 7373 776f 7264 0673 6563 7265 74', ['password', 'secret'], 0],
    ['C.2.4 indexed field', '82', [':method', 'GET'], 0],
  ])('%s', (_name, block, fields, tableBytes) => {
    const decoder = newDecoder();
    expect(decode(decoder, hex(block))).toEqual({ outcome: 'ok', fields });
    expect(decoder.tableBytes).toBe(tableBytes);
  });
});

const decoded = (code: string): string | number => {
  const target = Buffer.alloc(64);
  const length = decodeHuffman(hex(code), 0, hex(code).length, target);
  return length < 0 ? length : target.toString('latin1', 0, length);
};

describe('Huffman strings', () => {
  it('decodes text, and nothing', () => {
    expect(decoded('f1e3 c2e5 f23a 6ba0 ab90 f4ff')).toBe('www.example.com');
    expect(decoded('')).toBe('');
  });

  it.each([
    ['padding of zeros', '18'],
    ['padding of eight ones', 'f1e3 c2e5 f23a 6ba0 ab90 f4ff ff'],
    ['the code of EOS', 'ff ff ff ff'],
    ['a code that is cut off', 'ff c0'],
  ])('refuses %s', (_name, code) => {
    expect(decoded(code)).toBe(-1);
  });
});

describe('malformed blocks', () => {
  it.each([
    ['index 0', '80'],
    ['an index that neither table has', 'be'],
    ['a name index that neither table has', '7f 80 01 00'],
    ['a literal without a value', '0f 01'],
    ['a string longer than the block', '00 05 61 62'],
    ['an integer without an end', '7f 80 80 80'],
    ['an integer over 2^28', 'ff ff ff ff ff 7f'],
    ['an integer of endless zeros', 'ff 80 80 80 80 80 80 80 80 80 80 00'],
    ['a bad Huffman string', '00 01 61 81 00'],
    ['a size update over our limit', '3f e2 1f'],
    ['a size update after a field', '82 20'],
  ])('refuses %s', (_name, block) => {
    expect(decode(newDecoder(), hex(block)).outcome).toBe('malformed');
  });

  it('insists on a size update after we reduced the table', () => {
    expect(decode(newDecoder(0), hex('82')).outcome).toBe('malformed');
    const decoder = newDecoder(0);
    expect(decode(decoder, hex('20 82')).outcome).toBe('ok');
    // Once is enough.
    expect(decode(decoder, hex('82')).outcome).toBe('ok');
  });

  it('does not ask for an update of an encoder that had turned the table off already', () => {
    const decoder = newDecoder();
    expect(decode(decoder, hex('20 82')).outcome).toBe('ok');
    decoder.setTableLimit(0);
    expect(decode(decoder, hex('82')).outcome).toBe('ok');
  });

  it('evicts at a size update, so that an older index is gone', () => {
    const decoder = newDecoder();
    expect(decode(decoder, hex('4001 6101 62')).fields).toEqual(['a', 'b']);
    expect(decode(decoder, hex('be')).fields).toEqual(['a', 'b']);
    expect(decode(decoder, hex('20 3f e1 1f be')).outcome).toBe('malformed');
  });
});

describe('the limit of a header list', () => {
  it('cuts the list short but keeps the table in step', () => {
    const decoder = newDecoder(undefined, 100);
    // Three fields of 34 bytes: the third is over the limit, yet it is in the table afterwards.
    const { outcome, fields } = decode(decoder, hex('4001 6101 31 4001 6201 32 4001 6301 33'));
    expect(outcome).toBe('too-large');
    expect(fields).toEqual(['a', '1', 'b', '2']);
    expect(decode(decoder, hex('be')).fields).toEqual(['c', '3']);
  });
});

const firstByte = (name: string): number => (encodeBlock([name, 'x'])[0] ?? 0) & 0xf0;

describe('encoder', () => {
  it('is understood by the decoder, octet by octet', () => {
    const octets = String.fromCharCode(...Array.from({ length: 256 }, (_, code) => code));
    const fields = [':status', '200', ':method', 'PATCH', ':path', '/', 'content-type', 'text/plain', 'x-octets', octets, 'x-empty', '', 'x-long', 'y'.repeat(5000)];
    const block = Buffer.from(encodeBlock(fields));
    expect(decode(newDecoder(), block)).toEqual({ outcome: 'ok', fields });
  });

  it('needs one byte for what the static table has whole', () => {
    expect(encodeBlock([':status', '404', ':method', 'GET'])).toEqual(new Uint8Array([0x8d, 0x82]));
  });

  it('never lets a credential be indexed by a later hop', () => {
    expect(['authorization', 'cookie', 'proxy-authorization', 'set-cookie'].map(firstByte)).toEqual([0x10, 0x10, 0x10, 0x10]);
    expect(firstByte('accept')).toBe(0x00);
  });

  it('leaves the decoder table empty', () => {
    const decoder = newDecoder();
    decode(decoder, Buffer.from(encodeBlock(['x-a', 'b', 'accept', '*/*'])));
    expect(decoder.tableBytes).toBe(0);
  });

  it('starts afresh after reset', () => {
    const writer = new BlockWriter();
    writer.field('a', '1');
    expect(Buffer.from(writer.reset().field('b', '2').block())).toEqual(Buffer.from(encodeBlock(['b', '2'])));
  });
});
