import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';

/**
 * Parameters as Prometheus sees them: those of the body before those of the URL, and of several the first. What Go's parser would
 * silently drop (`;`, bad escapes) is refused, and so is what is no UTF-8.
 */

const MAX_PAIRS = 1_000;

export class Form {
  readonly #pairs: readonly (readonly [string, string])[];

  constructor(pairs: readonly (readonly [string, string])[]) {
    this.#pairs = pairs;
  }

  first(name: string): string | undefined {
    return this.#pairs.find(([key]) => key === name)?.[1];
  }

  all(name: string): readonly string[] {
    return this.#pairs.flatMap(([key, value]) => (key === name ? [value] : []));
  }
}

/** `body`: of `application/x-www-form-urlencoded`, '' where there is none. */
export function readForm(body: string, query: string): Result<Form, string> {
  const pairs: (readonly [string, string])[] = [];
  for (const pair of [...body.split('&'), ...query.split('&')]) {
    if (pair === '') continue;
    if (pair.includes(';')) return err('a semicolon between parameters');
    const equals = pair.indexOf('=');
    const [key, value] = equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
    const [name, decoded] = [decode(key), decode(value)];
    if (name === undefined || decoded === undefined) return err('a percent escape or a character that cannot be read');
    if (pairs.length === MAX_PAIRS) return err(`more than ${MAX_PAIRS} parameters`);
    pairs.push([name, decoded]);
  }
  return ok(new Form(pairs));
}

function decode(text: string): string | undefined {
  return decodePercent(text.replaceAll('+', ' '));
}

/** Once, and only to valid UTF-8; undefined where that cannot be. */
export function decodePercent(text: string): string | undefined {
  if (!text.isWellFormed() || text.includes('\uFFFD')) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
