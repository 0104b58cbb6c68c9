import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { FRAME_HEADER_BYTES, MAX_FRAME_PAYLOAD_BYTES } from './frames.js';
import type { Receiver, Transport } from './transport.js';

/**
 * A socket as the frame core likes it: read into one buffer that all sockets of the thread share, and written once per turn
 * of the event loop, whatever was put out in that turn. Each is worth 15–20 % of the hub's CPU (facts/h2-switch.md).
 */

/** One read; shared, since whoever is called with it takes what he needs before returning. */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024);

/** Output is gathered in a small buffer, which is swapped for a large one when it overflows. Both kinds are used again. */
class BufferPool {
  readonly #bytes: number;
  readonly #max: number;
  readonly #free: Buffer[] = [];

  constructor(bytes: number, max: number) {
    this.#bytes = bytes;
    this.#max = max;
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#bytes);
  }

  give(buffer: Buffer): void {
    if (this.#free.length < this.#max) this.#free.push(buffer);
  }
}

const SMALL_BYTES = 4 * 1024;
const small = new BufferPool(SMALL_BYTES, 256);
/** 8 MiB at most: as much as eight sockets have on their way before they are congested. */
const large = new BufferPool(64 * 1024, 128);

function giveBack(buffer: Buffer): void {
  (buffer.length === SMALL_BYTES ? small : large).give(buffer);
}

const NO_BUFFER = Buffer.alloc(0);
const LARGEST_RESERVATION = FRAME_HEADER_BYTES + MAX_FRAME_PAYLOAD_BYTES;

/** Above this, DATA waits (`congested`). */
const CONGESTED_BYTES = 1024 * 1024;
/** Above this, the peer has stopped reading and is dropped: control frames must not pile up without end. */
const MAX_UNSENT_BYTES = 16 * 1024 * 1024;

/** How long the peer may take to close after we did. */
const LINGER_MS = 2000;

/** Sockets with output, flushed together at the end of this turn. */
let dirty: SocketIo[] = [];

function flushAll(): void {
  const flushed = dirty;
  dirty = [];
  for (const io of flushed) io.flush();
}

export class SocketIo implements Transport {
  readonly #socket: Duplex;
  #receiver: Receiver | undefined;
  #buffer: Buffer = NO_BUFFER;
  #length = 0;
  #dirty = false;
  #congested = false;
  #ending = false;
  #error: Error | undefined;
  /** A plain socket, whose writes mostly end within the call. */
  readonly #isPlain: boolean;
  /** Written to a plain socket, and not yet taken by the kernel: they are used again when all are. */
  readonly #onTheirWay: Buffer[] = [];

  /** Takes a socket over, an accepted one included: nobody else may listen to it or write to it. */
  constructor(socket: Duplex) {
    const onread = { buffer: READ_BUFFER, callback: (bytes: number): boolean => this.#read(bytes) };
    const adopted = adopt(socket, onread);
    this.#isPlain = adopted !== undefined;
    this.#socket = adopted ?? readByEvents(socket, (chunk) => this.#receiver?.onBytes(chunk, 0, chunk.length));
    this.#socket.on('drain', () => this.#drained());
    this.#socket.on('end', () => this.destroy());
    this.#socket.on('error', (error) => (this.#error = error));
    this.#socket.on('close', () => this.#closed());
  }

  /** Who is told what comes. May change during the connection's life (first a handshake, then HTTP/2). */
  attach(receiver: Receiver): void {
    this.#receiver = receiver;
  }

  get buffer(): Buffer {
    return this.#buffer;
  }

  get congested(): boolean {
    return this.#congested;
  }

  get destroyed(): boolean {
    return this.#socket.destroyed;
  }

  reserve(bytes: number): number {
    if (this.#length + bytes > this.#buffer.length) this.#makeRoom(bytes);
    if (!this.#dirty) {
      this.#dirty = true;
      if (dirty.length === 0) setImmediate(flushAll);
      dirty.push(this);
    }
    const at = this.#length;
    this.#length += bytes;
    return at;
  }

  /** Puts out bytes as they are. For what is not a frame: the handshake's answer, the client's preface. */
  write(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.#buffer.set(bytes, at);
  }

  #makeRoom(bytes: number): void {
    if (bytes > LARGEST_RESERVATION) throw new RangeError(`${bytes} bytes are more than a frame`);
    const old = this.#buffer;
    if (old.length === 0) {
      this.#buffer = (bytes > SMALL_BYTES ? large : small).take();
    } else if (old.length === SMALL_BYTES) {
      this.#buffer = large.take();
      old.copy(this.#buffer, 0, 0, this.#length);
      giveBack(old);
    } else {
      this.#send();
      this.#buffer = large.take();
    }
  }

  /** End of the turn: hands over what was gathered. */
  flush(): void {
    this.#dirty = false;
    this.#send();
    if (this.#ending) this.#socket.end();
  }

  #send(): void {
    const buffer = this.#buffer;
    const length = this.#length;
    this.#buffer = NO_BUFFER;
    this.#length = 0;
    if (length === 0 || this.#socket.destroyed || this.#socket.writableEnded) return;
    if (this.#isPlain) {
      this.#socket.write(buffer.subarray(0, length));
      this.#onTheirWay.push(buffer);
      // Nothing left behind: the kernel has taken it all, mostly within the call. A callback for each would cost more.
      if (this.#socket.writableLength === 0) this.#takeBack();
    } else {
      // TLS: never within the call, and where little is written nothing else ever says when.
      this.#socket.write(buffer.subarray(0, length), () => giveBack(buffer));
    }
    const unsent = this.#socket.writableLength;
    if (unsent > MAX_UNSENT_BYTES) this.#socket.destroy(new Error('the peer does not read'));
    else if (unsent > CONGESTED_BYTES) this.#congested = true;
  }

  /** A large one that is left to the collector instead makes it run sooner. */
  #takeBack(): void {
    for (let buffer = this.#onTheirWay.pop(); buffer !== undefined; buffer = this.#onTheirWay.pop()) giveBack(buffer);
  }

  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.reserve(0);
    // The peer should close now; it does not get to keep the socket.
    setTimeout(() => this.destroy(), LINGER_MS).unref();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(bytes: number): boolean {
    this.#receiver?.onBytes(READ_BUFFER, 0, bytes);
    return true;
  }

  #drained(): void {
    this.#takeBack();
    if (!this.#congested) return;
    this.#congested = false;
    this.#receiver?.onDrain();
  }

  #closed(): void {
    if (this.#buffer.length > 0) giveBack(this.#buffer);
    this.#buffer = NO_BUFFER;
    this.#length = 0;
    this.#receiver?.onClose(this.#error);
  }
}

interface OnRead {
  readonly buffer: Buffer;
  readonly callback: (bytes: number) => boolean;
}

/**
 * Moves an accepted socket's handle into a new `Socket` with `onread`, which Node offers only for sockets that dial.
 * `_handle` and the constructor's `handle` are as old as Node, but not documented: where either is missing, or the socket is
 * no plain one (TLS, a test's Duplex), we return undefined and read by events, which is only slower.
 */
function adopt(accepted: Duplex, onread: OnRead): Socket | undefined {
  if (!(accepted instanceof Socket) || Object.getPrototypeOf(accepted) !== Socket.prototype || accepted.bytesRead > 0) return undefined;
  const handle: unknown = Reflect.get(accepted, '_handle');
  if (typeof handle !== 'object' || handle === null) return undefined;
  Reflect.set(accepted, '_handle', null);
  accepted.destroy();
  const socket: unknown = Reflect.construct(Socket, [{ handle, onread, readable: true, writable: true, allowHalfOpen: false }]);
  if (!(socket instanceof Socket)) return undefined;
  socket.resume();
  return socket;
}

function readByEvents(socket: Duplex, onChunk: (chunk: Buffer) => void): Duplex {
  socket.on('data', onChunk);
  socket.resume();
  return socket;
}
