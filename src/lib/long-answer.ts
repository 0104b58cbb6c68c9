import { connect, isIP } from 'node:net';
import type { Socket } from 'node:net';
import { addAbortSignal } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { ChunkedBody } from './chunked-body.js';

/**
 * A request whose answer has tens of megabytes and comes in thousands of small chunks (HTTP/1.1, a connection of its own). General clients
 * make objects for each chunk; here all is read into one piece of memory, and the socket rests while its reader works.
 */

export interface LongRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly caPem?: string | undefined;
  readonly connectTimeoutMs: number;
  /** Ends everything. */
  readonly signal: AbortSignal;
}

export interface LongAnswer {
  readonly status: number;
  /** By names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** Each is good until the next. Throws where the answer is not whole. Who does not read it to its end calls `destroy`. */
  readonly pieces: AsyncGenerator<Buffer>;
  destroy(): void;
}

const READ_BYTES = 256 * 1024;
const MAX_HEAD_BYTES = 64 * 1024;

interface Connection {
  readonly socket: Socket;
  /** What has come, in the same memory each time; undefined at the end. Rejects where the connection fails. */
  next(): Promise<Buffer | undefined>;
}

export async function ask(request: LongRequest): Promise<LongAnswer> {
  const { url, headers, body, signal } = request;
  signal.throwIfAborted();
  const { socket, next } = url.protocol === 'https:' ? overTls(request) : plain(request);
  addAbortSignal(signal, socket);
  const lines = Object.entries({ host: url.host, connection: 'close', 'content-length': String(body.length), ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`POST ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
  socket.write(body);
  try {
    const { head, rest } = await readHead(next);
    const { status, headers: answered } = parseHead(head);
    return { status, headers: answered, pieces: contentOf({ next, rest, headers: answered, socket }), destroy: () => socket.destroy() };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function readHead(next: Connection['next']): Promise<{ readonly head: string; readonly rest: Buffer }> {
  let bytes: Buffer = Buffer.alloc(0);
  for (;;) {
    const piece = await next();
    if (piece === undefined) throw new Error('the answer ends before it has begun');
    bytes = Buffer.concat([bytes, piece]);
    const end = bytes.indexOf('\r\n\r\n');
    if (end >= 0) return { head: bytes.toString('latin1', 0, end), rest: bytes.subarray(end + 4) };
    if (bytes.length > MAX_HEAD_BYTES) throw new Error('the head of the answer has no end');
  }
}

function parseHead(head: string): { readonly status: number; readonly headers: ReadonlyMap<string, string> } {
  const [first = '', ...lines] = head.split('\r\n');
  const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first)?.[1]);
  if (Number.isNaN(status)) throw new Error('the answer is not HTTP/1.1');
  const pairs = lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()] as const);
  return { status, headers: new Map(pairs) };
}

interface Content {
  readonly next: Connection['next'];
  readonly rest: Buffer;
  readonly headers: ReadonlyMap<string, string>;
  readonly socket: Socket;
}

async function* contentOf({ next, rest, headers, socket }: Content): AsyncGenerator<Buffer> {
  const chunked = headers.get('transfer-encoding')?.toLowerCase() === 'chunked' ? new ChunkedBody() : undefined;
  let left = Number(headers.get('content-length') ?? Infinity);
  try {
    for (let piece: Buffer | undefined = rest; piece !== undefined; piece = await next()) {
      const length = chunked?.strip(piece, 0, piece.length) ?? Math.min(piece.length, left);
      left -= length;
      if (chunked?.failed === true) throw new Error('the chunks of the answer cannot be told apart');
      if (length > 0) yield piece.subarray(0, length);
      if (chunked?.isComplete ?? left === 0) return;
    }
    // without a length, the end of the connection is the end
    if (chunked !== undefined || left !== Infinity) throw new Error('the answer ends too early');
  } finally {
    socket.destroy();
  }
}

/** Node reads into our memory, and stops until it is asked again. */
function plain({ url, connectTimeoutMs }: LongRequest): Connection {
  const memory = Buffer.allocUnsafeSlow(READ_BYTES);
  let turn = Promise.withResolvers<number>();
  let isFirst = true;
  const callback = (count: number): boolean => {
    turn.resolve(count);
    return false;
  };
  const socket = connect({ ...addressOf(url), onread: { buffer: memory, callback } });
  const over = overOf(socket, connectTimeoutMs, 'connect', () => turn.resolve(0));
  const next = async (): Promise<Buffer | undefined> => {
    if (!isFirst && !over.is) {
      turn = Promise.withResolvers();
      socket.resume();
    }
    isFirst = false;
    const count = await turn.promise;
    if (over.error !== undefined) throw over.error;
    return count === 0 || over.is ? undefined : memory.subarray(0, count);
  };
  return { socket, next };
}

/** Node hands out what was decrypted, in memory of its own. */
function overTls({ url, caPem, connectTimeoutMs }: LongRequest): Connection {
  const address = addressOf(url);
  const socket = connectTls({ ...address, ...(isIP(address.host) === 0 && { servername: address.host }), ...(caPem !== undefined && { ca: caPem }) });
  const over = overOf(socket, connectTimeoutMs, 'secureConnect', () => {});
  const pieces: AsyncIterator<Buffer> = socket.iterator();
  const next = async (): Promise<Buffer | undefined> => {
    const { value, done } = await pieces.next();
    if (over.error !== undefined) throw over.error;
    return done === true ? undefined : value;
  };
  return { socket, next };
}

function addressOf({ hostname, port, protocol }: URL): { readonly host: string; readonly port: number } {
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port) };
}

/** Whether and how the connection has ended. */
function overOf(socket: Socket, connectTimeoutMs: number, connected: 'connect' | 'secureConnect', onOver: () => void): { readonly is: boolean; readonly error: Error | undefined } {
  const over: { is: boolean; error: Error | undefined } = { is: false, error: undefined };
  const end = (error: Error | undefined): void => {
    over.is = true;
    over.error ??= error;
    onOver();
  };
  const timer = setTimeout(() => socket.destroy(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' })), connectTimeoutMs);
  socket.once(connected, () => clearTimeout(timer));
  socket.once('end', () => end(undefined));
  socket.on('error', end);
  socket.once('close', () => {
    clearTimeout(timer);
    end(undefined);
  });
  return over;
}
