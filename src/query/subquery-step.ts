import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { BackendGroup } from '../model/desired-state.js';
import type { UpstreamRequest } from './endpoint.js';
import { gather, readApiAnswer, reading } from './gather.js';
import type { GroupAsking } from './gather.js';
import { isObject, objectsOf } from './json.js';
import { readValue } from './numbers.js';
import { refuse } from './refusal.js';
import type { Refusal, Reply } from './refusal.js';

/** The step of a subquery that has none of its own is each server's evaluation interval; how long that is, a subquery of the time tells. */

const SEEN = 'vector(time())[1d:]';
const QUESTION = `(max_over_time(${SEEN}) - min_over_time(${SEEN})) / (count_over_time(${SEEN}) - 1)`;

/** In ms. Rejects as `gather` does. */
export async function askForStep(group: BackendGroup, asking: GroupAsking): Promise<Result<number, Reply | Refusal>> {
  const request: UpstreamRequest = { method: 'POST', path: '/api/v1/query', parameters: [['query', QUESTION]] };
  const gathered = await gather(request, group, asking, reading(readApiAnswer));
  if (!gathered.ok) return gathered;
  const [first, ...others] = gathered.value.data.map(stepOf);
  if (first === undefined || !(first >= 1)) return refuse('query_not_distributable', 'a subquery without a step of its own, whose step is not known');
  return others.every((step) => step === first) ? ok(first) : refuse('query_not_distributable', 'a subquery without a step of its own, which is not the same in all backends');
}

function stepOf(data: unknown): number {
  const [only] = isObject(data) ? objectsOf(data.result) : [];
  const [, seconds]: readonly unknown[] = Array.isArray(only?.value) ? only.value : [];
  return Math.round(readValue(seconds) * 1000);
}
