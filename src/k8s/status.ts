import type { Refused, Verdict } from './translate.js';

/**
 * A verdict → the status of its object, as a merge patch. Nothing is written that says what stands there already: a status that
 * changes at every look would wake every watcher, ourselves included.
 */

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
  /** RFC 3339, seconds. */
  readonly lastTransitionTime: string;
  readonly observedGeneration: number;
}

export interface MetricAccessStatus {
  readonly conditions: readonly Condition[];
  readonly validatedMetrics: readonly string[];
  readonly lastUpdated: string;
}

/** The API server takes 32 KiB; nobody reads as much. */
const MAX_MESSAGE_CHARS = 2_000;

/**
 * The status to write, undefined if `previous` (the object's own, as it was read) says the same.
 *
 * `Accepted` is False as soon as anything was refused, and its message says what is in force nevertheless.
 */
export function metricAccessStatus(verdict: Verdict, previous: unknown, nowMs: number): MetricAccessStatus | undefined {
  const now = new Date(nowMs).toISOString().replace(/\.\d+Z$/, 'Z');
  const before = conditionsOf(previous);
  const conditions = statements(verdict).map((statement): Condition => {
    const known = before.find(({ type }) => type === statement.type);
    const lastTransitionTime = known?.status === statement.status ? known.lastTransitionTime : now;
    return { ...statement, lastTransitionTime, observedGeneration: verdict.generation };
  });
  const same = JSON.stringify([before, validatedOf(previous)]) === JSON.stringify([conditions, verdict.inForce]);
  return same ? undefined : { conditions, validatedMetrics: verdict.inForce, lastUpdated: now };
}

type Statement = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

function statements({ inForce, refused, warnings, wantsExport }: Verdict): readonly Statement[] {
  const failure = inForce.length === 0 ? 'NothingAllowed' : 'PatternsRefused';
  const accepted: Statement =
    refused.length === 0
      ? { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'all patterns are in force' }
      : { type: 'Accepted', status: 'False', reason: failure, message: `in force: ${inForce.length}, refused: ${refused.length} (${told(refused)})` };
  const warning: Statement =
    warnings.length === 0 ? { type: 'Warning', status: 'False', reason: 'None', message: '' } : { type: 'Warning', status: 'True', reason: 'LikelyMistake', message: told(warnings) };
  const exported: Statement = { type: 'RemoteWrite', status: 'False', reason: 'NotSupported', message: 'this version exports nothing; the rest of the object is not affected' };
  return wantsExport ? [accepted, warning, exported] : [accepted, warning];
}

function told(what: readonly Refused[]): string {
  const text = what.map(({ place, message }) => `${place}: ${message}`).join('; ');
  return text.length <= MAX_MESSAGE_CHARS ? text : `${text.slice(0, MAX_MESSAGE_CHARS - 1)}…`;
}

function get(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

function validatedOf(status: unknown): unknown {
  return get(status, 'validatedMetrics') ?? [];
}

/** In our own order of keys, so that they can be compared as text. */
function conditionsOf(status: unknown): readonly Condition[] {
  const list: unknown = get(status, 'conditions');
  if (!Array.isArray(list)) return [];
  return list.map((each: unknown): Condition => {
    const text = (key: string): string => String(get(each, key) ?? '');
    return {
      type: text('type'),
      status: text('status') === 'True' ? 'True' : 'False',
      reason: text('reason'),
      message: text('message'),
      lastTransitionTime: text('lastTransitionTime'),
      observedGeneration: Number(get(each, 'observedGeneration') ?? 0),
    };
  });
}
