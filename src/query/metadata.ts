import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { METRIC_NAME_LABEL } from '../promql/ast.js';
import type { Policy } from '../promql/enforce/policy.js';
import type { Plan, Question, UpstreamRequest } from './endpoint.js';
import { isObject, objectsOf, textOf } from './json.js';
import type { JsonObject } from './json.js';
import { restrictMatches } from './match.js';
import { readParameters } from './parameters.js';
import { refuse, successReply } from './refusal.js';
import type { Refusal } from './refusal.js';
import { readCount } from './values.js';

/**
 * Metadata has no labels, so the backend is asked a second question: which names do the series have that the tenant sees? Only of
 * these is anything told. The help of a name that is shared with others is told where there is only one.
 */

/** Names of series that a family of each type has besides its own. */
const SUFFIXES: ReadonlyMap<string, readonly string[]> = new Map([
  ['counter', ['_total']],
  ['histogram', ['_bucket', '_count', '_sum']],
  ['gaugehistogram', ['_bucket', '_gcount', '_gsum']],
  ['summary', ['_count', '_sum']],
  ['info', ['_info']],
]);
/** Series older than this do not say that the metadata, which is of now, is theirs. */
const RECENT_MS = 15 * 60_000;

export function metadataPlan({ form, policy, limits }: Question): Result<Plan, Refusal> {
  const matches = restrictMatches([], policy, limits);
  if (!matches.ok) return matches;
  if (matches.value.length === 0) return ok({ kind: 'answer', reply: successReply({}) });
  const known = readParameters(form, ['limit']);
  if (!known.ok) return known;
  const perMetric = form.first('limit_per_metric') ?? '';
  if (perMetric !== '' && readCount(perMetric) === undefined) return refuse('query_malformed', 'invalid parameter "limit_per_metric"');
  const metric = form.first('metric') ?? '';
  return ok({
    kind: 'filter',
    requests: [
      { method: 'GET', path: '/api/v1/metadata', parameters: metric === '' ? [] : [['metric', metric]] },
      namesRequest(matches.value),
    ],
    filter: ([metadata, names]) => limited(visibleMetadata(metadata, names, policy), bound(form.first('limit')), bound(perMetric)),
  });
}

/** Which names do these series have now? */
export function namesRequest(matches: readonly string[]): UpstreamRequest {
  const since = `${(Date.now() - RECENT_MS) / 1000}`;
  return { method: 'GET', path: `/api/v1/label/${METRIC_NAME_LABEL}/values`, parameters: [...matches.map((match) => ['match[]', match] as const), ['start', since]] };
}

/** Of the answer to `namesRequest`. */
export function seenNames(names: unknown): ReadonlySet<string> {
  return new Set(Array.isArray(names) ? names.filter((name) => typeof name === 'string') : []);
}

/** Names that the series of a family may have. */
export function familyNames(family: string, type: string): readonly string[] {
  return [family, ...(SUFFIXES.get(type) ?? []).map((suffix) => family + suffix)];
}

/** Prometheus takes 0 and less for no bound. */
function bound(text: string | undefined): number {
  const count = readCount(text ?? '') ?? 0;
  return count === 0 ? Infinity : count;
}

type Metadata = ReadonlyMap<string, readonly JsonObject[]>;

function limited(metadata: Metadata, families: number, entries: number): JsonObject {
  return Object.fromEntries([...metadata].slice(0, families).map(([name, list]) => [name, list.slice(0, entries)]));
}

export function visibleMetadata(metadata: unknown, names: unknown, policy: Policy): Metadata {
  if (!isObject(metadata)) return new Map();
  const seen = seenNames(names);
  return new Map(
    Object.entries(metadata).flatMap(([family, value]): readonly (readonly [string, readonly JsonObject[]])[] => {
      const all = objectsOf(value);
      const entries = all.filter(({ type }) => familyNames(family, textOf(type)).some((name) => seen.has(name)));
      const own = all.length === 1 || isWhollyAllowed(family, policy);
      const told = entries.map(({ type, help, unit }): JsonObject => ({ type: textOf(type), help: own ? textOf(help) : '', unit: textOf(unit) }));
      const distinct = [...new Map(told.map((entry) => [JSON.stringify(entry), entry])).values()];
      return distinct.length === 0 ? [] : [[family, distinct]];
    }),
  );
}

/** Whatever the labels. */
function isWhollyAllowed(name: string, { rules }: Policy): boolean {
  return rules.some((rule) => rule.every(({ matcher, accepts }) => matcher.name === METRIC_NAME_LABEL && accepts(name)));
}
