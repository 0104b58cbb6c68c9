import type { IncomingMessage } from 'node:http';
import type { Logger } from '../lib/logger.js';
import type { Reason } from '../model/reasons.js';
import type { Pass } from './admission.js';
import { refusal } from './answer.js';
import type { Answer } from './answer.js';
import type { Backend, BackendAnswer } from './backend.js';

/** One push under way: what both protocols need to serve it. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly tenant: string;
  /** Of the path below `/push/<name>/`, still encoded, without the query. */
  readonly segments: readonly string[];
  readonly backend: Backend;
  readonly pass: Pass;
  /** Deadline, and the sender's end. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
  readonly count: (what: 'series' | 'samples' | 'histograms' | 'refused_series' | 'bytes', by: number) => void;
}

/** `header` of a request as one string. */
export function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

/**
 * What a backend's failure is for the sender. A fault between gateway and backend (credentials, URL) is not the sender's: it becomes a
 * 502, which is tried again, where a 401 or 404 passed on would make the sender drop its data. Undefined: the backend judged the data.
 */
export function backendFailure({ status, headers }: BackendAnswer): Answer | undefined {
  if (status >= 500) return refusal('push_backend_failed', `status ${status}`, retryAfter(headers));
  if (status < 200 || (status >= 300 && status < 400) || NOT_THE_SENDERS.has(status)) return refusal('push_backend_refused', `status ${status}`);
  return undefined;
}

const NOT_THE_SENDERS: ReadonlySet<number> = new Set([401, 402, 403, 404, 405, 407]);

export function retryAfter(headers: BackendAnswer['headers']): Readonly<Record<string, string>> {
  const value = headers['retry-after'];
  return typeof value === 'string' && value.length < 64 ? { 'retry-after': value } : {};
}

/** A refusal by the backend of what was sent, with its own status. */
export function rejection(status: number, detail: string, headers: Readonly<Record<string, string>>): Answer {
  const reason: Reason = status === 429 ? 'rate_limited' : status === 413 ? 'push_too_large' : status === 415 ? 'push_unsupported' : 'push_rejected';
  return { ...refusal(reason, detail, headers), status };
}
