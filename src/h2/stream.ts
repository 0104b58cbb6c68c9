import type { ByteQueue } from './byte-queue.js';

/**
 * One stream as either end sees it: two halves that close on their own, a window each way, and the bytes that wait for the
 * peer's window. Plain state; the rules are in inbound.ts and outbound.ts.
 */
export class Stream<C> {
  readonly id: number;
  /** The consumer's own: whatever it wants to find again when an event names this stream. */
  context: C | undefined;

  /** We have sent END_STREAM (sent, not queued). */
  localClosed = false;
  /** The peer has sent END_STREAM. */
  remoteClosed = false;
  /** Reset by either end, or lost with its connection: no more events, and sending is a no-op. */
  aborted = false;

  /** What we may still send, bytes; negative after the peer has shrunk its initial window (RFC 9113 §6.9.2). */
  sendWindow: number;
  /** What the peer may still send; below zero it has overrun what we granted. */
  receiveWindow: number;

  /** Client only: the final response's head has come; what follows is DATA or trailers. */
  headReceived = false;
  /** Client only: the request was HEAD, so the response has no body whatever its head says. */
  headRequest = false;
  /** Body bytes that the peer's content-length still owes; -1: it stated none. */
  bodyOwed = -1;

  /** Bytes that wait for a window; undefined while there are none. */
  queue: ByteQueue | undefined;
  /** What follows the queue: nothing yet, END_STREAM, or a trailer block (with END_STREAM). */
  queuedEnd: 'none' | 'end' | Uint8Array = 'none';

  constructor(id: number, sendWindow: number, receiveWindow: number) {
    this.id = id;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
  }

  get queuedBytes(): number {
    return this.queue?.length ?? 0;
  }

  get closed(): boolean {
    return this.aborted || (this.localClosed && this.remoteClosed);
  }
}
