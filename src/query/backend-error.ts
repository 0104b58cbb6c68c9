import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { isObject } from './json.js';
import { errorReply } from './refusal.js';
import type { Refusal, Reply } from './refusal.js';

/**
 * A backend's error, as the caller may read it: its type, and its text only where it is one of those that are made of the query or
 * of the series that the query selects, which is to say of what the tenant may see. All others could name anything.
 */

const TYPES: ReadonlyMap<string, string> = new Map([
  ['timeout', 'the query took too long'],
  ['canceled', 'the query was cancelled'],
  ['execution', 'the query failed in the backend'],
  ['bad_data', 'the backend does not accept the query'],
  ['unavailable', 'the backend is not available'],
  ['internal', 'the backend failed'],
  ['too_many_requests', 'the backend is busy'],
]);
const STATUSES: ReadonlySet<number> = new Set([400, 422, 429, 500, 503]);

const HARMLESS: readonly RegExp[] = [
  /^query timed out in [a-z ]+$/,
  /^query was canceled in [a-z ]+$/,
  /^query processing would load too many samples into memory in [a-z ]+$/,
  /^exceeded maximum resolution of [\d,]+ points per timeseries\./,
  /^(?:invalid parameter "query": )?\d+:\d+: parse error: /,
  /^(?:invalid parameter "query": )?invalid expression type "[a-z ]+" for range query, must be Scalar or instant Vector$/,
  /^found duplicate series for the match group /,
  /^multiple matches for labels: /,
  /^vector cannot contain metrics with the same labelset$/,
  /^invalid (?:regular expression|destination label name|source label name|label name) /,
];

/** `body`: the whole of it, or as much as was read. */
export function backendError(status: number, body: string): Result<Reply, Refusal> {
  const failed = err({ reason: 'query_backend_failed', detail: undefined } as const);
  // A remote read's errors have no shape.
  const [, samples] = status === 400 ? (/^exceeded sample limit \((\d+)\)\s*$/.exec(body) ?? []) : [];
  if (samples !== undefined) return err({ reason: 'query_over_limit', detail: `the backend gives at most ${samples} samples at once` });
  const answer = STATUSES.has(status) ? jsonOf(body) : undefined;
  if (!isObject(answer) || answer.status !== 'error' || typeof answer.errorType !== 'string') return failed;
  const ours = TYPES.get(answer.errorType);
  if (ours === undefined) return failed;
  const { error } = answer;
  const text = typeof error === 'string' && HARMLESS.some((pattern) => pattern.test(error)) ? error : ours;
  return ok(errorReply(status, answer.errorType, text));
}

export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
