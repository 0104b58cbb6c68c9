/**
 * How far a number or a duration reaches, by the rules of Prometheus's lexer: generous on purpose, so that `1_000` and `0x1F`
 * pass and `1e` or `1__0` are found out, here or when the value is computed.
 */

export interface Scan {
  readonly valid: boolean;
  readonly end: number;
}

const WORD = /^[A-Za-z0-9_]$/;

/** A reading position that moves over what it accepts. */
class Cursor {
  readonly #input: string;
  pos: number;

  constructor(input: string, pos: number) {
    this.#input = input;
    this.pos = pos;
  }

  is(set: string): boolean {
    const char = this.#input.charAt(this.pos);
    return char !== '' && set.includes(char);
  }

  accept(set: string): boolean {
    const found = this.is(set);
    if (found) this.pos += 1;
    return found;
  }

  acceptRun(set: string): void {
    while (this.accept(set));
  }

  atEnd(): boolean {
    return this.pos >= this.#input.length;
  }

  atWord(): boolean {
    return WORD.test(this.#input.charAt(this.pos));
  }
}

export function scanNumber(input: string, start: number): Scan {
  const cursor = new Cursor(input, start);
  let digits = '0123456789';
  if (cursor.accept('0') && cursor.accept('xX')) {
    cursor.accept('_');
    digits = '0123456789abcdefABCDEF';
  }
  const hexadecimal = digits.length > 10;
  cursor.accept('.');
  cursor.accept(digits);
  const seen = { dot: false, exponent: false };
  while (cursor.is(`${digits}._eE`)) {
    if (!scanPart(cursor, digits, seen, hexadecimal)) return { valid: false, end: cursor.pos };
  }
  return { valid: cursor.pos > start && !cursor.atWord(), end: cursor.pos };
}

/** One dot, exponent, underscore or run of digits. */
function scanPart(cursor: Cursor, digits: string, seen: { dot: boolean; exponent: boolean }, hexadecimal: boolean): boolean {
  if (cursor.accept('.')) {
    if (seen.dot) return false;
    seen.dot = true;
    return !cursor.accept('_.') && !hexadecimal;
  }
  if (cursor.accept('eE')) {
    if (seen.exponent) return false;
    seen.exponent = true;
    cursor.accept('+-');
    return !cursor.accept('._eE') && !cursor.atEnd();
  }
  if (cursor.accept('_')) return !cursor.accept('._eE') && !cursor.atEnd();
  cursor.acceptRun(digits);
  return true;
}

/** The rest of a duration, from its first unit on. */
export function scanDuration(input: string, pos: number): Scan {
  const cursor = new Cursor(input, pos);
  if (!cursor.accept('smhdwy')) return { valid: false, end: cursor.pos };
  cursor.accept('s');
  while (cursor.accept('0123456789')) {
    cursor.acceptRun('0123456789');
    if (!cursor.accept('smhdw')) return { valid: false, end: cursor.pos };
    cursor.accept('s');
  }
  // The character that should not be there is part of what Prometheus shows.
  return cursor.atWord() ? { valid: false, end: cursor.pos + 1 } : { valid: true, end: cursor.pos };
}
