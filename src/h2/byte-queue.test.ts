import { describe, expect, it } from '@jest/globals';
import { ByteQueue } from './byte-queue.js';
import { CHUNK_BYTES } from './chunks.js';

/** All that waits, in portions of at most `portion` bytes. */
function drain(queue: ByteQueue, portion: number): Buffer[] {
  const portions: Buffer[] = [];
  for (let head = queue.head(); head !== undefined; head = queue.head()) {
    const part = Math.min(portion, head.end - head.start);
    portions.push(Buffer.from(head.bytes.subarray(head.start, head.start + part)));
    queue.drop(part);
  }
  return portions;
}

/** No two places near each other look alike. */
const pattern = (bytes: number): Buffer => Buffer.from(Array.from({ length: bytes }, (_, i) => (i * 7 + (i >> 8)) & 0xff));

describe('ByteQueue', () => {
  it.each([
    ['nothing', []],
    ['one byte', [1]],
    ['small pieces', [10, 20, 30]],
    ['a whole chunk', [CHUNK_BYTES]],
    ['a byte more than a chunk', [CHUNK_BYTES + 1]],
    ['large and small pieces', [3, 3 * CHUNK_BYTES, 5, 100_000]],
  ])('gives what was put in, in order: %s', (_name, sizes) => {
    const all = pattern(sizes.reduce((sum, size) => sum + size, 0));
    const queue = new ByteQueue();
    let at = 0;
    for (const size of sizes) {
      queue.push(all, at, at + size);
      at += size;
    }
    expect(queue.length).toBe(all.length);
    expect(Buffer.concat(drain(queue, 1000)).equals(all)).toBe(true);
    expect(queue.length).toBe(0);
  });

  it('copies: the source may change at once', () => {
    const queue = new ByteQueue();
    const source = Buffer.from('before');
    queue.push(source, 0, source.length);
    source.write('after!');
    expect(drain(queue, 100).map(String)).toEqual(['before']);
  });

  it('puts small pieces side by side', () => {
    const queue = new ByteQueue();
    for (const piece of ['a', 'b', 'c']) queue.push(Buffer.from(piece), 0, 1);
    expect(drain(queue, 100).map(String)).toEqual(['abc']);
  });

  it('goes on after it was empty, and after it was cleared', () => {
    const queue = new ByteQueue();
    queue.push(Buffer.from('one'), 0, 3);
    drain(queue, 2);
    queue.push(Buffer.from('two'), 0, 3);
    queue.clear();
    expect([queue.length, queue.head()]).toEqual([0, undefined]);
    queue.push(Buffer.from('three'), 0, 5);
    expect(drain(queue, 100).map(String)).toEqual(['three']);
  });

  it('two of them never share bytes', () => {
    const [one, other] = [new ByteQueue(), new ByteQueue()];
    one.push(pattern(CHUNK_BYTES), 0, CHUNK_BYTES);
    one.clear();
    one.push(Buffer.from('one'), 0, 3);
    other.push(Buffer.from('other'), 0, 5);
    expect([...drain(one, 100), ...drain(other, 100)].map(String)).toEqual(['one', 'other']);
  });

  it('throws where more is dropped than there is', () => {
    const queue = new ByteQueue();
    queue.push(Buffer.from('one'), 0, 3);
    expect(() => queue.drop(4)).toThrow(RangeError);
  });
});
