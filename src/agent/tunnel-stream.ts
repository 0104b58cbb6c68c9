import { Duplex } from 'node:stream';
import { BlockWriter, ErrorCode, responseFault, trailersFault } from '../h2/index.js';
import type { Connection, Stream } from '../h2/index.js';
import type { ResponseHeaders } from './headers.js';

/**
 * One stream of the hub's as Node's own streams are, so that it can be piped to and from a socket or an HTTP client. What is written goes out
 * as far as the hub's windows allow, and the callback of a write is its passage; what comes is granted again when somebody has read it.
 */

export type TunnelConnection = Connection<TunnelStream>;

/** What all streams of a tunnel hold that nobody has read yet, bytes. Shared: a hostile gateway cannot fill us by many streams. */
export interface Held {
  bytes: number;
}

/** For streams whose service does not read on. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;

export class TunnelStream extends Duplex {
  readonly #connection: TunnelConnection;
  readonly #stream: Stream<TunnelStream>;
  readonly #held: Held;
  /** The request has no body. */
  readonly endAfterHeaders: boolean;
  headersSent = false;
  /** Why it was reset, by whichever end; 0 (NO_ERROR) otherwise. */
  rstCode: number = ErrorCode.noError;
  #waitForTrailers = false;
  /** Of a write that has not left as a whole. */
  #unsent = 0;
  #onSent: (() => void) | undefined;
  /** Pushed, and not granted again. */
  #ungranted = 0;

  constructor(connection: TunnelConnection, stream: Stream<TunnelStream>, held: Held, endAfterHeaders: boolean) {
    super({ emitClose: true });
    this.#connection = connection;
    this.#stream = stream;
    this.#held = held;
    this.endAfterHeaders = endAfterHeaders;
    if (endAfterHeaders) this.push(null);
    else this.once('finish', () => this.#endUnread());
  }

  /** The answer is complete, and nobody ever looked at the request: no more of it, please (RFC 9113 §8.1). */
  #endUnread(): void {
    if (this.readableFlowing === null) this.close(ErrorCode.noError);
  }

  /** Sends the answer's head. Throws where HTTP/2 cannot carry it. With `waitForTrailers`, `wantTrailers` asks for them before the end. */
  respond(headers: ResponseHeaders & { readonly ':status': string }, { waitForTrailers = false } = {}): void {
    const fields = flat(headers);
    const fault = responseFault(fields);
    if (fault !== undefined) throw new Error(fault);
    this.#waitForTrailers = waitForTrailers;
    this.headersSent = true;
    this.#connection.sendHeaders(this.#stream, block(fields), false);
  }

  /** Ends the answer. Throws where HTTP/2 cannot carry them. */
  sendTrailers(trailers: ResponseHeaders): void {
    const fields = flat(trailers);
    const fault = trailersFault(fields);
    if (fault !== undefined) throw new Error(fault);
    if (fields.length === 0) this.#connection.sendData(this.#stream, NOTHING, 0, 0, true);
    else this.#connection.sendTrailers(this.#stream, block(fields));
  }

  /** Ends it for both sides, with this code. */
  close(code: number): void {
    if (this.destroyed) return;
    this.rstCode = code;
    this.destroy();
  }

  // ---- from the tunnel

  /** Bytes of the request's body; valid during the call. */
  received(bytes: Buffer, start: number, end: number, last: boolean): void {
    this.#connection.creditConnection(end - start);
    if (this.destroyed) return;
    this.#ungranted += end - start;
    this.#held.bytes += end - start;
    if (this.#held.bytes > MAX_HELD_BYTES) return this.close(ErrorCode.enhanceYourCalm);
    if (end > start) this.push(Buffer.from(bytes.subarray(start, end)));
    if (last) this.push(null);
  }

  /** The hub lets so many bytes more of what waited go, or they are of no use any more. */
  released(bytes: number): void {
    this.#unsent -= bytes;
    if (this.#unsent <= 0) this.#sent();
  }

  /** The hub has reset it, or the tunnel is gone. */
  abandoned(code: number): void {
    this.rstCode = code;
    this.destroy();
  }

  #sent(): void {
    const onSent = this.#onSent;
    this.#onSent = undefined;
    onSent?.();
  }

  // ---- Duplex

  override _read(): void {
    const bytes = this.#ungranted;
    this.#ungranted = 0;
    this.#held.bytes -= bytes;
    this.#connection.grantStream(this.#stream, bytes);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    const sent = this.#connection.sendData(this.#stream, chunk, 0, chunk.length, false);
    if (sent === chunk.length) return callback();
    this.#unsent = chunk.length - sent;
    this.#onSent = callback;
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#waitForTrailers) this.emit('wantTrailers');
    else this.#connection.sendData(this.#stream, NOTHING, 0, 0, true);
    // Who is finished is destroyed, and what still waited then would be reset.
    this.#unsent = this.#stream.queuedBytes;
    if (this.#unsent === 0) callback();
    else this.#onSent = callback;
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#held.bytes -= this.#ungranted;
    this.#ungranted = 0;
    if (error !== null && this.rstCode === ErrorCode.noError) this.rstCode = ErrorCode.internalError;
    this.#connection.reset(this.#stream, this.rstCode);
    this.#sent();
    callback(error);
  }
}

const NOTHING = Buffer.alloc(0);
/** One for all: a block is copied out before the next begins. */
const writer = new BlockWriter();

function block(fields: readonly string[]): Buffer {
  writer.reset();
  for (let i = 0; i < fields.length; i += 2) writer.field(fields[i] ?? '', fields[i + 1] ?? '');
  return writer.block();
}

function flat(headers: ResponseHeaders): string[] {
  const fields: string[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === 'string') fields.push(name, value);
    else for (const one of value) fields.push(name, one);
  }
  return fields;
}
