import { err } from '../lib/result.js';
import { REASON_HEADER, REASONS } from '../model/reasons.js';
import type { Reason } from '../model/reasons.js';

/** A refusal in the shape of Prometheus's API, which Grafana and promtool show to people. */

export type QueryReason = Extract<Reason, `query_${string}` | 'revoked'>;

export interface Refusal {
  readonly reason: QueryReason;
  /** What exactly, for the caller; undefined = the reason's own line. */
  readonly detail: string | undefined;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export const JSON_TYPE = 'application/json';
export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Those of Prometheus where it has one (web/api/v1, `errorType`). */
const ERROR_TYPES: Readonly<Record<QueryReason, string>> = {
  query_no_endpoint: 'not_found',
  query_no_backend: 'forbidden',
  revoked: 'forbidden',
  query_method: 'bad_data',
  query_malformed: 'bad_data',
  query_invalid: 'bad_data',
  query_unenforceable: 'execution',
  query_not_distributable: 'execution',
  query_over_limit: 'execution',
  query_busy: 'too_many_requests',
  query_timeout: 'timeout',
  query_backend_away: 'unavailable',
  query_backend_failed: 'unavailable',
};

export function refuse(reason: QueryReason, detail?: string): { readonly ok: false; readonly error: Refusal } {
  return err({ reason, detail });
}

export function refusalReply({ reason, detail }: Refusal): Reply {
  const { status, text } = REASONS[reason];
  const headers: Record<string, string> = { [REASON_HEADER]: reason };
  if (reason === 'query_busy') headers['retry-after'] = '1';
  return errorReply(status, ERROR_TYPES[reason], detail === undefined ? text : `${text}: ${detail}`, headers);
}

export function errorReply(status: number, errorType: string, error: string, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers: { ...headers, 'content-type': JSON_TYPE }, body: JSON.stringify({ status: 'error', errorType, error }) };
}

export function successReply(data: unknown): Reply {
  return jsonReply(JSON.stringify({ status: 'success', data }));
}

export function jsonReply(body: string): Reply {
  return { status: 200, headers: { 'content-type': JSON_TYPE }, body };
}
