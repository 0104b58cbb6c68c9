/**
 * String literals as Go's strconv has them: bytes in, bytes out. JavaScript has no byte strings, so a byte that is not part of
 * valid UTF-8 becomes the lone surrogate U+DC00 + byte (as Python's `surrogateescape`), which no valid text can hold.
 */

const SIMPLE_ESCAPES: ReadonlyMap<string, number> = new Map([
  ['a', 7], ['b', 8], ['f', 12], ['n', 10], ['r', 13], ['t', 9], ['v', 11], ['\\', 92], ['"', 34], ["'", 39],
]);
const HEX_DIGITS: ReadonlyMap<string, number> = new Map([['x', 2], ['u', 4], ['U', 8]]);
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;
const NAMED: ReadonlyMap<string, string> = new Map([
  ['\x07', '\\a'], ['\b', '\\b'], ['\f', '\\f'], ['\n', '\\n'], ['\r', '\\r'], ['\t', '\\t'], ['\v', '\\v'], ['\\', '\\\\'], ['"', '\\"'],
]);

/** The value of a literal that the lexer has passed, quotes included. */
export function unquote(literal: string): string {
  const body = literal.slice(1, -1);
  if (literal.startsWith('`') || !body.includes('\\')) return body;
  const bytes: number[] = [];
  for (let i = 0; i < body.length; ) i = appendCharacter(body, i, bytes);
  return decodeBytes(Uint8Array.from(bytes));
}

/** Appends the character or escape at `i`; returns where the next one is. */
function appendCharacter(body: string, i: number, bytes: number[]): number {
  const char = String.fromCodePoint(body.codePointAt(i) ?? 0);
  if (char !== '\\') {
    bytes.push(...Buffer.from(char, 'utf8'));
    return i + char.length;
  }
  const escape = body.charAt(i + 1);
  const simple = SIMPLE_ESCAPES.get(escape);
  if (simple !== undefined) {
    bytes.push(simple);
    return i + 2;
  }
  const hexDigits = HEX_DIGITS.get(escape);
  if (hexDigits === undefined) {
    bytes.push(Number.parseInt(body.slice(i + 1, i + 4), 8));
    return i + 4;
  }
  const end = i + 2 + hexDigits;
  const value = Number.parseInt(body.slice(i + 2, end), 16);
  if (escape === 'x') bytes.push(value);
  else bytes.push(...Buffer.from(String.fromCodePoint(value), 'utf8'));
  return end;
}

function decodeBytes(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('utf8');
  if (!text.includes('\uFFFD')) return text;
  let result = '';
  for (let i = 0; i < bytes.length; ) {
    const length = sequenceLength(bytes, i);
    result += length === 0 ? String.fromCharCode(0xdc00 + (bytes[i] ?? 0)) : Buffer.from(bytes.subarray(i, i + length)).toString('utf8');
    i += Math.max(length, 1);
  }
  return result;
}

/** Length of the valid UTF-8 sequence at `i`, 0 if there is none. */
function sequenceLength(bytes: Uint8Array, i: number): number {
  const lead = bytes[i] ?? 0;
  if (lead < 0x80) return 1;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  const sequence = Buffer.from(bytes.subarray(i, i + length));
  return sequence.length === length && Buffer.from(sequence.toString('utf8'), 'utf8').equals(sequence) ? length : 0;
}

/** A literal in double quotes that Prometheus reads as exactly this value; only printable characters in it. */
export function quote(value: string): string {
  let result = '"';
  for (const char of value) result += NAMED.get(char) ?? (isPrintable(char) && char !== '\uFFFD' ? char : escaped(char));
  return `${result}"`;
}

/** Go's notion of it: letters, marks, numbers, punctuation, symbols, and of the spaces only U+0020. */
export function isPrintable(char: string): boolean {
  return PRINTABLE.test(char);
}

function escaped(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code - 0xdc00).toString(16)}`;
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`;
}

/** Is every byte of it part of valid UTF-8? */
export function isValidUtf8(value: string): boolean {
  return value.isWellFormed();
}
