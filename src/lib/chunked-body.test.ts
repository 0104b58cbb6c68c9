import { describe, expect, it } from '@jest/globals';
import { ChunkedBody } from './chunked-body.js';

function strip(text: string, size: number): { readonly content: string; readonly body: ChunkedBody } {
  const body = new ChunkedBody();
  const all = Buffer.from(text);
  let content = '';
  for (let at = 0; at < all.length; at += size) {
    const piece = Buffer.from(all.subarray(at, at + size));
    content += piece.toString('utf8', 0, body.strip(piece, 0, piece.length));
  }
  return { content, body };
}

describe('a body in chunks', () => {
  it.each([1, 2, 3, 7, 1000])('is what it says, in pieces of %d bytes', (size) => {
    const { content, body } = strip('3\r\nabc\r\n1A;a=b\r\n0123456789\r\n0123456789abcd\r\n0\r\nTrailer: x\r\n\r\n', size);
    expect([content, body.isComplete, body.failed]).toEqual(['abc0123456789\r\n0123456789abcd', true, false]);
  });

  it('without content is complete too', () => {
    expect(strip('0\r\n\r\n', 1)).toMatchObject({ content: '', body: { isComplete: true, failed: false } });
  });

  it.each([
    ['in a chunk', '3\r\nab'],
    ['behind a chunk', '3\r\nabc\r\n'],
    ['before the last empty line', '0\r\nTrailer: x\r\n'],
  ])('that ends %s is not complete', (_, text) => {
    expect(strip(text, 2).body).toMatchObject({ isComplete: false, failed: false });
  });

  it.each([
    ['without a size', '\r\nabc'],
    ['with a size that is none', 'x\r\n'],
    ['with a size beyond all', 'fffffffffffff\r\n'],
    ['with a chunk that is longer than its size', '1\r\nab\r\n'],
    ['with an extension without an end', `1;${'x'.repeat(20_000)}\r\na`],
    ['with trailers without an end', `0\r\n${'x: y\r\n'.repeat(5000)}`],
  ])('%s is none', (_, text) => {
    expect(strip(text, 100).body).toMatchObject({ failed: true });
  });
});
