import { describe, expect, it } from '@jest/globals';
import { ResponseReader } from './http1.js';

const WITH_LENGTH = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello';
const CHUNKED = 'HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n';
const EMPTY = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';

function read(...chunks: readonly string[]): readonly string[] {
  const reader = new ResponseReader();
  return chunks.flatMap((chunk) => reader.push(Buffer.from(chunk)).map(({ status, body }) => `${status} ${body.toString()}`));
}

describe('responses', () => {
  it('may come several at a time', () => {
    expect(read(WITH_LENGTH + CHUNKED + EMPTY)).toEqual(['200 hello', '503 abc0123456789', '200 ']);
  });

  it('may come byte by byte', () => {
    expect(read(...(WITH_LENGTH + CHUNKED + EMPTY))).toEqual(['200 hello', '503 abc0123456789', '200 ']);
  });

  it.each([
    ['without a length', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['of another protocol', 'SSH-2.0\r\n\r\n'],
    ['with a bad chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n'],
  ])('%s are refused', (_, text) => expect(() => read(text)).toThrow());
});
