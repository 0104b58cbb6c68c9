import { RE2JS } from 're2js';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { Matcher } from './ast.js';
import { regexCost } from './regex-cost.js';
import { isValidUtf8 } from './strings.js';

/**
 * Matchers as Prometheus evaluates them: RE2, anchored on both ends, `.` matches newline. Never JavaScript's RegExp, which
 * knows another language and takes exponential time.
 */

/** Characters that Go's regexp.QuoteMeta would escape. */
const META = /[\\.+*?()|[\]{}^$]/;

/** Whether a whole value matches. */
export type Predicate = (value: string) => boolean;

/**
 * Those that were compiled last: a query's are read, checked, and compared with each rule. Two generations: when the young one has cost enough, it
 * becomes the old one, and the old one is dropped.
 */
class Remembered {
  #young = new Map<string, Predicate>();
  #old: ReadonlyMap<string, Predicate> = new Map();
  #cost = 0;

  get(pattern: string): Predicate | undefined {
    return this.#young.get(pattern) ?? this.#old.get(pattern);
  }

  keep(pattern: string, accepts: Predicate): void {
    const cost = regexCost(pattern);
    if (cost > MAX_REMEMBERED_COST) return;
    if (this.#cost + cost > MAX_REMEMBERED_COST) {
      this.#old = this.#young;
      [this.#young, this.#cost] = [new Map(), 0];
    }
    this.#young.set(pattern, accepts);
    this.#cost += cost;
  }
}

/** An instruction takes about a hundred bytes. */
const MAX_REMEMBERED_COST = 200_000;
const remembered = new Remembered();

/** Compiles what stands right of `=~`. The error is RE2's. */
export function compileRegex(pattern: string): Result<Predicate, string> {
  const alternatives = pattern.split('|');
  if (alternatives.every((alternative) => !META.test(alternative))) {
    const set = new Set(alternatives);
    return ok((value) => set.has(value));
  }
  if (!isValidUtf8(pattern)) return err('error parsing regexp: invalid UTF-8');
  const known = remembered.get(pattern);
  if (known !== undefined) return ok(known);
  try {
    const compiled = RE2JS.compile(pattern, RE2JS.DOTALL);
    const accepts: Predicate = (value) => compiled.matches(value);
    remembered.keep(pattern, accepts);
    return ok(accepts);
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
