import { ParseFailure } from './failure.js';
import { isPrintable, quote } from './strings.js';
import { scanDuration, scanNumber } from './scan-number.js';
import { DURATION_KEYWORDS, FILL_KEYWORDS, KEYWORDS, NUMBER_WORDS } from './tokens.js';
import type { Token, TokenType } from './tokens.js';

/**
 * Text to tokens, one at a time, with the modes of Prometheus's lexer: inside braces there are no keywords, inside brackets no
 * identifiers, and a comment ends at CR or LF. What this lexer does not know, it refuses.
 */

const SYMBOLS = new Set([',', '*', '/', '%', '+', '-', '^', '@']);
const DURATION_SYMBOLS = new Set([',', '*', '/', '%', '+', '-', '^', '(', ')', ':', ']']);
const MAX_RUNE = 0x10ffff;
interface EscapeRule {
  readonly digits: number;
  readonly octal: boolean;
  readonly max: number;
}

const OCTAL: EscapeRule = { digits: 3, octal: true, max: 255 };
const NUMERIC_ESCAPES: ReadonlyMap<string, EscapeRule> = new Map<string, EscapeRule>([
  ...[...'01234567'].map((digit): [string, EscapeRule] => [digit, OCTAL]),
  ['x', { digits: 2, octal: false, max: 255 }],
  ['u', { digits: 4, octal: false, max: MAX_RUNE }],
  ['U', { digits: 8, octal: false, max: MAX_RUNE }],
]);

export class Lexer {
  readonly #input: string;
  #pos = 0;
  #start = 0;
  #parenDepth = 0;
  #inBraces = false;
  #inBrackets = false;
  /** At the start of a range, before its first number: stricter than the rest of the brackets. */
  #inDuration = false;
  #sawColon = false;
  #sawDuration = false;

  constructor(input: string) {
    this.#input = input;
  }

  /** The next token that is no comment. Throws ParseFailure. */
  next(): Token {
    for (;;) {
      this.#skipSpaces();
      this.#start = this.#pos;
      if (this.#inDuration || this.#char() !== '#') break;
      this.#skipComment();
    }
    if (this.#inDuration) return this.#durationToken();
    return this.#inBraces ? this.#tokenInBraces() : this.#token();
  }

  #char(): string {
    return this.#input.charAt(this.#pos);
  }

  /** The character at the start of the token, whole, as Go's %q would print it. */
  #shown(offset = 0): string {
    const code = this.#input.codePointAt(this.#start + offset);
    if (code === undefined || code === 0xfffd || (code >= 0xd800 && code < 0xe000)) return "'\uFFFD'";
    const char = String.fromCodePoint(code);
    return char === "'" ? `'\\''` : char === '"' ? `'"'` : `'${quote(char).slice(1, -1)}'`;
  }

  #fail(message: string, start = this.#start): never {
    throw new ParseFailure(message, { start, end: this.#input.length });
  }

  #skipSpaces(): void {
    while (/^[ \t\r\n]$/.test(this.#char())) this.#pos += 1;
  }

  #skipComment(): void {
    while (this.#pos < this.#input.length && this.#char() !== '\n' && this.#char() !== '\r') this.#pos += 1;
  }

  #emit(type: TokenType, word = ''): Token {
    return { type, word, text: this.#input.slice(this.#start, this.#pos), start: this.#start, end: this.#pos };
  }

  #symbol(length: number): Token {
    this.#pos = this.#start + length;
    return this.#emit('symbol', this.#input.slice(this.#start, this.#pos));
  }

  #token(): Token {
    const char = this.#char();
    if (char === '') return this.#end();
    if (SYMBOLS.has(char)) return this.#symbol(1);
    if (/^[=!<>]$/.test(char)) return this.#comparison(char);
    if (this.#atNumber()) return this.#number();
    if (/^["'`]$/.test(char)) return this.#string();
    if (/^[A-Za-z_:]$/.test(char)) return this.#inBrackets ? this.#wordInBrackets(char) : this.#word();
    return this.#bracket(char);
  }

  #end(): Token {
    if (this.#parenDepth !== 0) this.#fail('unclosed left parenthesis');
    if (this.#inBrackets) this.#fail('unclosed left bracket');
    return this.#emit('eof');
  }

  #comparison(char: string): Token {
    const next = this.#input.charAt(this.#pos + 1);
    if (char === '=' && next === '~') this.#fail("unexpected character after '=': '~'");
    if (char === '!' && next !== '=') this.#fail(`unexpected character after '!': ${this.#shown(1)}`);
    return this.#symbol(next === '=' || (next === '/' && char !== '=') ? 2 : 1);
  }

  #bracket(char: string): Token {
    switch (char) {
      case '(':
        this.#parenDepth += 1;
        return this.#symbol(1);
      case ')':
        return this.#rightParen();
      case '{':
        this.#inBraces = true;
        return this.#symbol(1);
      case '[':
        if (this.#inBrackets) this.#fail("unexpected left bracket '['");
        this.#inBrackets = true;
        this.#inDuration = true;
        this.#sawColon = false;
        return this.#symbol(1);
      case ']':
        if (!this.#inBrackets) this.#fail("unexpected right bracket ']'");
        this.#inBrackets = false;
        return this.#symbol(1);
      default:
        return this.#fail(`unexpected character: ${this.#shown()}`);
    }
  }

  #rightParen(): Token {
    this.#parenDepth -= 1;
    if (this.#parenDepth < 0) this.#fail("unexpected right parenthesis ')'", this.#start + 1);
    return this.#symbol(1);
  }

  #wordInBrackets(char: string): Token {
    if (char === ':') {
      if (this.#sawColon) this.#fail("unexpected colon ':'");
      this.#sawColon = true;
      return this.#symbol(1);
    }
    return this.#durationKeyword() ?? this.#fail(`unexpected character: ${this.#shown()}, expected ':'`);
  }

  #word(): Token {
    while (/^[A-Za-z0-9_:]$/.test(this.#char())) this.#pos += 1;
    const word = this.#input.slice(this.#start, this.#pos).toLowerCase();
    if (NUMBER_WORDS.has(word)) return this.#emit('number');
    if (KEYWORDS.has(word)) return FILL_KEYWORDS.has(word) && !this.#beforeLeftParen() ? this.#emit('identifier') : this.#emit('keyword', word);
    return this.#emit(word.includes(':') ? 'metric' : 'identifier');
  }

  #beforeLeftParen(): boolean {
    const pattern = /[ \t\r\n]*\(/y;
    pattern.lastIndex = this.#pos;
    return pattern.test(this.#input);
  }

  #tokenInBraces(): Token {
    const char = this.#char();
    if (char === '') this.#fail('unexpected end of input inside braces');
    if (/^[A-Za-z_]$/.test(char)) {
      while (/^[A-Za-z0-9_]$/.test(this.#char())) this.#pos += 1;
      return this.#emit('identifier');
    }
    if (/^["'`]$/.test(char)) return this.#string();
    const next = this.#input.charAt(this.#pos + 1);
    switch (char) {
      case ',':
        return this.#symbol(1);
      case '=':
        return this.#symbol(next === '~' ? 2 : 1);
      case '!':
        return next === '~' || next === '=' ? this.#symbol(2) : this.#fail(`unexpected character after '!' inside braces: ${this.#shown(1)}`);
      case '{':
        return this.#fail("unexpected left brace '{'");
      case '}':
        this.#inBraces = false;
        return this.#symbol(1);
      default:
        return this.#fail(`unexpected character inside braces: ${this.#shown()}`);
    }
  }

  #durationToken(): Token {
    const char = this.#char();
    if (char === '') this.#fail('unexpected end of input in duration expression');
    if (this.#atNumber()) {
      this.#sawDuration = true;
      this.#inDuration = false;
      return this.#number();
    }
    if (!DURATION_SYMBOLS.has(char)) {
      return this.#durationKeyword() ?? this.#fail(`unexpected character in duration expression: ${this.#shown()}`);
    }
    if (char === '(') this.#parenDepth += 1;
    if (char === ')') return this.#rightParen();
    if (char === ':') this.#colonInDuration();
    if (char === ']') {
      this.#inBrackets = false;
      this.#inDuration = false;
    }
    return this.#symbol(1);
  }

  #colonInDuration(): void {
    if (!this.#sawDuration) this.#fail('unexpected colon before duration in duration expression', this.#start + 1);
    if (this.#sawColon) this.#fail('unexpected repeated colon in duration expression', this.#start + 1);
    this.#sawColon = true;
  }

  #durationKeyword(): Token | undefined {
    while (/^[A-Za-z_]$/.test(this.#char())) this.#pos += 1;
    const word = this.#input.slice(this.#start, this.#pos).toLowerCase();
    return DURATION_KEYWORDS.has(word) ? this.#emit('keyword', word) : undefined;
  }

  #atNumber(): boolean {
    return /^(?:\d|\.\d)/.test(this.#input.slice(this.#pos, this.#pos + 2));
  }

  #number(): Token {
    const number = scanNumber(this.#input, this.#pos);
    this.#pos = number.end;
    if (number.valid) return this.#emit('number');
    const duration = scanDuration(this.#input, this.#pos);
    this.#pos = duration.end;
    if (duration.valid) return this.#emit('duration');
    return this.#fail(`bad number or duration syntax: ${quote(this.#input.slice(this.#start, this.#pos))}`);
  }

  #string(): Token {
    const delimiter = this.#char();
    this.#pos += 1;
    for (;;) {
      const char = this.#char();
      if (char === '' || (char === '\n' && delimiter !== '`')) this.#fail(delimiter === '`' ? 'unterminated raw string' : 'unterminated quoted string');
      const code = this.#input.codePointAt(this.#pos) ?? 0;
      if (code === 0xfffd || (code >= 0xd800 && code < 0xe000)) this.#fail('invalid UTF-8 rune');
      this.#pos += code > 0xffff ? 2 : 1;
      if (char === delimiter) return this.#emit('string');
      if (char === '\\' && delimiter !== '`') this.#escape(delimiter);
    }
  }

  #escape(delimiter: string): void {
    const char = this.#char();
    if (char === '') this.#fail('escape sequence not terminated');
    if (char === delimiter || 'abfnrtv\\'.includes(char)) {
      this.#pos += 1;
      return;
    }
    const rule = NUMERIC_ESCAPES.get(char) ?? this.#fail(`unknown escape sequence ${this.#rune()}`);
    if (!rule.octal) this.#pos += 1;
    const digits = this.#pos;
    for (; this.#pos < digits + rule.digits; this.#pos += 1) {
      if (this.#char() === '') this.#fail('escape sequence not terminated');
      if (!(rule.octal ? /^[0-7]$/ : /^[\da-f]$/i).test(this.#char())) this.#fail(`illegal character ${this.#rune()} in escape sequence`);
    }
    const value = Number.parseInt(this.#input.slice(digits, this.#pos), rule.octal ? 8 : 16);
    if (value > rule.max || (value >= 0xd800 && value < 0xe000)) this.#fail('escape sequence is an invalid Unicode code point');
  }

  /** Go's %#U of the character at hand. */
  #rune(): string {
    const code = this.#input.codePointAt(this.#pos) ?? 0xfffd;
    const char = String.fromCodePoint(code);
    const name = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
    return isPrintable(char) ? `${name} '${char}'` : name;
  }
}
