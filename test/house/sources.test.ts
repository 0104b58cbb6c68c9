import { describe, expect, it } from '@jest/globals';
import { importsOf, withoutComments } from './sources.js';

describe('reading sources', () => {
  it('finds every kind of import', () => {
    const code = `import 'a';
import b from 'b';
import type { C } from "c";
import {
  d,
  type E,
} from 'd';
export * from 'f';
export type { G } from 'g';
const h = await import('h');
type I = import('i').I;
export const notAnImport = 'from "x"';
const from = 'y';`;
    expect(importsOf(code)).toEqual(['a', 'b', 'c', 'd', 'f', 'g', 'h', 'i']);
  });

  it.each([
    ["a; // import 'x'", 'a;  '],
    ["/* import 'x' */ a", '  a'],
    ["const url = 'http://host'; // x", "const url = 'http://host';  "],
    ['const t = `//${a}`;', 'const t = `//${a}`;'],
    ["const r = /[/'*]/; // it's", "const r = /[/'*]/;  "],
    ['const q = a / b; // c / d', 'const q = a / b;  '],
  ])('takes comments, and nothing else, out of: %s', (text, code) => expect(withoutComments(text)).toBe(code));
});
