import { RE2JS } from 're2js';
import { err, ok } from '../lib/result.js';
import type { Fault, Result } from '../lib/result.js';

/**
 * Label matchers in Prometheus's own notation, `{env="prod",team=~"a|b"}`: all must hold; an absent label counts as "";
 * regular expressions are RE2 and anchored at both ends, as in PromQL.
 */
export interface Matcher {
  readonly label: string;
  readonly operator: '=' | '!=' | '=~' | '!~';
  readonly value: string;
}
/** Plain data; `compileSelector` makes the fast form. */
export type Selector = readonly Matcher[];
export type LabelTest = (labels: Readonly<Record<string, string>>) => boolean;

const MAX_SELECTOR_CHARS = 4096;
const MATCHER = /\s*([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*/y;

/**
 * Parses a selector. `place` is where it stands in the input, for the fault.
 * An empty selector (`{}`) matches everything and is allowed: it says so visibly.
 */
export function parseSelector(text: string, place: string): Result<Selector> {
  const fault = (message: string): { ok: false; error: readonly Fault[] } => err([{ place, message }]);
  if (text.length > MAX_SELECTOR_CHARS) return fault(`is longer than ${MAX_SELECTOR_CHARS} characters`);
  const braced = /^\s*\{(.*)\}\s*$/s.exec(text);
  if (!braced) return fault('must be written as {label="value", …}');
  const inner = braced[1] ?? '';
  const matchers: Matcher[] = [];
  let at = 0;
  while (inner.slice(at).trim() !== '') {
    MATCHER.lastIndex = at;
    const found = MATCHER.exec(inner);
    if (!found) return fault(`cannot be read from "${inner.slice(at, at + 20)}" on; expected label="value" with =, !=, =~ or !~`);
    const [, label = '', operator = '', quoted = ''] = found;
    const matcher = { label, operator: operator as Matcher['operator'], value: unquote(quoted) };
    const bad = regexFault(matcher);
    if (bad !== undefined) return fault(`${label}: ${bad}`);
    matchers.push(matcher);
    at = MATCHER.lastIndex;
    if (at < inner.length) {
      if (inner[at] !== ',') return fault(`expected a comma before "${inner.slice(at, at + 20)}"`);
      at += 1;
    }
  }
  return ok(matchers);
}

function unquote(quoted: string): string {
  return quoted.slice(1, -1).replaceAll(/\\(.)/gs, (_, c: string) => (c === 'n' ? '\n' : c === 't' ? '\t' : c));
}

function regexFault(matcher: Matcher): string | undefined {
  if (matcher.operator !== '=~' && matcher.operator !== '!~') return undefined;
  try {
    RE2JS.compile(matcher.value);
    return undefined;
  } catch (error) {
    return `is not a regular expression of RE2: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The selector as one test. Throws on a regular expression that `parseSelector` did not pass. */
export function compileSelector(selector: Selector): LabelTest {
  const tests = selector.map(compileMatcher);
  return (labels) => tests.every((test) => test(labels));
}

function compileMatcher({ label, operator, value }: Matcher): LabelTest {
  const valueOf = (labels: Readonly<Record<string, string>>): string => (Object.hasOwn(labels, label) ? (labels[label] ?? '') : '');
  switch (operator) {
    case '=':
      return (labels) => valueOf(labels) === value;
    case '!=':
      return (labels) => valueOf(labels) !== value;
    case '=~': {
      const pattern = RE2JS.compile(value);
      return (labels) => pattern.matches(valueOf(labels));
    }
    case '!~': {
      const pattern = RE2JS.compile(value);
      return (labels) => !pattern.matches(valueOf(labels));
    }
  }
}

/** Back to Prometheus's notation. */
export function formatSelector(selector: Selector): string {
  return `{${selector.map((m) => `${m.label}${m.operator}${JSON.stringify(m.value)}`).join(',')}}`;
}
