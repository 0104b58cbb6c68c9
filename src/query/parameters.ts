import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { Form } from './form.js';
import type { Limits, Times } from './limits.js';
import { refuse } from './refusal.js';
import type { Refusal } from './refusal.js';
import { readCount, readDuration, readTime } from './values.js';

/** The parameters beside queries and selectors: each known by name, readable, and within the tenant's limits. */

export type Parameters = readonly (readonly [string, string])[];
type Reader = (text: string) => number | undefined;

const READERS: Readonly<Record<string, Reader>> = { time: readTime, start: readTime, end: readTime, step: readDuration, lookback_delta: readDuration, limit: readCount };

/** Those of `names` that the form has, first value each, as they were written. An empty one counts as absent, as in Prometheus. */
export function readParameters(form: Form, names: readonly string[]): Result<Parameters, Refusal> {
  const read: (readonly [string, string])[] = [];
  for (const name of names) {
    const text = form.first(name) ?? '';
    if (text === '') continue;
    if (READERS[name]?.(text) === undefined) return malformed(name, text);
    read.push([name, text]);
  }
  return ok(read);
}

function malformed(name: string, text: string): { readonly ok: false; readonly error: Refusal } {
  return refuse('query_malformed', `invalid parameter "${name}": cannot parse ${JSON.stringify(text.slice(0, 50))}`);
}

export interface EvaluationTimes extends Times {
  readonly parameters: Parameters;
}

const INSTANT: Times = { rangeMs: 0, stepMs: 0 };

export function instantTimes(form: Form): Result<EvaluationTimes, Refusal> {
  const parameters = readParameters(form, ['time']);
  return parameters.ok ? ok({ ...INSTANT, parameters: parameters.value }) : parameters;
}

export function rangeTimes(form: Form): Result<EvaluationTimes, Refusal> {
  const [start, end, step] = [form.first('start') ?? '', form.first('end') ?? '', form.first('step') ?? ''];
  const [from, to, every] = [readTime(start), readTime(end), readDuration(step)];
  if (from === undefined) return malformed('start', start);
  if (to === undefined) return malformed('end', end);
  if (every === undefined || every < 1) return malformed('step', step);
  if (!(to >= from)) return refuse('query_malformed', 'invalid parameter "end": end timestamp must not be before start time');
  return ok({ rangeMs: to - from, stepMs: every, parameters: [['start', start], ['end', end], ['step', step]] });
}

/** `start` and `end` of what only looks for series: absent means always, so no length of it is too much (promtool asks for years). */
export function windowTimes(form: Form): Result<Parameters, Refusal> {
  return readParameters(form, ['start', 'end']);
}

/** `timeout`, which the backend always gets: the caller's, or the tenant's where that is shorter; and the other levers, bounded. */
export function evaluationOptions(form: Form, limits: Limits): Result<Parameters, Refusal> {
  const rest = readParameters(form, ['lookback_delta', 'limit']);
  if (!rest.ok) return rest;
  const lookback = readDuration(form.first('lookback_delta') ?? '') ?? 0;
  if (lookback > limits.maxRangeMs) return refuse('query_over_limit', 'lookback_delta is longer than the allowed range');
  const asked = form.first('timeout') ?? '';
  const timeout = asked === '' ? limits.timeoutMs : readDuration(asked);
  if (timeout === undefined) return malformed('timeout', asked);
  const stats = (form.first('stats') ?? '') === '' ? [] : [['stats', form.first('stats') === 'all' ? 'all' : 'true'] as const];
  return ok([...rest.value, ...stats, ['timeout', `${Math.max(1, Math.min(timeout, limits.timeoutMs)) / 1000}`]]);
}
