import type { SocketIo } from '../h2/index.js';
import type { Clock } from '../lib/clock.js';
import { readUpgrade, TUNNEL_PATH } from '../tunnel/handshake.js';
import type { Upgrade } from '../tunnel/handshake.js';

/**
 * The HTTP/1.1 request that opens a tunnel, as Envoy forwards it: one head, no body, then another protocol on the same socket.
 *
 * Parsed here and not by node:http, because the socket is ours from the first byte (read into the shared buffer) and because
 * so little is allowed: anything but a plain upgrade request is refused.
 */

const MAX_HEAD_BYTES = 16 * 1024;
/** Envoy sends the head at once; this only bounds a socket that nobody uses. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
const HEAD_END = '\r\n\r\n';

export interface HandshakeEvents {
  onUpgrade(upgrade: Upgrade): void;
  /** Not a handshake that we know. */
  onBadRequest(): void;
  /** The socket has closed before another receiver was attached to it. */
  onGone(): void;
}

/** Reads one head from `io`; calls at most one of `onUpgrade` and `onBadRequest`, once. */
export function receiveHandshake(io: SocketIo, clock: Clock, events: HandshakeEvents): void {
  let received = Buffer.alloc(0);
  let done = false;
  const cancelTimeout = clock.after(HANDSHAKE_TIMEOUT_MS, () => io.destroy());
  io.attach({
    onBytes: (bytes, start, end) => {
      // Envoy passes nothing on between the head and our answer: what comes then is not from Envoy.
      if (done) return io.destroy();
      received = Buffer.concat([received, bytes.subarray(start, end)]);
      const headEnd = received.indexOf(HEAD_END);
      if (headEnd === -1 && received.length <= MAX_HEAD_BYTES) return;
      done = true;
      cancelTimeout();
      const whole = headEnd === received.length - HEAD_END.length;
      const upgrade = whole ? parseUpgrade(received.toString('latin1', 0, headEnd)) : undefined;
      if (upgrade === undefined) events.onBadRequest();
      else events.onUpgrade(upgrade);
    },
    onDrain: () => {},
    onClose: () => {
      cancelTimeout();
      events.onGone();
    },
  });
}

const REQUEST_LINE = `GET ${TUNNEL_PATH} HTTP/1.1`;
/** Token, colon, value without control characters; no blank before the colon, no folded lines (RFC 9112 §5). */
const FIELD_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t -~\u0080-\u00ff]*)$/;

/** The handshake in a request's head (without the empty line), or undefined for anything else. Exported for its test. */
export function parseUpgrade(head: string): Upgrade | undefined {
  const [requestLine, ...lines] = head.split('\r\n');
  if (requestLine !== REQUEST_LINE) return undefined;
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name, value] = FIELD_LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    const key = name.toLowerCase();
    // Nothing that matters here may come twice; and a body has no place.
    if (Object.hasOwn(headers, key) || key === 'transfer-encoding' || (key === 'content-length' && value.trim() !== '0')) return undefined;
    headers[key] = value.trimEnd();
  }
  if (!/(?:^|,)\s*upgrade\s*(?:,|$)/i.test(headers['connection'] ?? '')) return undefined;
  return readUpgrade(headers);
}
