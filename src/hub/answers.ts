import { encodeBlock, ErrorCode } from '../h2/index.js';
import type { Connection, Stream } from '../h2/index.js';
import { REASON_HEADER, reasonBody, REASONS } from '../model/reasons.js';
import type { Reason } from '../model/reasons.js';

/** The hub's own answers, one per reason, encoded once: status, reason header, one-line body (DESIGN §3.7). */

interface Answer {
  readonly head: Uint8Array;
  readonly body: Buffer;
}

const answers = new Map<Reason, Answer>();

/**
 * As an HTTP/2 response, towards Envoy. Where the request has not ended, nobody will read the rest of it: the client is told so
 * (RFC 9113 §8.1), since without a window of ours it could not even end it.
 */
export function sendAnswer<C>(connection: Connection<C>, stream: Stream<C>, reason: Reason, method: string): void {
  const { head, body } = answerOf(reason);
  connection.sendHeaders(stream, head, method === 'HEAD');
  if (method !== 'HEAD') connection.sendData(stream, body, 0, body.length, true);
  if (stream.localClosed && !stream.remoteClosed) connection.reset(stream, ErrorCode.noError);
}

function answerOf(reason: Reason): Answer {
  const known = answers.get(reason);
  if (known !== undefined) return known;
  const body = Buffer.from(reasonBody(reason));
  const head = [':status', String(REASONS[reason].status), 'content-type', 'text/plain; charset=utf-8', 'content-length', String(body.length)];
  const answer: Answer = { head: encodeBlock([...head, REASON_HEADER, reason]), body };
  answers.set(reason, answer);
  return answer;
}

/** As an HTTP/1.1 response, towards an agent whose handshake is refused; `more`: further header lines. */
export function refusalOf(reason: Reason, more: readonly string[] = []): Buffer {
  const body = reasonBody(reason);
  return Buffer.from(
    [
      `HTTP/1.1 ${REASONS[reason].status} ${reason}`,
      'content-type: text/plain; charset=utf-8',
      `content-length: ${Buffer.byteLength(body)}`,
      `${REASON_HEADER}: ${reason}`,
      ...more,
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}
