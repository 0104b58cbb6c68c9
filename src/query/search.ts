import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { Plan, Question } from './endpoint.js';
import { restrictMatches } from './match.js';
import { readParameters, windowTimes } from './parameters.js';
import { refuse } from './refusal.js';
import type { Refusal } from './refusal.js';

/**
 * `/api/v1/search/…` (Prometheus 3.14, `--enable-feature=search-api`): labels that resemble a word, within `match[]`, which is restricted as everywhere.
 * Metadata beside the names is not asked for, since it has no labels to judge it by.
 */

const NDJSON_TYPE = 'application/x-ndjson; charset=utf-8';
const NOTHING = '{"results":[]}\n{"status":"success","has_more":false}\n';

/** What each may be. */
const PARAMETERS: Readonly<Record<string, RegExp>> = {
  fuzz_threshold: /^\d{1,3}$/,
  fuzz_alg: /^(?:subsequence|jarowinkler)$/,
  case_sensitive: /^(?:true|false)$/,
  sort_by: /^(?:alpha|score)$/,
  sort_dir: /^(?:asc|dsc)$/,
  include_score: /^(?:true|false)$/,
  batch_size: /^\d{1,9}$/,
};

export function searchPlan(question: Question, what: 'metric_names' | 'label_names' | 'label_values'): Result<Plan, Refusal> {
  const { form, policy, limits, group } = question;
  if (group !== undefined) return refuse('query_not_distributable', 'search; ask the backends one by one');
  const times = windowTimes(form);
  if (!times.ok) return times;
  const limit = readParameters(form, ['limit']);
  if (!limit.ok) return limit;
  const options: (readonly [string, string])[] = [];
  for (const [name, pattern] of Object.entries(PARAMETERS)) {
    const text = form.first(name) ?? '';
    if (text === '') continue;
    if (!pattern.test(text)) return refuse('query_malformed', `invalid parameter "${name}"`);
    options.push([name, text]);
  }
  const label = form.first('label') ?? '';
  if (what === 'label_values' && label === '') return refuse('query_malformed', 'no parameter "label"');
  const matches = restrictMatches(form.all('match[]'), policy, limits);
  if (!matches.ok) return matches;
  if (matches.value.length === 0) return ok({ kind: 'answer', reply: { status: 200, headers: { 'content-type': NDJSON_TYPE }, body: NOTHING } });
  const texts = (name: string, values: readonly string[]): readonly (readonly [string, string])[] => values.map((value) => [name, value]);
  const parameters = [...texts('match[]', matches.value), ...texts('search[]', form.all('search[]')), ...(what === 'label_values' ? texts('label', [label]) : []), ...options, ...times.value, ...limit.value];
  return ok({ kind: 'forward', request: { method: 'POST', path: `/api/v1/search/${what}`, parameters }, contentType: NDJSON_TYPE });
}
