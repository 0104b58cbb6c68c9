import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { portOf } from './ports.js';

/**
 * A target as tests need them: it answers exactly the bytes it was told to, or misbehaves in one of the ways that targets do,
 * and keeps a record of each request, with how it ended.
 */

export type Behaviour =
  /** These bytes. `Content-Length` unless `chunked`; `headers` win over what the server would add. */
  | { readonly kind: 'answer'; readonly status?: number; readonly headers?: OutgoingHttpHeaders; readonly body: Buffer; readonly chunked?: boolean; readonly trailers?: Readonly<Record<string, string>> }
  /** Accepts and never answers. */
  | { readonly kind: 'hang' }
  /** Resets the connection instead of answering. */
  | { readonly kind: 'reset' }
  /** Bytes that are not HTTP. */
  | { readonly kind: 'garbage'; readonly bytes: Buffer }
  /** A good head with `Content-Length` of all of `body`, its first `afterBytes`, then a reset. */
  | { readonly kind: 'break-off'; readonly body: Buffer; readonly afterBytes: number }
  /** `body` in pieces of `pieceBytes`, one every `everyMs`. */
  | { readonly kind: 'drip'; readonly body: Buffer; readonly pieceBytes: number; readonly everyMs: number }
  /** `totalBytes` (never ends by default) as fast as the reader takes them; only one piece of memory. */
  | { readonly kind: 'flood'; readonly totalBytes?: number };

export interface ReceivedRequest {
  readonly method: string;
  /** As on the wire: path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  /** `complete`: the answer went out whole. `cancelled`: the other side went away first. */
  outcome: 'open' | 'complete' | 'cancelled';
  /** Bytes of body handed to the socket so far. */
  sentBytes: number;
}

export interface Exporter extends AsyncDisposable {
  readonly port: number;
  /** Every request since the start, the oldest first. */
  readonly requests: readonly ReceivedRequest[];
  /** For the requests that come from now on; by path where given (`/metrics?x=1` is path `/metrics`). */
  behave(behaviour: Behaviour, path?: string): void;
  close(): Promise<void>;
}

export interface ExporterOptions {
  readonly behaviour?: Behaviour;
  /** Serves TLS with this certificate. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer };
}

export const TEXT_FORMAT = 'text/plain; version=0.0.4; charset=utf-8';

/** One gauge in the text format, for tests that only need a target that is up. */
export function textAnswer(body = '# HELP demo_value A value.\n# TYPE demo_value gauge\ndemo_value 1\n'): Behaviour {
  return { kind: 'answer', headers: { 'content-type': TEXT_FORMAT }, body: Buffer.from(body) };
}

export async function startExporter(options: ExporterOptions = {}): Promise<Exporter> {
  const requests: ReceivedRequest[] = [];
  const behaviours = new Map<string | undefined, Behaviour>([[undefined, options.behaviour ?? textAnswer()]]);

  function handle(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', headers, rawHeaders } = request;
    const record: ReceivedRequest = { method, url, headers, rawHeaders, outcome: 'open', sentBytes: 0 };
    requests.push(record);
    response.on('close', () => {
      record.outcome = response.writableFinished ? 'complete' : 'cancelled';
    });
    const behaviour = behaviours.get(url.split('?')[0]) ?? behaviours.get(undefined);
    if (behaviour !== undefined) act(behaviour, response, record);
  }

  // Nothing of the server's own may end or decorate an answer.
  const serverOptions = { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 60_000, noDelay: true };
  const server = options.tls ? createTlsServer({ ...serverOptions, ...options.tls }, handle) : createServer(serverOptions, handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  async function close(): Promise<void> {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }
  return {
    port: portOf(server),
    requests,
    behave: (behaviour, path) => {
      behaviours.set(path, behaviour);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function act(behaviour: Behaviour, response: ServerResponse, record: ReceivedRequest): void {
  switch (behaviour.kind) {
    case 'answer':
      return answer(behaviour, response, record);
    case 'hang':
      return;
    case 'reset':
      response.socket?.resetAndDestroy();
      return;
    case 'garbage':
      response.socket?.end(behaviour.bytes);
      return;
    case 'break-off':
      return breakOff(behaviour.body, behaviour.afterBytes, response, record);
    case 'drip':
      return drip(behaviour, response, record);
    case 'flood':
      return flood(behaviour.totalBytes ?? Infinity, response, record);
    default:
      return behaviour satisfies never;
  }
}

function answer(behaviour: Behaviour & { kind: 'answer' }, response: ServerResponse, record: ReceivedRequest): void {
  const { status = 200, headers = {}, body, chunked = false, trailers } = behaviour;
  const whole = chunked || trailers !== undefined ? {} : { 'content-length': body.length };
  response.writeHead(status, { ...whole, ...headers });
  if (trailers !== undefined) response.addTrailers(trailers);
  record.sentBytes = body.length;
  // without a length, a head that is already out makes Node chunk the body
  if (chunked || trailers !== undefined) response.flushHeaders();
  response.end(body);
}

function breakOff(body: Buffer, afterBytes: number, response: ServerResponse, record: ReceivedRequest): void {
  response.writeHead(200, { 'content-type': TEXT_FORMAT, 'content-length': body.length });
  record.sentBytes = afterBytes;
  response.write(body.subarray(0, afterBytes), () => response.socket?.resetAndDestroy());
}

function drip({ body, pieceBytes, everyMs }: Behaviour & { kind: 'drip' }, response: ServerResponse, record: ReceivedRequest): void {
  response.writeHead(200, { 'content-type': TEXT_FORMAT, 'content-length': body.length });
  const timer = setInterval(() => {
    const piece = body.subarray(record.sentBytes, record.sentBytes + pieceBytes);
    record.sentBytes += piece.length;
    response.write(piece);
    if (record.sentBytes < body.length) return;
    clearInterval(timer);
    response.end();
  }, everyMs);
  response.on('close', () => clearInterval(timer));
}

/** A comment line, so that a flood that ends is a valid exposition. */
const FLOOD_PIECE = Buffer.from(`# ${'x'.repeat(64 * 1024 - 3)}\n`);

function flood(totalBytes: number, response: ServerResponse, record: ReceivedRequest): void {
  response.writeHead(200, { 'content-type': TEXT_FORMAT });
  const more = (): void => {
    while (record.sentBytes < totalBytes) {
      if (response.destroyed) return;
      const piece = FLOOD_PIECE.subarray(0, Math.min(FLOOD_PIECE.length, totalBytes - record.sentBytes));
      record.sentBytes += piece.length;
      if (!response.write(piece)) {
        response.once('drain', more);
        return;
      }
    }
    response.end();
  };
  more();
}
