import type { IncomingMessage, ServerResponse } from 'node:http';
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

/**
 * A body that was not read to its end would be taken for the next request: the connection ends with the answer. Not at once, though: who
 * still sends would see it break (RFC 9112 §9.6), and never read why.
 */
export function send(request: IncomingMessage, response: ServerResponse, { status, headers, body }: Answer): void {
  if (response.destroyed) return;
  const length = status === 204 ? {} : { 'content-length': Buffer.byteLength(body) };
  if (request.complete) {
    response.writeHead(status, { ...headers, ...length }).end(body);
    return;
  }
  response.writeHead(status, { ...headers, ...length, connection: 'close' });
  response.write(body);
  afterTheRest(request, () => response.end());
}

const LINGER_MS = 2_000;
const LINGER_BYTES = 8 * 1024 * 1024;

/** Reads on and throws away, within bounds. */
function afterTheRest(request: IncomingMessage, then: () => void): void {
  let bytes = 0;
  const finish = (): void => {
    clearTimeout(timer);
    request.off('data', onData).off('end', finish).off('close', finish);
    then();
  };
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > LINGER_BYTES) finish();
  };
  const timer = setTimeout(finish, LINGER_MS).unref();
  request.on('error', () => undefined).on('data', onData).once('end', finish).once('close', finish).resume();
}
