import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { BackendGroup } from '../model/desired-state.js';
import { distributeQuery } from './distributed.js';
import type { EvaluationWindow, Plan, Question, UpstreamRequest } from './endpoint.js';
import { queryText } from './expressions.js';
import type { EvaluationTimes, Parameters } from './parameters.js';
import { JSON_TYPE, refuse } from './refusal.js';
import type { Refusal } from './refusal.js';
import { readDuration, readTime } from './values.js';

/** An evaluation over a group: as one question, or as several whose answers are evaluated here. */

interface GroupQuestion {
  readonly times: EvaluationTimes;
  readonly options: Parameters;
  readonly group: BackendGroup;
}

export function groupEvaluation(question: Question, path: '/api/v1/query' | '/api/v1/query_range', { times, options, group }: GroupQuestion): Result<Plan, Refusal> {
  const window = windowOf(path, times.parameters);
  const distributed = distributeQuery(queryText(question.form), question, times, { disjointBy: group.disjointBy, ...(window !== undefined && { window }) });
  if (!distributed.ok) return distributed;
  // Without the promise, nothing is summed by members.
  const otherwise = group.disjointBy.length === 0 ? {} : { otherwise: () => groupEvaluation(question, path, { times, options, group: { ...group, disjointBy: [] } }) };
  const asking = (query: string, others: Parameters, at: string = path): UpstreamRequest => ({ method: 'POST', path: at, parameters: [['query', query], ...others] });
  if (distributed.value.kind === 'whole') {
    const { query, merge } = distributed.value;
    return ok({ kind: 'forward', request: asking(query.query, [...times.parameters, ...options]), contentType: JSON_TYPE, merge, ...otherwise });
  }
  if (window === undefined) return refuse('query_malformed', 'a time that is out of range');
  const limit = Number(options.find(([name]) => name === 'limit')?.[1] ?? 0);
  // A limit is for the whole; statistics would be those of the parts.
  const others = options.filter(([name]) => name !== 'limit' && name !== 'stats');
  const parts = distributed.value.parts.map(({ query, merge, nodes, within }) => ({ request: asking(query.query, others, within.length > 0 ? '/api/v1/query_range' : path), merge, nodes, within }));
  return ok({ kind: 'evaluate', expr: distributed.value.expr, parts, times: window, limit, ...otherwise });
}

/** In the whole ms to which Prometheus rounds; the members are told these. Undefined: beyond them. */
function windowOf(path: string, parameters: Parameters): EvaluationWindow | undefined {
  const first = (name: string): string => parameters.find(([key]) => key === name)?.[1] ?? '';
  if (path === '/api/v1/query') {
    const time = first('time');
    const timeMs = time === '' ? undefined : Math.round(readTime(time) ?? Number.NaN);
    return timeMs === undefined || Number.isSafeInteger(timeMs) ? { kind: 'instant', timeMs } : undefined;
  }
  const [startMs, endMs] = [Math.round(readTime(first('start')) ?? Number.NaN), Math.round(readTime(first('end')) ?? Number.NaN)];
  // By way of whole ns, as Go has them.
  const stepMs = Math.floor(Math.floor((readDuration(first('step')) ?? Number.NaN) * 1e6) / 1e6);
  return Number.isSafeInteger(startMs) && Number.isSafeInteger(endMs) && stepMs >= 1 ? { kind: 'range', startMs, endMs, stepMs } : undefined;
}
