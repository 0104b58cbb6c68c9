import { REASON_HEADER, REASONS } from '../model/reasons.js';
import type { Reason } from '../model/reasons.js';

/** What a sender is told. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Undefined: it went well. */
  readonly reason: Reason | undefined;
}

const MAX_DETAIL_CHARS = 500;
const RETRY_AFTER_S = '1';

/** The answer for a reason of the closed list, with its particulars in one bounded line. */
export function refusal(reason: Reason, detail = '', headers: Readonly<Record<string, string>> = {}): Answer {
  const { status, text } = REASONS[reason];
  // eslint-disable-next-line no-control-regex
  const line = detail.replaceAll(/[\u0000-\u001F\u007F]+/g, ' ').trim().slice(0, MAX_DETAIL_CHARS);
  return {
    status,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      [REASON_HEADER]: reason,
      ...((reason === 'rate_limited' || reason === 'push_busy') && { 'retry-after': RETRY_AFTER_S }),
      ...headers,
    },
    body: `scrapeway: ${text}${line === '' ? '' : `: ${line}`}\n`,
    reason,
  };
}

/** Done. */
export function done(status: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers, body: '', reason: undefined };
}
