import { assertNever } from '../lib/result.js';
import type { Fault } from '../lib/result.js';
import type { ExportReport } from '../model/export-report.js';
import type { ExportVerdict, Verdict } from './translate.js';
import { get, listAt, textAt } from '../kube/values.js';

/**
 * What is to be said of an object → its status, as a merge patch. Nothing is written that says what stands there already: a status
 * that changes at every look would wake every watcher, ourselves included.
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

export type Statement = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/** To be written, and told as an Event where `Accepted` or `Warning` says something new. */
export interface StatusPatch {
  readonly conditions: readonly Condition[];
  readonly lastUpdated?: string;
  readonly validatedMetrics?: readonly string[];
  readonly remoteWrite?: RemoteWriteStatus | null;
}

export interface RemoteWriteStatus {
  readonly active: boolean;
  readonly lastCollection: string | null;
  readonly metricsCollected: number | null;
  readonly lastError: string | null;
}

/** The API server takes 32 KiB; nobody reads as much. */
const MAX_MESSAGE_CHARS = 2_000;

/**
 * The status of a MetricAccess, undefined if `previous` (the object's own, as it was read) says the same.
 *
 * `Accepted` is False as soon as anything was refused, and its message says what is in force nevertheless.
 */
export function metricAccessStatus(verdict: Verdict, { previous, nowMs, report }: { readonly previous: unknown; readonly nowMs: number; readonly report?: ExportReport | undefined }): StatusPatch | undefined {
  const { inForce } = verdict;
  const statement = verdict.exported && exportStatement(verdict.exported, report);
  const conditions = conditionsFor([...metricAccessStatements(verdict), ...(statement === undefined ? [] : [statement])], verdict.generation, previous, nowMs);
  const written: unknown = get(previous, 'remoteWrite') ?? undefined;
  const remoteWrite = statement && remoteWriteStatus(statement, report);
  const known = [conditionsOf(previous), get(previous, 'validatedMetrics') ?? [], written === undefined];
  const same = JSON.stringify(known) === JSON.stringify([conditions, inForce, remoteWrite === undefined]) && !isOld(written, remoteWrite);
  // As a merge patch, null removes what an export that is no more has left.
  const exported = remoteWrite !== undefined ? { remoteWrite } : written === undefined ? {} : { remoteWrite: null };
  return same ? undefined : { conditions, validatedMetrics: inForce, ...exported, lastUpdated: rfc3339(nowMs) };
}

/** What a running export says of itself is written now and then only. */
const REFRESH_MS = 5 * 60_000;

function isOld(previous: unknown, next: RemoteWriteStatus | undefined): boolean {
  return Date.parse(next?.lastCollection ?? '') - Date.parse(textAt(previous, 'lastCollection') ?? '1970-01-01T00:00:00Z') > REFRESH_MS;
}

function exportStatement(exported: ExportVerdict, report: ExportReport | undefined): Statement {
  const said = (reason: string, message: string): Statement => ({ type: 'RemoteWrite', status: 'False', reason, message: bounded(message) });
  if (!exported.active) return said(exported.reason, exported.message);
  const state = report?.state ?? { kind: 'pending' };
  switch (state.kind) {
    case 'pending':
      return said('Pending', 'accepted; nothing has arrived yet');
    case 'failing':
      return said('Failing', state.why);
    case 'running':
      return { type: 'RemoteWrite', status: 'True', reason: 'Exporting', message: 'what is collected arrives' };
    default:
      return assertNever(state, 'state of an export');
  }
}

/** Merged into what stands there: what is no more must be said to be none. */
function remoteWriteStatus({ status, message }: Statement, report: ExportReport | undefined): RemoteWriteStatus {
  const at = report?.lastCollectionMs;
  return { active: status === 'True', lastCollection: at === undefined ? null : rfc3339(at), metricsCollected: report?.series ?? null, lastError: status === 'True' ? null : message };
}

/** The status of an object of our own kinds. `inForce`: it is, or what is sound of it. */
export function objectStatus(
  { inForce, conflict, faults, warnings, generation }: { readonly inForce: boolean; readonly conflict: boolean; readonly faults: readonly Fault[]; readonly warnings: readonly Fault[]; readonly generation: number },
  previous: unknown,
  nowMs: number,
): StatusPatch | undefined {
  const accepted: Statement =
    faults.length === 0
      ? { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'in force' }
      : { type: 'Accepted', status: 'False', reason: conflict ? 'Conflict' : inForce ? 'PartlyRefused' : 'Refused', message: `${inForce ? 'in force without' : 'not in force'}: ${told(faults)}` };
  const conditions = conditionsFor([accepted, warning(warnings)], generation, previous, nowMs);
  return JSON.stringify(conditionsOf(previous)) === JSON.stringify(conditions) ? undefined : { conditions };
}

function metricAccessStatements({ inForce, refused, warnings }: Verdict): readonly Statement[] {
  const failure = inForce.length === 0 ? 'NothingAllowed' : 'PatternsRefused';
  const accepted: Statement =
    refused.length === 0
      ? { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'all patterns are in force' }
      : { type: 'Accepted', status: 'False', reason: failure, message: `in force: ${inForce.length}, refused: ${refused.length} (${told(refused)})` };
  return [accepted, warning(warnings)];
}

function warning(warnings: readonly Fault[]): Statement {
  return warnings.length === 0 ? { type: 'Warning', status: 'False', reason: 'None', message: '' } : { type: 'Warning', status: 'True', reason: 'LikelyMistake', message: told(warnings) };
}

function conditionsFor(statements: readonly Statement[], generation: number, previous: unknown, nowMs: number): readonly Condition[] {
  const before = conditionsOf(previous);
  return statements.map((statement) => {
    const known = before.find(({ type }) => type === statement.type);
    const lastTransitionTime = known?.status === statement.status ? known.lastTransitionTime : rfc3339(nowMs);
    return { ...statement, lastTransitionTime, observedGeneration: generation };
  });
}

/** What a status says anew that somebody should hear of: refusals, and warnings. */
export function newsOf({ conditions }: StatusPatch, previous: unknown): readonly Statement[] {
  const before = conditionsOf(previous);
  return conditions.filter(({ type, status, reason, message }) => {
    const bad = (type === 'Accepted' && status === 'False') || (type === 'RemoteWrite' && status === 'False' && reason !== 'Pending') || (type === 'Warning' && status === 'True');
    return bad && before.find((known) => known.type === type)?.message !== message;
  });
}

function rfc3339(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

function told(what: readonly Fault[]): string {
  const text = what.map(({ place, message }) => `${place}: ${message}`).join('; ');
  return bounded(text);
}

function bounded(text: string): string {
  return text.length <= MAX_MESSAGE_CHARS ? text : `${text.slice(0, MAX_MESSAGE_CHARS - 1)}…`;
}

/** In our own order of keys, so that they can be compared as text. */
function conditionsOf(status: unknown): readonly Condition[] {
  return listAt(status, 'conditions').map((each): Condition => {
    const text = (key: string): string => textAt(each, key) ?? '';
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
