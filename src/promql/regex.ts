import { RE2JS } from 're2js';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { Matcher } from './ast.js';
import { isValidUtf8 } from './strings.js';

/**
 * Matchers as Prometheus evaluates them: RE2, anchored on both ends, `.` matches newline. Never JavaScript's RegExp, which
 * knows another language and takes exponential time.
 */

/** Characters that Go's regexp.QuoteMeta would escape. */
const META = /[\\.+*?()|[\]{}^$]/;

/** Whether a whole value matches. */
export type Predicate = (value: string) => boolean;

/** Compiles what stands right of `=~`. The error is RE2's. */
export function compileRegex(pattern: string): Result<Predicate, string> {
  const alternatives = pattern.split('|');
  if (alternatives.every((alternative) => !META.test(alternative))) {
    const set = new Set(alternatives);
    return ok((value) => set.has(value));
  }
  if (!isValidUtf8(pattern)) return err('error parsing regexp: invalid UTF-8');
  try {
    const compiled = RE2JS.compile(pattern, RE2JS.DOTALL);
    return ok((value) => compiled.matches(value));
  } catch (error) {
    // RE2JS puts the flag into the pattern, and so into its message.
    return err((error instanceof Error ? error.message : String(error)).replace('`(?s)', '`'));
  }
}

/** What the matcher accepts; an error where its regex is none. */
export function compileMatcher({ op, value }: Matcher): Result<Predicate, string> {
  if (op === '=') return ok((candidate) => candidate === value);
  if (op === '!=') return ok((candidate) => candidate !== value);
  const compiled = compileRegex(value);
  if (!compiled.ok || op === '=~') return compiled;
  return ok((candidate) => !compiled.value(candidate));
}
