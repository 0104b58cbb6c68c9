import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { VectorSelector } from '../promql/ast.js';
import { Merges } from '../promql/enforce/merge.js';
import type { Policy } from '../promql/enforce/policy.js';
import { restrict, withMatchers } from '../promql/enforce/restrict.js';
import { uncovered } from '../promql/enforce/verify.js';
import { formatParseError, parse } from '../promql/parse.js';
import { print } from '../promql/print.js';
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
  const asked: VectorSelector[] = [];
  for (const text of texts) {
    const selector = readSelector(text, limits);
    if (!selector.ok) return selector;
    asked.push(selector.value);
  }
  const merges = new Merges();
  const selectors = (asked.length === 0 ? [EVERYTHING] : asked).flatMap((selector) => allowedOf(selector, policy, merges));
  const printed = [...new Set(selectors.map(print))];
  if (printed.length > MAX_SELECTORS) return refuse('query_over_limit', `${printed.length} selectors are needed, and at most ${MAX_SELECTORS} are allowed`);
  const open = printed.find((text) => !isCovered(text, policy, merges));
  return open === undefined ? ok(printed) : refuse('query_unenforceable', open);
}

/** Without offset, `@` and range, as Prometheus wants it there. */
export function readSelector(text: string, limits: Limits): Result<VectorSelector, Refusal> {
  const parsed = parse(text, { maxLength: limits.maxQueryChars, maxDepth: limits.maxDepth });
  if (!parsed.ok) return refuse(parsed.error.reason === 'syntax' ? 'query_invalid' : 'query_over_limit', `invalid parameter "match[]": ${formatParseError(parsed.error)}`);
  const { value } = parsed;
  if (value.kind === 'vector' && value.offset === undefined && value.at === undefined) return ok(value);
  return refuse('query_invalid', `invalid parameter "match[]": not a plain selector: ${print(value)}`);
}

/** What a rule's matchers are added to. */
export const EVERYTHING: VectorSelector = { kind: 'vector', name: undefined, matchers: [], offset: undefined, at: undefined, anchored: false, smoothed: false, span: { start: 0, end: 0 } };

function allowedOf(selector: VectorSelector, policy: Policy, merges: Merges): readonly VectorSelector[] {
  const restriction = restrict(selector, policy, merges);
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
  const again = parse(text, { maxLength: text.length });
  return again.ok && again.value.kind === 'vector' && uncovered(again.value, policy, merges) === undefined;
}
