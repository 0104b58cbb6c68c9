import { err, ok } from '../../lib/result.js';
import type { Result } from '../../lib/result.js';
import type { Expr, Span, VectorSelector } from '../ast.js';
import { formatParseError, MAX_DEPTH, parse } from '../parse.js';
import type { ParseOptions } from '../parse.js';
import { print } from '../print.js';
import { selectorsOf } from '../walk.js';
import { Merges } from './merge.js';
import type { Policy } from './policy.js';
import { restrict, withMatchers } from './restrict.js';
import { Refused, Rewriting } from './rewrite.js';
import type { Decision, RefusalReason as RewriteRefusal } from './rewrite.js';
import { uncovered } from './verify.js';

/**
 * Query in, query out: what leaves asks, of all data, what the original asks of the allowed series alone. Nothing of the
 * caller's text is in it, and nothing leaves that was not read again and found covered by the policy.
 */

export interface EnforceOptions extends ParseOptions {
  /** Of one selector. Default: 16. */
  readonly maxBranches?: number;
  /** Nodes of the rewritten tree. Default: 5,000. */
  readonly maxNodes?: number;
}

export interface Enforced {
  readonly query: string;
  readonly decisions: readonly Decision[];
}

export interface Refusal {
  readonly reason: RewriteRefusal | 'invalid' | 'uncovered';
  readonly message: string;
  /** In the original text. */
  readonly span: Span;
}

const MAX_BRANCHES = 16;
const MAX_NODES = 5_000;
/** How much higher than the original a tree may be: splits are at the leaves, and `maxNodes` bounds how often they nest. */
const EXTRA_DEPTH = 300;

export function enforce(text: string, policy: Policy, options: EnforceOptions = {}): Result<Enforced, Refusal> {
  const parsed = parse(text, options);
  if (!parsed.ok) return err({ reason: 'invalid', message: formatParseError(parsed.error), span: parsed.error });
  const merges = new Merges();
  const rewriting = new Rewriting(policy, merges, {
    maxBranches: options.maxBranches ?? MAX_BRANCHES,
    maxNodes: options.maxNodes ?? MAX_NODES,
    temporaryLabel: temporaryLabel(text, parsed.value, policy),
  });
  try {
    const query = print(rewriting.expression(parsed.value));
    const again = parse(query, { ...options, maxLength: query.length, maxDepth: (options.maxDepth ?? MAX_DEPTH) + EXTRA_DEPTH, regexes: 'known' });
    const open = again.ok ? uncovered(again.value, policy, merges) : undefined;
    if (again.ok && open === undefined) return ok({ query, decisions: rewriting.decisions });
    const message = open === undefined ? 'the rewritten query is not valid' : `it cannot be shown that the policy covers ${print(open)}`;
    return err({ reason: 'uncovered', message, span: parsed.value.span });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return err({ reason: error.reason, message: error.message, span: error.span });
  }
}

/** Reserved by its prefix, and not in the query or the policy in any spelling that matters. */
function temporaryLabel(text: string, expr: Expr, policy: Policy): string {
  const names = [...policy.rules.flatMap((rule) => rule.map(({ matcher }) => matcher.name)), ...selectorsOf(expr).flatMap(({ matchers }) => matchers.map(({ name }) => name))];
  const canonical = `${text}\n${print(expr)}\n${names.join('\n')}`;
  const taken = new Set(canonical.match(/__scrapeway_\d+(?=__)/g));
  for (let suffix = 0; ; suffix += 1) {
    if (!taken.has(`__scrapeway_${suffix}`)) return `__scrapeway_${suffix}__`;
  }
}

/**
 * For `match[]`, where the API itself means OR: the selectors that together select what the policy allows of this one. None
 * where it allows nothing.
 */
export function allowedSelectors(selector: VectorSelector, policy: Policy): readonly VectorSelector[] {
  const restriction = restrict(selector, policy, new Merges());
  switch (restriction.kind) {
    case 'unchanged':
      return [selector];
    case 'denied':
      return [];
    case 'branches':
      return restriction.branches.map(({ matchers }) => withMatchers(selector, matchers));
  }
}
