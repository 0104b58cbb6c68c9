import { retryAfterMs, WRITTEN_HEADERS } from './protocol.js';
import type { Version } from './protocol.js';

/**
 * What a receiver's answer means for the batch that was sent: the specification's rules, as a function. The text of an answer is for
 * the log and is never interpreted.
 */

export interface ReceiverAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The beginning of the body. */
  readonly text: string;
}

export type Verdict =
  | { readonly kind: 'delivered' }
  /** Send the same batch again, not before `waitMs` where the receiver said so. */
  | { readonly kind: 'retry'; readonly waitMs: number | undefined }
  /** The receiver does not understand 2.0. `sure` is false where the data may be at fault as well. */
  | { readonly kind: 'fall_back'; readonly sure: boolean }
  | { readonly kind: 'dropped' };

export interface JudgeContext {
  readonly version: Version;
  /** This receiver has answered in terms of 2.0 before. */
  readonly speaks2: boolean;
  readonly retryOnRateLimit: boolean;
  /** Wall clock, for dates in Retry-After. */
  readonly nowMs: number;
  readonly maxRetryAfterMs: number;
}

export function judge(answer: ReceiverAnswer, { version, speaks2, retryOnRateLimit, nowMs, maxRetryAfterMs }: JudgeContext): Verdict {
  const { status, headers } = answer;
  const isTwo = version === '2';
  if (status >= 200 && status < 300) return isTwo && !tellsWritten(answer) ? { kind: 'fall_back', sure: true } : { kind: 'delivered' };
  if (status === 429 && !retryOnRateLimit) return { kind: 'dropped' };
  if (status >= 500 || status === 429) {
    const after = headers['retry-after'];
    return { kind: 'retry', waitMs: retryAfterMs(typeof after === 'string' ? after : undefined, nowMs, maxRetryAfterMs) };
  }
  if (isTwo && status === 415) return { kind: 'fall_back', sure: true };
  // receivers from before 2.0 take it for a broken 1.0
  if (isTwo && status === 400 && !speaks2 && !tellsWritten(answer)) return { kind: 'fall_back', sure: false };
  return { kind: 'dropped' };
}

/** Whether the receiver says what it has written, as those of 2.0 must. */
export function tellsWritten({ headers }: ReceiverAnswer): boolean {
  return Object.values(WRITTEN_HEADERS).some((name) => headers[name] !== undefined);
}
