import type { Logger } from '../lib/logger.js';
import type { MaybePromise } from '../lib/maybe-promise.js';
import { Connection } from './connection.js';
import type { Close, ConnectionHandler, ConnectionOptions } from './events.js';
import { ErrorCode, readUint32, writeUint32 } from './frames.js';
import { fieldValue } from './headers.js';
import type { FieldList } from './hpack/decoder.js';
import { encodeBlock } from './hpack/encoder.js';
import type { SocketIo } from './socket-io.js';
import type { Stream } from './stream.js';

/**
 * A gRPC server for calls of one message each way, on the frame core.
 *
 * The usual call is a HEADERS frame and a DATA frame that ends it, answered within the turn: it is read where the socket put
 * it and answered with header blocks that were encoded once. Statuses are those of gRPC's "Status codes and their use".
 */

/**
 * Answers a call. `message` is valid until it returns, not until its promise resolves. If it fails, the client gets INTERNAL,
 * without the reason.
 */
export type UnaryMethod = (message: Buffer) => MaybePromise<Buffer>;

export interface UnaryOptions {
  /** By path: `/package.Service/Method`. */
  readonly methods: ReadonlyMap<string, UnaryMethod>;
  readonly connection: Omit<ConnectionOptions, 'role' | 'flow' | 'firstStreamId'>;
  /** Is told of methods that fail. */
  readonly logger: Logger;
  readonly onClosed: (close: Close) => void;
}

/** A larger message is refused with RESOURCE_EXHAUSTED, bytes. */
export const MAX_UNARY_MESSAGE_BYTES = 64 * 1024;

/** Compressed flag and length, before each message. */
const PREFIX_BYTES = 5;
const MAX_BODY_BYTES = PREFIX_BYTES + MAX_UNARY_MESSAGE_BYTES;

/** Takes a socket over and serves calls on it until either end closes. */
export function serveUnary(io: SocketIo, options: UnaryOptions): { close(code: number, detail: string): void } {
  return new UnaryConnection(io, options).connection;
}

/** A call whose request has not come in full. */
class Call {
  readonly path: string;
  /** undefined: the call is refused, what still comes of it is of no interest. */
  method: UnaryMethod | undefined;
  /** Body bytes that came without the end, copied; undefined where there were none. */
  body: Buffer | undefined;
  bodyBytes = 0;

  constructor(path: string, method: UnaryMethod | undefined) {
    this.path = path;
    this.method = method;
  }

  /** Keeps a part of the body. False: there is more than one message may have. */
  gather(bytes: Buffer, start: number, end: number): boolean {
    const total = this.bodyBytes + end - start;
    if (total > MAX_BODY_BYTES) return false;
    const old = this.body;
    if (old === undefined || total > old.length) {
      // The first part is usually the whole message, the end following in a frame of its own.
      this.body = Buffer.allocUnsafe(Math.min(MAX_BODY_BYTES, Math.max(total, 2 * (old?.length ?? 0))));
      old?.copy(this.body, 0, 0, this.bodyBytes);
    }
    if (this.body !== undefined) bytes.copy(this.body, this.bodyBytes, start, end);
    this.bodyBytes = total;
    return true;
  }
}

class UnaryConnection implements ConnectionHandler<Call> {
  readonly connection: Connection<Call>;
  readonly #methods: ReadonlyMap<string, UnaryMethod>;
  readonly #logger: Logger;
  readonly #onClosed: (close: Close) => void;

  constructor(io: SocketIo, { methods, connection, logger, onClosed }: UnaryOptions) {
    this.#methods = methods;
    this.#logger = logger;
    this.#onClosed = onClosed;
    this.connection = new Connection<Call>(io, { ...connection, role: 'server', flow: 'automatic' }, this);
    io.attach(this.connection);
    this.connection.start();
  }

  // ---- requests

  onHeaders(stream: Stream<Call>, fields: FieldList, endStream: boolean): void {
    const path = fieldValue(fields, ':path') ?? '';
    const call = new Call(path, this.#methods.get(path));
    stream.context = call;
    const verb = fieldValue(fields, ':method') ?? '';
    if (verb !== 'POST') this.#refuseHttp(stream, call, WRONG_VERB, verb === 'HEAD');
    else if (!isGrpc(fieldValue(fields, 'content-type') ?? '')) this.#refuseHttp(stream, call, WRONG_TYPE, false);
    else if (call.method === undefined) this.#refuse(stream, call, UNKNOWN_METHOD);
    else if (endStream) this.#refuse(stream, call, NOT_ONE_MESSAGE);
  }

  onData(stream: Stream<Call>, bytes: Buffer, start: number, end: number, endStream: boolean): void {
    const call = stream.context;
    if (call === undefined) return;
    if (call.method === undefined) this.#discard(stream, call, end - start);
    else if (endStream && call.body === undefined) this.#run(stream, call, bytes, start, end);
    else if (!call.gather(bytes, start, end)) this.#refuse(stream, call, TOO_LARGE);
    else if (endStream) this.#runGathered(stream, call);
  }

  onTrailers(stream: Stream<Call>): void {
    if (stream.context?.method !== undefined) this.#runGathered(stream, stream.context);
  }

  /** The rest of a call that has its answer: some is in flight always, but nobody gets to send it for ever. */
  #discard(stream: Stream<Call>, call: Call, bytes: number): void {
    call.bodyBytes += bytes;
    if (call.bodyBytes > MAX_BODY_BYTES) this.connection.reset(stream, ErrorCode.noError);
  }

  #runGathered(stream: Stream<Call>, call: Call): void {
    this.#run(stream, call, call.body ?? NOTHING, 0, call.bodyBytes);
  }

  /** `bytes[start..end)` is the whole body. */
  #run(stream: Stream<Call>, call: Call, bytes: Buffer, start: number, end: number): void {
    const fault = faultOf(bytes, start, end);
    if (fault !== undefined || call.method === undefined) return this.#refuse(stream, call, fault ?? UNKNOWN_METHOD);
    let answer: MaybePromise<Buffer>;
    try {
      answer = call.method(bytes.subarray(start + PREFIX_BYTES, end));
    } catch (error) {
      return this.#failed(stream, call, error);
    }
    if (!(answer instanceof Promise)) return this.#answer(stream, answer);
    answer.then(
      (message) => this.#answer(stream, message),
      (error: unknown) => this.#failed(stream, call, error),
    );
  }

  // ---- answers; to a stream that was reset in the meantime they are dropped by the connection

  #answer(stream: Stream<Call>, message: Buffer): void {
    this.connection.sendHeaders(stream, ANSWER_HEAD, false);
    this.connection.sendData(stream, prefixed(message), 0, PREFIX_BYTES + message.length, false);
    this.connection.sendTrailers(stream, ANSWER_TRAILERS);
  }

  #failed(stream: Stream<Call>, call: Call, error: unknown): void {
    this.#logger.error({ err: error, method: call.path }, 'a gRPC method failed');
    this.#refuse(stream, call, FAILED);
  }

  #refuse(stream: Stream<Call>, call: Call, trailers: Uint8Array): void {
    call.method = undefined;
    call.body = undefined;
    this.connection.sendHeaders(stream, trailers, true);
  }

  #refuseHttp(stream: Stream<Call>, call: Call, { head, body }: HttpRefusal, withoutBody: boolean): void {
    call.method = undefined;
    this.connection.sendHeaders(stream, head, withoutBody);
    if (!withoutBody) this.connection.sendData(stream, body, 0, body.length, true);
  }

  // ---- the end

  /** Whoever works on the answer finds out when it is ready. */
  onAbort(): void {}

  onClose(close: Close): void {
    this.#onClosed(close);
  }
}

const NOTHING = Buffer.alloc(0);

function isGrpc(contentType: string): boolean {
  // Not `application/grpc-web`, which is another protocol.
  return contentType === 'application/grpc' || /^application\/grpc[+;]/.test(contentType);
}

const ANSWER_HEAD = encodeBlock([':status', '200', 'content-type', 'application/grpc']);
const ANSWER_TRAILERS = encodeBlock(['grpc-status', '0']);

const RESOURCE_EXHAUSTED = '8';
const UNIMPLEMENTED = '12';
const INTERNAL = '13';

/** An answer that is nothing but a status ("Trailers-Only"). `detail` is ASCII without `%`. */
function trailersOnly(status: string, detail: string, ...more: string[]): Uint8Array {
  return encodeBlock([':status', '200', 'content-type', 'application/grpc', 'grpc-status', status, 'grpc-message', detail, ...more]);
}

const UNKNOWN_METHOD = trailersOnly(UNIMPLEMENTED, 'unknown method');
const NOT_ONE_MESSAGE = trailersOnly(UNIMPLEMENTED, 'the request must have one message');
const COMPRESSED = trailersOnly(UNIMPLEMENTED, 'messages must not be compressed', 'grpc-accept-encoding', 'identity');
const TOO_LARGE = trailersOnly(RESOURCE_EXHAUSTED, `a message may have ${MAX_UNARY_MESSAGE_BYTES} bytes`);
const CUT = trailersOnly(INTERNAL, 'the message is cut');
const FAILED = trailersOnly(INTERNAL, 'internal error');

/** What keeps a body from being one message. */
function faultOf(bytes: Buffer, start: number, end: number): Uint8Array | undefined {
  if (start === end) return NOT_ONE_MESSAGE;
  const left = end - start - PREFIX_BYTES;
  if (left < 0) return CUT;
  if (bytes[start] !== 0) return COMPRESSED;
  const length = readUint32(bytes, start + 1);
  if (length > MAX_UNARY_MESSAGE_BYTES) return TOO_LARGE;
  if (length > left) return CUT;
  return length < left ? NOT_ONE_MESSAGE : undefined;
}

/** For what is no gRPC call at all. */
interface HttpRefusal {
  readonly head: Uint8Array;
  readonly body: Buffer;
}

function httpRefusal(status: string, text: string, ...more: string[]): HttpRefusal {
  const body = Buffer.from(`${text}\n`);
  return { head: encodeBlock([':status', status, 'content-type', 'text/plain; charset=utf-8', 'content-length', String(body.length), ...more]), body };
}

const WRONG_VERB = httpRefusal('405', 'gRPC calls are POST requests', 'allow', 'POST');
const WRONG_TYPE = httpRefusal('415', 'gRPC calls have the content-type application/grpc');

/** Room for the usual answer; used up before the next. */
const SCRATCH = Buffer.allocUnsafeSlow(8 * 1024);

/** `message` behind its prefix: a view's worth of scratch, valid until the next call. */
function prefixed(message: Buffer): Buffer {
  const bytes = PREFIX_BYTES + message.length;
  const target = bytes <= SCRATCH.length ? SCRATCH : Buffer.allocUnsafe(bytes);
  target[0] = 0;
  writeUint32(target, 1, message.length);
  message.copy(target, PREFIX_BYTES);
  return target;
}
