import type { Abort, Close, ConnectionHandler, ConnectionOptions } from './events.js';
import { ReceiveWindow } from './flow.js';
import { CLIENT_PREFACE, connectionViolation, DEFAULT_WINDOW_BYTES, ErrorCode, MAX_WINDOW_BYTES } from './frames.js';
import type { Violation } from './frames.js';
import { FrameReader } from './frame-reader.js';
import { Inbound } from './inbound.js';
import type { Core } from './inbound.js';
import { FloodGuard } from './limits.js';
import { Outbound } from './outbound.js';
import { applySettings, encodeSettings } from './settings.js';
import type { PeerSettings, Role } from './settings.js';
import { Stream } from './stream.js';
import { Streams } from './streams.js';
import type { Receiver, Transport } from './transport.js';

/**
 * One HTTP/2 connection, in either role. It keeps the rules of RFC 9113 and says what happened; what a message means, and
 * when a peer may send more, is the consumer's (`flow: 'manual'`, for a switch) or taken care of (`'automatic'`, for a server
 * that reads what it gets).
 */

export class Connection<C> implements Receiver, Core<C> {
  readonly options: ConnectionOptions;
  readonly streams: Streams<C>;
  readonly outbound: Outbound<C>;
  readonly receiveWindow: ReceiveWindow;
  readonly #handler: ConnectionHandler<C>;
  readonly #transport: Transport;
  readonly #reader: FrameReader;
  /** Bytes of the client's preface that a server has still to see. */
  #prefaceLeft: number;
  #localSettingsAcknowledged = false;
  #peerGoaway = false;
  /** We refuse new streams and close with the last one. */
  refusing = false;
  closed = false;

  constructor(transport: Transport, options: ConnectionOptions, handler: ConnectionHandler<C>) {
    this.options = options;
    this.#transport = transport;
    this.#handler = handler;
    this.streams = new Streams(options.role, options.firstStreamId ?? 1);
    this.outbound = new Outbound(transport, handler, (stream) => this.finishIfClosed(stream));
    this.receiveWindow = new ReceiveWindow(options.connectionWindowBytes);
    this.#reader = new FrameReader(new Inbound(this, handler, new FloodGuard(options.limits, options.nowMs)));
    this.#prefaceLeft = options.role === 'server' ? CLIENT_PREFACE.length : 0;
  }

  get role(): Role {
    return this.options.role;
  }

  get peer(): Readonly<PeerSettings> {
    return this.outbound.peer;
  }

  /** Puts out our preface: SETTINGS, and the connection's window. */
  start(): void {
    if (this.role === 'client') {
      const at = this.#transport.reserve(CLIENT_PREFACE.length);
      this.#transport.buffer.set(CLIENT_PREFACE, at);
    }
    this.outbound.settings(encodeSettings(this.options.settings, this.role));
    const grant = this.receiveWindow.open();
    if (grant > 0) this.outbound.windowUpdate(0, grant);
  }

  // ---- sending

  /** Client: may a stream be opened now? */
  get canOpen(): boolean {
    return !this.closed && !this.refusing && !this.#peerGoaway && this.streams.size < this.peer.maxConcurrentStreams && this.streams.idsLeft > 0;
  }

  /** The peer has sent GOAWAY: no new streams here. */
  get goingAway(): boolean {
    return this.#peerGoaway;
  }

  /** Client: opens a stream with a request. `head`: the method is HEAD. Undefined: not now (see `canOpen`). */
  openStream(block: Uint8Array, request: { readonly endStream: boolean; readonly head: boolean }, context: C): Stream<C> | undefined {
    if (!this.canOpen) return undefined;
    const id = this.streams.takeOwnId();
    if (id === undefined) return undefined;
    const stream = new Stream<C>(id, this.peer.initialWindowBytes, this.#initialReceiveWindow());
    stream.context = context;
    stream.headRequest = request.head;
    this.streams.add(stream);
    this.outbound.headers(stream, block, request.endStream);
    return stream;
  }

  /** Server: a response's head, an interim one too. */
  sendHeaders(stream: Stream<C>, block: Uint8Array, endStream: boolean): void {
    if (!stream.aborted) this.outbound.headers(stream, block, endStream);
  }

  /**
   * Sends body bytes; copies what cannot go yet. Returns how many went (or were of no use any more); `onReleased` accounts
   * for the others.
   */
  sendData(stream: Stream<C>, bytes: Buffer, start: number, end: number, endStream: boolean): number {
    return stream.aborted ? end - start : this.outbound.data(stream, bytes, start, end, endStream);
  }

  /** Ends the stream with trailers. */
  sendTrailers(stream: Stream<C>, block: Uint8Array): void {
    if (!stream.aborted) this.outbound.trailers(stream, block);
  }

  /** Ends a stream at once, for both sides. The handler is not told: it knows. */
  reset(stream: Stream<C>, code: number): void {
    if (stream.closed) return;
    this.outbound.rstStream(stream.id, code);
    if (!stream.remoteClosed) this.streams.rememberReset(stream.id);
    this.#remove(stream);
    this.#handler.onStreamClosed?.(stream);
  }

  /** Lets the peer send `increment` bytes more on this stream. */
  grantStream(stream: Stream<C>, increment: number): void {
    if (stream.closed || stream.remoteClosed || increment <= 0) return;
    const granted = Math.min(increment, MAX_WINDOW_BYTES - stream.receiveWindow);
    if (granted <= 0) return;
    stream.receiveWindow += granted;
    this.outbound.windowUpdate(stream.id, granted);
  }

  /** Received bytes have moved on: the connection's window gets them back. */
  creditConnection(bytes: number): void {
    const due = this.receiveWindow.credit(bytes);
    if (due > 0 && !this.closed) this.outbound.windowUpdate(0, due);
  }

  /** Asks for a sign of life; the answer is bytes, which the transport's owner sees. */
  ping(): void {
    if (!this.closed) this.outbound.ping(PING_PAYLOAD, false);
  }

  pong(): void {
    this.#handler.onPong?.();
  }

  /** Takes no new streams, lets the open ones finish, then closes. */
  shutdown(): void {
    if (this.closed || this.refusing) return;
    this.refusing = true;
    this.outbound.goaway(this.streams.lastPeerId, ErrorCode.noError, '');
    this.#closeIfIdle();
  }

  /** Closes now, with a word to the peer. Open streams are aborted. */
  close(code: number, detail: string): void {
    this.fail(connectionViolation(code, detail));
  }

  // ---- Receiver

  onBytes(bytes: Buffer, start: number, end: number): void {
    if (this.closed) return;
    const from = this.#prefaceLeft > 0 ? this.#readPreface(bytes, start, end) : start;
    if (from < end && !this.closed) this.#reader.push(bytes, from, end);
  }

  onDrain(): void {
    if (!this.closed) this.outbound.resume();
  }

  onClose(error: Error | undefined): void {
    this.#shut({ by: 'peer', code: ErrorCode.noError, detail: error?.message ?? 'connection closed' });
  }

  #readPreface(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (this.#prefaceLeft > 0 && at < end) {
      if (bytes[at] !== CLIENT_PREFACE[CLIENT_PREFACE.length - this.#prefaceLeft]) {
        this.fail(connectionViolation(ErrorCode.protocolError, 'not an HTTP/2 preface'));
        return end;
      }
      this.#prefaceLeft -= 1;
      at += 1;
    }
    return at;
  }

  // ---- Core: for the receiving half (inbound.ts), not for consumers

  accept(streamId: number): Stream<C> {
    const stream = new Stream<C>(streamId, this.peer.initialWindowBytes, this.#initialReceiveWindow());
    this.streams.add(stream);
    return stream;
  }

  /** Until the peer has seen our SETTINGS, it works with the protocol's default window. */
  #initialReceiveWindow(): number {
    return this.#localSettingsAcknowledged ? this.options.settings.initialWindowBytes : DEFAULT_WINDOW_BYTES;
  }

  localSettingsAcknowledged(): void {
    if (this.#localSettingsAcknowledged) return;
    this.#localSettingsAcknowledged = true;
    const delta = this.options.settings.initialWindowBytes - DEFAULT_WINDOW_BYTES;
    for (const stream of this.streams.values()) stream.receiveWindow += delta;
    // The peer's own SETTINGS were its first frame: both are there now.
    this.#handler.onReady?.();
  }

  peerSettings(bytes: Buffer, start: number, end: number): Violation | undefined {
    const before = this.peer.initialWindowBytes;
    const violation = applySettings(bytes, start, end, this.outbound.peer, this.role);
    if (violation !== undefined) return violation;
    // The acknowledgement goes before any DATA that the new settings allow.
    this.outbound.settingsAck();
    const delta = this.peer.initialWindowBytes - before;
    if (delta !== 0 && !this.#shiftWindows(delta)) return connectionViolation(ErrorCode.flowControlError, 'a window over 2^31-1');
    return undefined;
  }

  /** A change of the initial window moves the windows of all open streams (§6.9.2). False: one would be too large. */
  #shiftWindows(delta: number): boolean {
    for (const stream of this.streams.values()) {
      stream.sendWindow += delta;
      if (stream.sendWindow > MAX_WINDOW_BYTES) return false;
      if (delta < 0) continue;
      this.outbound.resumeStream(stream);
      this.#handler.onStreamWindow?.(stream, delta);
    }
    return true;
  }

  peerGoaway(lastStreamId: number, code: number): void {
    this.#peerGoaway = true;
    // First, so that nobody takes a stream that is refused to this connection again.
    this.#handler.onGoaway?.(code);
    const unseen = this.role === 'client' ? [...this.streams.values()].filter((stream) => stream.id > lastStreamId) : [];
    for (const stream of unseen) this.abort(stream, { by: 'refused', code: ErrorCode.refusedStream, detail: 'GOAWAY' });
  }

  creditPadding(stream: Stream<C>, bytes: number): void {
    this.creditConnection(bytes);
    this.grantStream(stream, bytes);
  }

  creditAutomatically(stream: Stream<C>, bytes: number): void {
    this.creditConnection(bytes);
    const used = this.options.settings.initialWindowBytes - stream.receiveWindow;
    if (used * 2 >= this.options.settings.initialWindowBytes) this.grantStream(stream, used);
  }

  abortForViolation(violation: Violation): void {
    const stream = this.streams.get(violation.streamId);
    this.outbound.rstStream(violation.streamId, violation.code);
    if (stream === undefined || !stream.remoteClosed) this.streams.rememberReset(violation.streamId);
    if (stream !== undefined) this.abort(stream, { by: 'violation', code: violation.code, detail: violation.detail });
  }

  abort(stream: Stream<C>, abort: Abort): void {
    this.#remove(stream);
    this.#handler.onAbort(stream, abort);
  }

  finishIfClosed(stream: Stream<C>): void {
    if (stream.aborted || !stream.localClosed || !stream.remoteClosed || this.streams.get(stream.id) !== stream) return;
    this.streams.delete(stream.id);
    this.#handler.onStreamClosed?.(stream);
    this.#closeIfIdle();
  }

  #remove(stream: Stream<C>): void {
    stream.aborted = true;
    this.streams.delete(stream.id);
    this.outbound.discard(stream);
    this.#closeIfIdle();
  }

  #closeIfIdle(): void {
    if (!this.refusing || this.closed || this.streams.size > 0) return;
    this.#transport.end();
    this.#shut({ by: 'us', code: ErrorCode.noError, detail: 'shut down' });
  }

  fail(violation: Violation): void {
    if (this.closed) return;
    this.outbound.goaway(this.streams.lastPeerId, violation.code, violation.detail);
    this.#transport.end();
    this.#shut({ by: 'us', code: violation.code, detail: violation.detail });
  }

  #shut(close: Close): void {
    if (this.closed) return;
    this.closed = true;
    for (const stream of this.streams.values()) this.abort(stream, { by: 'connection', code: close.code, detail: close.detail });
    this.#handler.onClose(close);
  }
}

const PING_PAYLOAD = Buffer.from('scrapewy', 'latin1');
