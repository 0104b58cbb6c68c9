/**
 * Lower and upper case as Go has it: letter by letter, each to one letter. JavaScript maps some letters to several
 * (`ß` → `SS`) and looks at what surrounds them.
 */

export function goLowerCase(text: string): string {
  return byLetter(text, (letter) => (letter === 'İ' ? 'i' : letter.toLowerCase()));
}

export function goUpperCase(text: string): string {
  return byLetter(text, upperLetter);
}

/** Greek letters with iota below: one capital letter for Go, two letters for JavaScript. */
const IOTA_BELOW: ReadonlyMap<string, string> = new Map([...iotas(0x1f80), ...iotas(0x1f90), ...iotas(0x1fa0), ['ᾳ', 'ᾼ'], ['ῃ', 'ῌ'], ['ῳ', 'ῼ']]);

function iotas(first: number): [string, string][] {
  return Array.from({ length: 8 }, (_, index) => [String.fromCodePoint(first + index), String.fromCodePoint(first + 8 + index)]);
}

function upperLetter(letter: string): string {
  return IOTA_BELOW.get(letter) ?? letter.toUpperCase();
}

const ASCII = /^[\0-\x7f]*$/;

function byLetter(text: string, map: (letter: string) => string): string {
  if (ASCII.test(text)) return map(text);
  return Array.from(text, (letter) => {
    const mapped = map(letter);
    return [...mapped].length === 1 ? mapped : letter;
  }).join('');
}
