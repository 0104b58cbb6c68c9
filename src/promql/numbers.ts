import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { quote } from './strings.js';

/**
 * Numbers and durations, read with the rules of Go's strconv and Prometheus's ParseDuration, and printed so that reading them
 * again gives the same value, bit for bit.
 */

const INT64_MAX = 2n ** 63n - 1n;
/** More seconds than this overflow Go's time.Duration, an int64 of ns. */
const DURATION_MAX_SECONDS = 2 ** 63 / 1e9;
const DURATION_MAX_NS = 2n ** 63n - 1n;
const DECIMAL = /^(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:e[+-]?\d[\d_]*)?$/i;
/** An int64 has at most 22 digits, whatever the base; longer ones are not worth a BigInt. */
const MAX_DIGITS = 22;

/** Value of a NUMBER token, which the lexer has let pass: an int64 by Go's base prefixes first, a float otherwise. */
export function parseNumber(text: string): Result<number, string> {
  const word = text.toLowerCase();
  if (word === 'inf') return ok(Infinity);
  if (word === 'nan') return ok(Number.NaN);
  const integer = parseInteger(word);
  if (integer !== undefined && integer <= INT64_MAX) return ok(Number(integer));
  if (!DECIMAL.test(text) || !underscoresSeparateDigits(word)) return err(`error parsing number: strconv.ParseFloat: parsing ${quote(text)}: invalid syntax`);
  const value = Number(text.replaceAll('_', ''));
  if (!Number.isFinite(value)) return err(`error parsing number: strconv.ParseFloat: parsing ${quote(text)}: value out of range`);
  return ok(value);
}

/** Hexadecimal, octal with a leading 0, or decimal. */
function parseInteger(word: string): bigint | undefined {
  if (!underscoresSeparateDigits(word)) return undefined;
  const digits = word.replaceAll('_', '').replace(/^(0x|0)0+(?=.)/, '$1');
  if (digits.length > MAX_DIGITS + 2) return undefined;
  if (/^0x[\da-f]+$/.test(digits)) return BigInt(digits);
  if (/^0[0-7]+$/.test(digits)) return BigInt(`0o${digits}`);
  return /^(?:0|[1-9]\d*)$/.test(digits) ? BigInt(digits) : undefined;
}

/** Go: underscores must separate digits, plus one after a base prefix. */
function underscoresSeparateDigits(word: string): boolean {
  if (!word.includes('_')) return true;
  const number = word.startsWith('0x') ? `0${word.slice(2)}` : word;
  const digit = word.startsWith('0x') ? '[\\da-f]' : '\\d';
  return !new RegExp(`(?<!${digit})_|_(?!${digit})`).test(number);
}

const UNITS: readonly (readonly [string, bigint])[] = [
  ['y', 365n * 86_400_000n], ['w', 7n * 86_400_000n], ['d', 86_400_000n], ['h', 3_600_000n], ['m', 60_000n], ['s', 1_000n], ['ms', 1n],
];
const NS_PER_MS = 1_000_000n;
const NS_PER_SECOND = 1_000_000_000n;

/** Seconds of `1h30m`; units from big to small, each at most once. */
export function parseDuration(text: string): Result<number, string> {
  const invalid = err(`not a valid duration string: ${quote(text)}`);
  if (!/^(?:\d+\D+)+$/.test(text)) return invalid;
  let ns = 0n;
  let last = -1;
  for (const [, count = '', unit = ''] of text.matchAll(/(\d+)(\D+)/g)) {
    if (count.replace(/^0+/, '').length > MAX_DIGITS) return invalid;
    const position = UNITS.findIndex(([name]) => name === unit);
    const size = UNITS[position]?.[1];
    if (size === undefined) return err(`unknown unit ${quote(unit)} in duration ${quote(text)}`);
    if (position <= last) return invalid;
    last = position;
    ns += BigInt(count) * size * NS_PER_MS;
    if (ns > DURATION_MAX_NS) return err('duration out of range');
  }
  return ok(Number(ns / NS_PER_SECOND) + Number(ns % NS_PER_SECOND) / 1e9);
}

/** Does it fit Go's time.Duration? NaN, which Go converts to whatever the processor makes of it, does not. */
export function isDuration(seconds: number): boolean {
  return Math.abs(seconds) < DURATION_MAX_SECONDS;
}

/** Go's time.Duration of so many seconds, which rounds halves away from zero; ns. */
export function durationNs(seconds: number): number {
  return Math.sign(seconds) * Math.round(Math.abs(seconds) * 1e9);
}

/** Plain decimals, never an exponent, the fewest digits that give the same float: Go's FormatFloat(v, 'f', -1, 64), but `Inf` without `+`. */
export function formatNumber(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const size = Math.abs(value);
  if (size === Infinity) return `${sign}Inf`;
  const [mantissa = '', exponent] = String(size).split('e');
  if (exponent === undefined) return sign + mantissa;
  const [whole = '', fraction = ''] = mantissa.split('.');
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  return sign + (point >= digits.length ? digits.padEnd(point, '0') : `${digits.slice(0, point)}.${digits.slice(point)}`);
}

/** `5m`, or plain seconds where the duration syntax cannot say exactly this value. */
export function formatDuration(seconds: number): string {
  const text = unitsOf(Math.round(Math.abs(seconds) * 1000));
  const parsed = parseDuration(text);
  const exact = parsed.ok && Object.is(seconds < 0 || Object.is(seconds, -0) ? -parsed.value : parsed.value, seconds);
  return exact ? (seconds < 0 || Object.is(seconds, -0) ? `-${text}` : text) : formatNumber(seconds);
}

/** Years and weeks only where nothing remains: `90d` reads better than `12w6d`. */
function unitsOf(ms: number): string {
  if (ms === 0 || !Number.isSafeInteger(ms)) return '0s';
  let rest = BigInt(ms);
  let text = '';
  for (const [unit, size] of UNITS) {
    const whole = rest / size;
    if (whole === 0n || ((unit === 'y' || unit === 'w') && rest % size !== 0n)) continue;
    text += `${whole}${unit}`;
    rest -= whole * size;
  }
  return text;
}
