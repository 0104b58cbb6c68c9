import { textOf } from './json.js';

/** Numbers as Prometheus's API writes them, in texts. */

export function readValue(value: unknown): number {
  const text = textOf(value);
  return text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : text === '' ? Number.NaN : Number(text);
}

/** Where there is an exponent, it has two digits. */
export function formatValue(value: number): string {
  if (Object.is(value, -0)) return '-0';
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  return Math.abs(value) < 1e-6 ? `${value}`.replace(/e-(\d)$/, 'e-0$1') : `${value}`;
}
