import { ByteQueue } from './byte-queue.js';
import type { ConnectionHandler } from './events.js';
import { Flag, FRAME_HEADER_BYTES, FrameType, MAX_FRAME_PAYLOAD_BYTES, MAX_WINDOW_BYTES, DEFAULT_WINDOW_BYTES, writeFrameHeaderParts, writeUint32 } from './frames.js';
import { TABLE_SIZE_ZERO } from './hpack/encoder.js';
import { defaultPeerSettings } from './settings.js';
import type { PeerSettings } from './settings.js';
import type { Stream } from './stream.js';
import type { Transport } from './transport.js';

/**
 * The sending half of a connection: writes frames, and holds DATA back while a window is shut or the socket is full.
 *
 * What cannot go at once is copied and waits on its stream; streams that wait take turns, a frame each, so that none of them
 * starves. The consumer is told when queued bytes have gone (`onReleased`), and bounds the queue by what it grants the source.
 */
export class Outbound<C> {
  readonly peer: PeerSettings = defaultPeerSettings();
  readonly #transport: Transport;
  readonly #handler: ConnectionHandler<C>;
  readonly #onLocalEnd: (stream: Stream<C>) => void;
  /** What we may send on all streams together. */
  #window = DEFAULT_WINDOW_BYTES;
  /** Streams with queued bytes, in the order in which they get their turn. */
  readonly #waiting = new Set<Stream<C>>();
  /** Bytes in all queues. */
  queuedBytes = 0;
  #firstBlock = true;

  /** `onLocalEnd` is called when END_STREAM has been put out. */
  constructor(transport: Transport, handler: ConnectionHandler<C>, onLocalEnd: (stream: Stream<C>) => void) {
    this.#transport = transport;
    this.#handler = handler;
    this.#onLocalEnd = onLocalEnd;
  }

  /** Connection window left for sending, bytes. */
  get window(): number {
    return this.#window;
  }

  // ---- frames that need no window

  #frame(payloadBytes: number, type: number, flags: number, streamId: number): number {
    const at = this.#transport.reserve(FRAME_HEADER_BYTES + payloadBytes);
    writeFrameHeaderParts(this.#transport.buffer, at, payloadBytes, type, flags, streamId);
    return at + FRAME_HEADER_BYTES;
  }

  settings(payload: Uint8Array): void {
    const at = this.#frame(payload.length, FrameType.settings, 0, 0);
    this.#transport.buffer.set(payload, at);
  }

  settingsAck(): void {
    this.#frame(0, FrameType.settings, Flag.ack, 0);
  }

  ping(payload: Uint8Array, ack: boolean): void {
    const at = this.#frame(8, FrameType.ping, ack ? Flag.ack : 0, 0);
    this.#transport.buffer.set(payload, at);
  }

  goaway(lastStreamId: number, code: number, debug: string): void {
    const at = this.#frame(8 + debug.length, FrameType.goaway, 0, 0);
    writeUint32(this.#transport.buffer, at, lastStreamId);
    writeUint32(this.#transport.buffer, at + 4, code);
    this.#transport.buffer.write(debug, at + 8, 'latin1');
  }

  rstStream(streamId: number, code: number): void {
    const at = this.#frame(4, FrameType.rstStream, 0, streamId);
    writeUint32(this.#transport.buffer, at, code);
  }

  /** `streamId` 0: the connection's window. */
  windowUpdate(streamId: number, increment: number): void {
    const at = this.#frame(4, FrameType.windowUpdate, 0, streamId);
    writeUint32(this.#transport.buffer, at, increment);
  }

  // ---- messages

  /** One header block, in as many frames as it takes. The connection's first one begins with the table size update. */
  headers(stream: Stream<C>, block: Uint8Array, endStream: boolean): void {
    const prefix = this.#firstBlock ? 1 : 0;
    this.#firstBlock = false;
    const total = prefix + block.length;
    const first = Math.min(total, MAX_FRAME_PAYLOAD_BYTES);
    const flags = (first === total ? Flag.endHeaders : 0) | (endStream ? Flag.endStream : 0);
    const at = this.#frame(first, FrameType.headers, flags, stream.id);
    const buffer = this.#transport.buffer;
    if (prefix === 1) buffer[at] = TABLE_SIZE_ZERO;
    buffer.set(first === total ? block : block.subarray(0, first - prefix), at + prefix);
    if (first < total) this.#continuations(stream.id, block, first - prefix);
    if (endStream) this.#localEnd(stream);
  }

  #continuations(streamId: number, block: Uint8Array, from: number): void {
    for (let at = from; at < block.length; at += MAX_FRAME_PAYLOAD_BYTES) {
      const part = block.subarray(at, at + MAX_FRAME_PAYLOAD_BYTES);
      const last = at + part.length === block.length;
      const offset = this.#frame(part.length, FrameType.continuation, last ? Flag.endHeaders : 0, streamId);
      this.#transport.buffer.set(part, offset);
    }
  }

  /**
   * Sends `bytes[start..end)`, as far as windows and socket allow; copies and queues the rest.
   * Returns how many bytes have gone at once. END_STREAM goes with the last of them.
   */
  data(stream: Stream<C>, bytes: Buffer, start: number, end: number, endStream: boolean): number {
    let at = start;
    if (stream.queue === undefined) {
      while (at < end) {
        const part = this.#sendable(stream, end - at);
        if (part === 0) break;
        this.#dataFrame(stream, bytes, at, at + part, endStream && at + part === end);
        at += part;
      }
      if (start === end && endStream) this.#dataFrame(stream, bytes, at, at, true);
    }
    if (at < end || stream.queue !== undefined) this.#enqueue(stream, bytes, at, end, endStream);
    return at - start;
  }

  /** Ends the stream with trailers, behind whatever waits. */
  trailers(stream: Stream<C>, block: Uint8Array): void {
    if (stream.queue === undefined) this.headers(stream, block, true);
    else stream.queuedEnd = new Uint8Array(block);
  }

  #dataFrame(stream: Stream<C>, bytes: Buffer, start: number, end: number, endStream: boolean): void {
    const length = end - start;
    const at = this.#frame(length, FrameType.data, endStream ? Flag.endStream : 0, stream.id);
    if (length > 0) bytes.copy(this.#transport.buffer, at, start, end);
    stream.sendWindow -= length;
    this.#window -= length;
    if (endStream) this.#localEnd(stream);
  }

  /** How much of `wanted` may go now: no more than a frame, 0 where a window is shut or the socket is full. */
  #sendable(stream: Stream<C>, wanted: number): number {
    if (this.#transport.congested) return 0;
    return Math.max(0, Math.min(wanted, stream.sendWindow, this.#window, MAX_FRAME_PAYLOAD_BYTES));
  }

  #localEnd(stream: Stream<C>): void {
    stream.localClosed = true;
    this.#onLocalEnd(stream);
  }

  // ---- what waits

  #enqueue(stream: Stream<C>, bytes: Buffer, start: number, end: number, endStream: boolean): void {
    stream.queue ??= new ByteQueue();
    stream.queue.push(bytes, start, end);
    this.queuedBytes += end - start;
    if (endStream) stream.queuedEnd = 'end';
    this.#waiting.add(stream);
  }

  /** The peer granted `increment` on the connection. False: its window would be over the maximum. */
  growWindow(increment: number): boolean {
    this.#window += increment;
    if (this.#window > MAX_WINDOW_BYTES) return false;
    this.resume();
    return true;
  }

  /** The connection's window or the socket has room again: whoever waits gets a turn, one frame each, round and round. */
  resume(): void {
    let stuck = 0;
    while (this.#waiting.size > stuck && this.#window > 0 && !this.#transport.congested) {
      const [stream] = this.#waiting;
      if (stream === undefined) return;
      // To the end of the line, whether it can send or not.
      this.#waiting.delete(stream);
      this.#waiting.add(stream);
      stuck = this.#sendQueued(stream, MAX_FRAME_PAYLOAD_BYTES) ? 0 : stuck + 1;
    }
  }

  /** This stream's window has grown. */
  resumeStream(stream: Stream<C>): void {
    if (stream.queue !== undefined) this.#sendQueued(stream, stream.queuedBytes);
  }

  /** Sends up to `budget` queued bytes of a stream. False: nothing could go. */
  #sendQueued(stream: Stream<C>, budget: number): boolean {
    let sent = 0;
    for (let queue = stream.queue; sent < budget && queue !== undefined; queue = stream.queue) {
      const head = queue.head();
      if (head === undefined) break;
      const part = this.#sendable(stream, Math.min(head.end - head.start, budget - sent));
      if (part === 0) break;
      const last = part === stream.queuedBytes;
      this.#dataFrame(stream, head.bytes, head.start, head.start + part, last && stream.queuedEnd === 'end');
      queue.drop(part);
      this.queuedBytes -= part;
      sent += part;
      if (last) this.#queueEmptied(stream);
    }
    if (sent > 0) this.#handler.onReleased?.(stream, sent);
    return sent > 0;
  }

  #queueEmptied(stream: Stream<C>): void {
    this.#waiting.delete(stream);
    stream.queue = undefined;
    if (stream.queuedEnd instanceof Uint8Array) this.headers(stream, stream.queuedEnd, true);
    stream.queuedEnd = 'none';
  }

  /** The stream is over: what still waits on it is dropped, and reported as released. */
  discard(stream: Stream<C>): void {
    if (stream.queue === undefined) return;
    const dropped = stream.queuedBytes;
    this.#waiting.delete(stream);
    stream.queue.clear();
    stream.queue = undefined;
    stream.queuedEnd = 'none';
    this.queuedBytes -= dropped;
    this.#handler.onReleased?.(stream, dropped);
  }
}
