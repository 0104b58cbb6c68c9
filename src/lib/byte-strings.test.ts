import { describe, expect, it } from '@jest/globals';
import { ByteStrings } from './byte-strings.js';

describe('byte strings', () => {
  it('have a number each, the same for the same bytes', () => {
    const strings = new ByteStrings();
    const texts = Array.from({ length: 3000 }, (_, index) => `text ${index}`);
    const numbers = texts.map((text) => strings.add(Buffer.from(text)));
    expect(texts.map((text) => strings.find(Buffer.from(text)))).toEqual(numbers);
    expect(numbers.map((number) => strings.get(number).toString())).toEqual(texts);
    expect([strings.size, strings.find(Buffer.from('another'))]).toEqual([3000, undefined]);
  });

  it('may be empty, or a part of something', () => {
    const strings = new ByteStrings();
    const bytes = Buffer.from('a part of it');
    const part = strings.add(bytes, 2, 6);
    expect(strings.get(part).toString()).toBe('part');
    expect(strings.lengthOf(strings.add(Buffer.alloc(0)))).toBe(0);
    expect([strings.isAt(part, bytes, 2), strings.isAt(part, bytes, 3), strings.isAt(part, bytes, 10)]).toEqual([true, false, false]);
  });
});
