import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { VectorSelector } from '../promql/ast.js';
import { Merges } from '../promql/enforce/merge.js';
import type { Policy } from '../promql/enforce/policy.js';
import { Restrictions, withMatchers } from '../promql/enforce/restrict.js';
import { uncovered } from '../promql/enforce/verify.js';
import { formatParseError, parse } from '../promql/parse.js';
import { print } from '../promql/print.js';
import { RegexBudget } from '../promql/regex-cost.js';
import { MAX_MATCHERS } from './limits.js';
import type { Limits } from './limits.js';
import { refuse } from './refusal.js';
import type { Refusal } from './refusal.js';

/**
 * `match[]`, where the API itself means OR: what the caller selects AND what a rule allows, once for each pair. An empty list would
 * mean everything, so whoever gets one answers without asking.
 */

const MAX_SELECTORS = 200;

/** The caller's selectors, restricted; of all series where the caller gives none. */
export function restrictMatches(texts: readonly string[], policy: Policy, limits: Limits): Result<readonly string[], Refusal> {
  const read = readSelectors(texts, limits);
  if (!read.ok) return read;
  const asked = read.value;
  const merges = new Merges();
  const restrictions = new Restrictions(policy, merges);
  const printed = new Set<string>();
  for (const selector of asked.length === 0 ? [EVERYTHING] : asked) {
    for (const allowed of allowedOf(selector, restrictions)) printed.add(print(allowed));
    // Here and not at the end: with many rules each selector is work.
    if (printed.size > MAX_SELECTORS) return refuse('query_over_limit', `more than ${MAX_SELECTORS} selectors would be needed`);
  }
  const open = [...printed].find((text) => !isCovered(text, policy, merges));
  return open === undefined ? ok([...printed]) : refuse('query_unenforceable', open);
}

/** All of one request, which together may be no more than one query. */
export function readSelectors(texts: readonly string[], limits: Limits): Result<readonly VectorSelector[], Refusal> {
  const chars = texts.reduce((sum, { length }) => sum + length, 0);
  if (texts.length > MAX_SELECTORS) return refuse('query_over_limit', `${texts.length} selectors, and at most ${MAX_SELECTORS} are allowed`);
  if (chars > limits.maxQueryChars) return refuse('query_over_limit', `selectors of ${chars} characters, and at most ${limits.maxQueryChars} are allowed`);
  const regexes = new RegexBudget();
  const selectors: VectorSelector[] = [];
  for (const text of texts) {
    const selector = readSelector(text, limits, regexes);
    if (!selector.ok) return selector;
    selectors.push(selector.value);
  }
  const matchers = selectors.reduce((sum, selector) => sum + 1 + selector.matchers.length, 0);
  return matchers <= MAX_MATCHERS ? ok(selectors) : refuse('query_over_limit', `${matchers} selectors and matchers, and at most ${MAX_MATCHERS} are allowed`);
}

/** Without offset, `@` and range, as Prometheus wants it there. */
function readSelector(text: string, limits: Limits, regexes: RegexBudget): Result<VectorSelector, Refusal> {
  const parsed = parse(text, { maxLength: limits.maxQueryChars, maxDepth: limits.maxDepth, regexes });
  if (!parsed.ok) return refuse(parsed.error.reason === 'syntax' ? 'query_invalid' : 'query_over_limit', `invalid parameter "match[]": ${formatParseError(parsed.error)}`);
  const { value } = parsed;
  if (value.kind === 'vector' && value.offset === undefined && value.at === undefined) return ok(value);
  return refuse('query_invalid', `invalid parameter "match[]": not a plain selector: ${print(value)}`);
}

/** What a rule's matchers are added to. */
export const EVERYTHING: VectorSelector = { kind: 'vector', name: undefined, matchers: [], offset: undefined, at: undefined, anchored: false, smoothed: false, span: { start: 0, end: 0 } };

function allowedOf(selector: VectorSelector, restrictions: Restrictions): readonly VectorSelector[] {
  const restriction = restrictions.of(selector);
  switch (restriction.kind) {
    case 'unchanged':
      return [selector];
    case 'denied':
      return [];
    case 'branches':
      return restriction.branches.map(({ matchers }) => withMatchers(selector, matchers));
  }
}

function isCovered(text: string, policy: Policy, merges: Merges): boolean {
  const again = parse(text, { maxLength: text.length, regexes: 'known' });
  return again.ok && again.value.kind === 'vector' && uncovered(again.value, policy, merges) === undefined;
}
