import type { Abort, ConnectionHandler, ConnectionOptions } from './events.js';
import type { ReceiveWindow } from './flow.js';
import { connectionViolation, ErrorCode, Flag, FrameType, MAX_WINDOW_BYTES, readUint31, readUint32, streamViolation, stripPadding } from './frames.js';
import type { Content, Violation } from './frames.js';
import type { FrameSink } from './frame-reader.js';
import { HeaderAssembly } from './header-assembly.js';
import { checkRequest, checkResponse, checkTrailers } from './headers.js';
import type { MessageFacts } from './headers.js';
import { HpackDecoder } from './hpack/decoder.js';
import type { FieldList } from './hpack/decoder.js';
import type { FloodGuard } from './limits.js';
import type { Outbound } from './outbound.js';
import type { Role } from './settings.js';
import type { Stream } from './stream.js';
import type { Streams } from './streams.js';

/**
 * The receiving half of a connection: what each frame means, in each state of its stream (RFC 9113 §5.1, §6).
 *
 * Every rule is a method that returns the violation it found, or undefined; there is one place that acts on violations. A
 * violation of a stream ends that stream, one of the connection the connection.
 */

/** Reused: facts of the message at hand, bounds of the payload at hand. Handling a frame is synchronous. */
const facts: MessageFacts = { contentLength: -1, status: 0, method: '' };
const content: Content = { start: 0, end: 0 };

/** Their length, if stated, is that of a body that does not follow. */
const NO_BODY_STATUS: ReadonlySet<number> = new Set([204, 304]);

/** What the receiving half needs of its connection. */
export interface Core<C> {
  readonly options: ConnectionOptions;
  readonly role: Role;
  readonly closed: boolean;
  /** New streams are refused. */
  readonly refusing: boolean;
  readonly streams: Streams<C>;
  readonly outbound: Outbound<C>;
  readonly receiveWindow: ReceiveWindow;
  /** The peer opens a stream. */
  accept(streamId: number): Stream<C>;
  /** Takes the stream off the table if both halves have ended. */
  finishIfClosed(stream: Stream<C>): void;
  creditConnection(bytes: number): void;
  /** Padding goes back to both windows at once. */
  creditPadding(stream: Stream<C>, bytes: number): void;
  /** Flow control `automatic`: gives received bytes back. */
  creditAutomatically(stream: Stream<C>, bytes: number): void;
  localSettingsAcknowledged(): void;
  peerSettings(bytes: Buffer, start: number, end: number): Violation | undefined;
  /** The peer has answered a PING of ours. */
  pong(): void;
  peerGoaway(lastStreamId: number, code: number): void;
  /** The stream has ended before its time. */
  abort(stream: Stream<C>, abort: Abort): void;
  /** The peer broke a rule on a stream, open or not: RST_STREAM, and `abort` if it is open. */
  abortForViolation(violation: Violation): void;
  /** The peer broke a rule of the connection: GOAWAY, and out. */
  fail(violation: Violation): void;
}

export class Inbound<C> implements FrameSink {
  readonly #connection: Core<C>;
  readonly #handler: ConnectionHandler<C>;
  readonly #guard: FloodGuard;
  readonly #decoder: HpackDecoder;
  readonly #assembly: HeaderAssembly;
  #settingsSeen = false;

  constructor(connection: Core<C>, handler: ConnectionHandler<C>, guard: FloodGuard) {
    this.#connection = connection;
    this.#handler = handler;
    this.#guard = guard;
    const { maxHeaderListBytes } = connection.options.settings;
    this.#decoder = new HpackDecoder(maxHeaderListBytes);
    this.#assembly = new HeaderAssembly(2 * maxHeaderListBytes);
  }

  onOversizedFrame(type: number, _streamId: number, length: number): void {
    this.#connection.fail(connectionViolation(ErrorCode.frameSizeError, `frame of type ${type} with ${length} bytes`));
  }

  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): boolean {
    const violation = this.#misplaced(type, flags, streamId) ?? this.#dispatch(type, flags, streamId, bytes, start, end);
    if (violation !== undefined) this.#act(violation);
    return !this.#connection.closed;
  }

  /** A violation of a stream resets it, and counts: a peer that provokes one reset after the other is flooding us. */
  #act(violation: Violation): void {
    if (violation.streamId !== 0 && this.#guard.admit('reset')) this.#connection.abortForViolation(violation);
    else if (violation.streamId !== 0) this.#connection.fail(flood('stream errors'));
    else this.#connection.fail(violation);
  }

  /** The two rules about order: SETTINGS come first (§3.4), and nothing comes between the parts of a header block (§6.10). */
  #misplaced(type: number, flags: number, streamId: number): Violation | undefined {
    if (this.#assembly.active && (type !== FrameType.continuation || streamId !== this.#assembly.streamId)) {
      return connectionViolation(ErrorCode.protocolError, 'a header block was interrupted');
    }
    if (!this.#settingsSeen && (type !== FrameType.settings || (flags & Flag.ack) !== 0)) {
      return connectionViolation(ErrorCode.protocolError, 'the first frame is not SETTINGS');
    }
    return undefined;
  }

  #dispatch(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): Violation | undefined {
    switch (type) {
      case FrameType.data:
        return this.#data(flags, streamId, bytes, start, end);
      case FrameType.headers:
        return this.#headers(flags, streamId, bytes, start, end);
      case FrameType.continuation:
        return this.#continuation(flags, bytes, start, end);
      case FrameType.windowUpdate:
        return this.#windowUpdate(streamId, bytes, start, end);
      case FrameType.rstStream:
        return this.#rstStream(streamId, bytes, start, end);
      case FrameType.settings:
        return this.#settings(flags, streamId, bytes, start, end);
      case FrameType.ping:
        return this.#ping(flags, streamId, bytes, start, end);
      case FrameType.goaway:
        return this.#goaway(streamId, bytes, start, end);
      case FrameType.priority:
        return this.#priority(streamId, bytes, start, end);
      case FrameType.pushPromise:
        return connectionViolation(ErrorCode.protocolError, 'PUSH_PROMISE, though push is off');
      default:
        return this.#stray();
    }
  }

  // ---- messages

  #headers(flags: number, streamId: number, bytes: Buffer, start: number, end: number): Violation | undefined {
    if (streamId === 0) return connectionViolation(ErrorCode.protocolError, 'HEADERS on stream 0');
    if (!stripPadding(bytes, start, end, flags, content)) return badPadding();
    if ((flags & Flag.priority) !== 0) {
      if (content.end - content.start < 5) return connectionViolation(ErrorCode.frameSizeError, 'HEADERS too short for its priority');
      if (readUint31(bytes, content.start) === streamId) return this.#selfDependent(streamId);
      content.start += 5;
    }
    const endStream = (flags & Flag.endStream) !== 0;
    if ((flags & Flag.endHeaders) !== 0) return this.#block(streamId, endStream, bytes, content.start, content.end);
    return this.#assembly.begin(streamId, endStream, bytes, content.start, content.end);
  }

  #continuation(flags: number, bytes: Buffer, start: number, end: number): Violation | undefined {
    if (!this.#assembly.active) return connectionViolation(ErrorCode.protocolError, 'CONTINUATION without HEADERS');
    if (start === end && !this.#guard.admit('empty')) return flood('empty CONTINUATION');
    const violation = this.#assembly.add(bytes, start, end);
    if (violation !== undefined || (flags & Flag.endHeaders) === 0) return violation;
    const { streamId, endStream } = this.#assembly;
    const block = this.#assembly.take();
    return this.#block(streamId, endStream, block, 0, block.length);
  }

  /** A whole header block. It is decoded whatever becomes of it, since the decoder's state is the connection's. */
  #block(streamId: number, endStream: boolean, bytes: Buffer, start: number, end: number): Violation | undefined {
    const fields: FieldList = [];
    const outcome = this.#decoder.decode(bytes, start, end, fields);
    if (outcome === 'malformed') return connectionViolation(ErrorCode.compressionError, 'malformed header block');
    const stream = this.#connection.streams.get(streamId);
    if (stream === undefined) return this.#firstBlock(streamId, endStream, fields, outcome === 'too-large');
    if (stream.remoteClosed) return streamViolation(streamId, ErrorCode.streamClosed, 'HEADERS after END_STREAM');
    if (outcome === 'too-large') return tooLarge(streamId);
    if (this.#connection.role === 'client' && !stream.headReceived) return this.#response(stream, endStream, fields);
    return this.#trailers(stream, endStream, fields);
  }

  /** HEADERS on a stream that is not open: a new request, or something late. */
  #firstBlock(streamId: number, endStream: boolean, fields: FieldList, oversized: boolean): Violation | undefined {
    const { streams, options } = this.#connection;
    if (!streams.isPeers(streamId) || streamId <= streams.lastPeerId) return this.#onAbsent(streamId, 'HEADERS');
    if (this.#connection.role === 'client') return connectionViolation(ErrorCode.protocolError, 'a server opened a stream');
    streams.lastPeerId = streamId;
    if (this.#connection.refusing || streams.size >= options.settings.maxConcurrentStreams) {
      return streamViolation(streamId, ErrorCode.refusedStream, 'too many streams');
    }
    if (oversized) return tooLarge(streamId);
    const fault = checkRequest(fields, facts);
    if (fault !== undefined) return streamViolation(streamId, ErrorCode.protocolError, fault);
    if (endStream && facts.contentLength > 0) return bodyMismatch(streamId);
    const stream = this.#connection.accept(streamId);
    stream.bodyOwed = facts.contentLength;
    stream.remoteClosed = endStream;
    this.#handler.onHeaders(stream, fields, endStream);
    return undefined;
  }

  #response(stream: Stream<C>, endStream: boolean, fields: FieldList): Violation | undefined {
    const fault = checkResponse(fields, facts);
    if (fault !== undefined) return streamViolation(stream.id, ErrorCode.protocolError, fault);
    const { status, contentLength } = facts;
    if (status < 200) {
      if (endStream) return streamViolation(stream.id, ErrorCode.protocolError, 'END_STREAM on an interim response');
      if (!this.#guard.admit('empty')) return flood('interim responses');
      this.#handler.onInterim?.(stream, fields, status);
      return undefined;
    }
    stream.headReceived = true;
    const bodiless = stream.headRequest || NO_BODY_STATUS.has(status);
    if (!bodiless && endStream && contentLength > 0) return bodyMismatch(stream.id);
    stream.bodyOwed = bodiless ? 0 : contentLength;
    stream.remoteClosed = endStream;
    this.#handler.onHeaders(stream, fields, endStream);
    this.#connection.finishIfClosed(stream);
    return undefined;
  }

  #trailers(stream: Stream<C>, endStream: boolean, fields: FieldList): Violation | undefined {
    if (!endStream) return streamViolation(stream.id, ErrorCode.protocolError, 'trailers without END_STREAM');
    const fault = checkTrailers(fields, facts);
    if (fault !== undefined) return streamViolation(stream.id, ErrorCode.protocolError, fault);
    if (stream.bodyOwed > 0) return bodyMismatch(stream.id);
    stream.remoteClosed = true;
    this.#handler.onTrailers(stream, fields);
    this.#connection.finishIfClosed(stream);
    return undefined;
  }

  #data(flags: number, streamId: number, bytes: Buffer, start: number, end: number): Violation | undefined {
    if (streamId === 0) return connectionViolation(ErrorCode.protocolError, 'DATA on stream 0');
    const connection = this.#connection;
    // The whole payload counts against the windows, padding too, whatever becomes of the frame (§6.9.1).
    const counted = end - start;
    if (!connection.receiveWindow.take(counted)) return connectionViolation(ErrorCode.flowControlError, "the connection's window was overrun");
    if (!stripPadding(bytes, start, end, flags, content)) return badPadding();
    const { start: from, end: to } = content;
    const endStream = (flags & Flag.endStream) !== 0;
    const stream = connection.streams.get(streamId);
    const violation = stream === undefined ? this.#onAbsent(streamId, 'DATA') : this.#bodyPart(stream, counted, to - from, endStream);
    if (violation !== undefined || stream === undefined) {
      connection.creditConnection(counted);
      return violation;
    }
    // Nobody else will ever give padding back: it goes no further than here (facts/h2-switch.md, trap 4).
    if (counted > to - from) connection.creditPadding(stream, counted - (to - from));
    this.#handler.onData(stream, bytes, from, to, endStream);
    if (connection.options.flow === 'automatic') connection.creditAutomatically(stream, to - from);
    connection.finishIfClosed(stream);
    return undefined;
  }

  /** Is this DATA frame in order? Books it if so. */
  #bodyPart(stream: Stream<C>, counted: number, length: number, endStream: boolean): Violation | undefined {
    if (stream.remoteClosed) return streamViolation(stream.id, ErrorCode.streamClosed, 'DATA after END_STREAM');
    if (this.#connection.role === 'client' && !stream.headReceived) return streamViolation(stream.id, ErrorCode.protocolError, 'DATA before the response');
    stream.receiveWindow -= counted;
    if (stream.receiveWindow < 0) return streamViolation(stream.id, ErrorCode.flowControlError, "the stream's window was overrun");
    if (length === 0 && !endStream && !this.#guard.admit('empty')) return flood('empty DATA');
    if (stream.bodyOwed >= 0) {
      if (length > stream.bodyOwed || (endStream && length < stream.bodyOwed)) return bodyMismatch(stream.id);
      stream.bodyOwed -= length;
    }
    stream.remoteClosed = endStream;
    return undefined;
  }

  // ---- streams and windows

  #rstStream(streamId: number, bytes: Buffer, start: number, end: number): Violation | undefined {
    if (end - start !== 4) return connectionViolation(ErrorCode.frameSizeError, 'RST_STREAM of a wrong length');
    const stream = this.#connection.streams.get(streamId);
    if (stream === undefined) return this.#lateOrIdle(streamId, 'RST_STREAM');
    // A client that opens and resets streams costs us far more than itself ("rapid reset").
    if (this.#connection.role === 'server' && !this.#guard.admit('reset')) return flood('RST_STREAM');
    this.#connection.abort(stream, { by: 'peer', code: readUint32(bytes, start), detail: 'RST_STREAM' });
    return undefined;
  }

  #windowUpdate(streamId: number, bytes: Buffer, start: number, end: number): Violation | undefined {
    if (end - start !== 4) return connectionViolation(ErrorCode.frameSizeError, 'WINDOW_UPDATE of a wrong length');
    if (!this.#guard.admit('windowUpdate')) return flood('WINDOW_UPDATE');
    const increment = readUint31(bytes, start);
    const stream = this.#connection.streams.get(streamId);
    if (streamId !== 0 && stream === undefined) return this.#lateOrIdle(streamId, 'WINDOW_UPDATE');
    // For the connection, streamId is 0, which is just what the violation needs.
    if (increment === 0) return streamViolation(streamId, ErrorCode.protocolError, 'WINDOW_UPDATE of 0');
    if (stream === undefined) return this.#connection.outbound.growWindow(increment) ? undefined : windowOverflow(0);
    stream.sendWindow += increment;
    if (stream.sendWindow > MAX_WINDOW_BYTES) return windowOverflow(streamId);
    this.#connection.outbound.resumeStream(stream);
    this.#handler.onStreamWindow?.(stream, increment);
    return undefined;
  }

  #priority(streamId: number, bytes: Buffer, start: number, end: number): Violation | undefined {
    if (streamId === 0) return connectionViolation(ErrorCode.protocolError, 'PRIORITY on stream 0');
    if (end - start !== 5) return streamViolation(streamId, ErrorCode.frameSizeError, 'PRIORITY of a wrong length');
    if (readUint31(bytes, start) === streamId) return this.#selfDependent(streamId);
    return this.#stray();
  }

  /** Gone from RFC 9113 with all priorities, but an error by RFC 7540 §5.3.1 and a sign of a broken peer still. */
  #selfDependent(streamId: number): Violation {
    return connectionViolation(ErrorCode.protocolError, `stream ${streamId} depends on itself`);
  }

  // ---- the connection

  #settings(flags: number, streamId: number, bytes: Buffer, start: number, end: number): Violation | undefined {
    if (streamId !== 0) return connectionViolation(ErrorCode.protocolError, 'SETTINGS on a stream');
    if ((flags & Flag.ack) !== 0) {
      if (end !== start) return connectionViolation(ErrorCode.frameSizeError, 'SETTINGS ACK with a payload');
      this.#decoder.setTableLimit(this.#connection.options.settings.headerTableBytes);
      this.#connection.localSettingsAcknowledged();
      return this.#guard.admit('settings') ? undefined : flood('SETTINGS ACK');
    }
    if (!this.#guard.admit('settings')) return flood('SETTINGS');
    this.#settingsSeen = true;
    return this.#connection.peerSettings(bytes, start, end);
  }

  #ping(flags: number, streamId: number, bytes: Buffer, start: number, end: number): Violation | undefined {
    if (streamId !== 0) return connectionViolation(ErrorCode.protocolError, 'PING on a stream');
    if (end - start !== 8) return connectionViolation(ErrorCode.frameSizeError, 'PING of a wrong length');
    // Its answer counts like any other byte: whoever waits for one sees that bytes come.
    if ((flags & Flag.ack) !== 0) {
      this.#connection.pong();
      return undefined;
    }
    if (!this.#guard.admit('ping')) return flood('PING');
    this.#connection.outbound.ping(bytes.subarray(start, end), true);
    return undefined;
  }

  #goaway(streamId: number, bytes: Buffer, start: number, end: number): Violation | undefined {
    if (streamId !== 0) return connectionViolation(ErrorCode.protocolError, 'GOAWAY on a stream');
    if (end - start < 8) return connectionViolation(ErrorCode.frameSizeError, 'GOAWAY too short');
    this.#connection.peerGoaway(readUint31(bytes, start), readUint32(bytes, start + 4));
    return undefined;
  }

  // ---- frames that come too early or too late

  /** DATA or HEADERS for a stream that is not open. */
  #onAbsent(streamId: number, frame: string): Violation | undefined {
    switch (this.#connection.streams.absent(streamId)) {
      case 'idle':
        return connectionViolation(ErrorCode.protocolError, `${frame} on an idle stream`);
      case 'gone':
        return connectionViolation(ErrorCode.streamClosed, `${frame} on a closed stream`);
      case 'reset-by-us':
        return undefined;
    }
  }

  /** RST_STREAM or WINDOW_UPDATE for a stream that is not open: legal for a while after its end. */
  #lateOrIdle(streamId: number, frame: string): Violation | undefined {
    if (streamId === 0 || this.#connection.streams.absent(streamId) === 'idle') {
      return connectionViolation(ErrorCode.protocolError, `${frame} on an idle stream`);
    }
    return frame === 'RST_STREAM' ? this.#stray() : undefined;
  }

  #stray(): Violation | undefined {
    return this.#guard.admit('stray') ? undefined : flood('useless frames');
  }
}

function flood(what: string): Violation {
  return connectionViolation(ErrorCode.enhanceYourCalm, `too many: ${what}`);
}

function badPadding(): Violation {
  return connectionViolation(ErrorCode.protocolError, 'padding as long as the frame');
}

function bodyMismatch(streamId: number): Violation {
  return streamViolation(streamId, ErrorCode.protocolError, 'the body is not as long as content-length says, or there must be none');
}

function tooLarge(streamId: number): Violation {
  return streamViolation(streamId, ErrorCode.enhanceYourCalm, 'header list over the limit');
}

function windowOverflow(streamId: number): Violation {
  return streamViolation(streamId, ErrorCode.flowControlError, 'a window over 2^31-1');
}
