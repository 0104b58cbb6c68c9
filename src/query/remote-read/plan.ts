import { ok } from '../../lib/result.js';
import type { Result } from '../../lib/result.js';
import { METRIC_NAME_LABEL } from '../../promql/ast.js';
import type { Matcher } from '../../promql/ast.js';
import { Merges } from '../../promql/enforce/merge.js';
import { Restrictions, withOnly } from '../../promql/enforce/restrict.js';
import { compileMatcher } from '../../promql/regex.js';
import { RegexBudget } from '../../promql/regex-cost.js';
import { againstStored, decodeReadRequest } from '../../remoteread/request.js';
import type { ReadQuery } from '../../remoteread/request.js';
import type { OwnedReadQuery, Plan, Question } from '../endpoint.js';
import { MAX_MATCHERS } from '../limits.js';
import { EVERYTHING } from '../match.js';
import { refuse } from '../refusal.js';
import type { Refusal } from '../refusal.js';

/**
 * A remote read's matchers are one AND, so each rule makes a query of its own of it, and the answers' series are united again. The
 * caller's equalities stay what they are, since Prometheus takes those on its external labels away; for the same reason what
 * they pin decides nothing here, but for the name, and the rules' equalities leave as regular expressions.
 */

const MAX_QUERIES = 200;

export function readPlan({ message, policy, limits, union, group }: Question): Result<Plan, Refusal> {
  if (union === 'extra_filters') return refuse('query_unenforceable', 'remote read, at a backend with `union: extra_filters`');
  const request = decodeReadRequest(message ?? Buffer.alloc(0));
  if (!request.ok) return refuse('query_malformed', request.error);
  const { queries: asked, responseTypes } = request.value;
  const [first, ...others] = responseTypes;
  if (first === undefined) return refuse('query_malformed', 'none of the accepted response types is known');
  if (group !== undefined && !responseTypes.includes('samples')) return refuse('query_not_distributable', 'a remote read of streamed chunks only; accept samples too');
  if (asked.length > MAX_QUERIES) return refuse('query_over_limit', `${asked.length} queries, and at most ${MAX_QUERIES} are allowed`);
  const asking = asked.reduce((sum, { matchers }) => sum + matchers.length, 0);
  if (asking > MAX_MATCHERS) return refuse('query_over_limit', `${asking} matchers, and at most ${MAX_MATCHERS} are allowed`);
  const regexes = new RegexBudget();
  const queries: OwnedReadQuery[] = [];
  const restrictions = new Restrictions(policy, new Merges());
  for (const [owner, query] of asked.entries()) {
    if (!query.matchers.every(({ op, value }) => op === '=' || op === '!=' || regexes.spend(value))) return refuse('query_over_limit', 'regular expressions that would take too long to read');
    const fault = faultOf(query);
    if (fault !== undefined) return refuse('query_invalid', fault);
    const rangeMs = query.endMs - query.startMs;
    if (!(rangeMs <= limits.maxRangeMs)) return refuse('query_over_limit', `it reaches over ${Math.ceil(rangeMs / 1000)} s, and at most ${Math.floor(limits.maxRangeMs / 1000)} s are allowed`);
    const branches = branchesOf(query.matchers, restrictions);
    if (branches.length > limits.maxBranches) return refuse('query_over_limit', `${branches.length} branches are needed for one query, and at most ${limits.maxBranches} are allowed`);
    for (const matchers of branches) queries.push({ ...query, matchers: [...query.matchers, ...matchers], owner });
  }
  if (queries.length > MAX_QUERIES) return refuse('query_over_limit', `${queries.length} queries are needed, and at most ${MAX_QUERIES} are allowed`);
  return ok({ kind: 'read', queries, responseTypes: [first, ...others], askedQueries: asked.length, policy });
}

function faultOf({ matchers }: ReadQuery): string | undefined {
  for (const matcher of matchers) {
    const compiled = compileMatcher(matcher);
    if (!compiled.ok) return compiled.error;
  }
  return undefined;
}

/** What each branch adds to the caller's matchers. */
function branchesOf(matchers: readonly Matcher[], restrictions: Restrictions): readonly (readonly Matcher[])[] {
  const restriction = restrictions.of(withOnly(EVERYTHING, matchers.filter(({ name, value }) => name === METRIC_NAME_LABEL && value !== '')));
  switch (restriction.kind) {
    case 'unchanged':
      return [[]];
    case 'denied':
      return [];
    case 'branches':
      return restriction.branches.map((branch) => branch.matchers.map(againstStored));
  }
}
