import type { FieldList } from './hpack/decoder.js';
import type { FloodLimits } from './limits.js';
import type { LocalSettings, Role } from './settings.js';
import type { Stream } from './stream.js';

/** What a connection's consumer says at the beginning, and what it is told after. */

export interface ConnectionOptions {
  readonly role: Role;
  readonly settings: LocalSettings;
  /** Window for what is received on all streams together, bytes. */
  readonly connectionWindowBytes: number;
  readonly limits: FloodLimits;
  /**
   * manual: the consumer calls `grantStream` and `creditConnection`; automatic: the connection does, as soon as `onData`
   * returns.
   */
  readonly flow: 'manual' | 'automatic';
  readonly nowMs: () => number;
  /** Client only: first stream identifier (odd); for tests of their exhaustion. Default 1. */
  readonly firstStreamId?: number;
}

/** Why a stream ended before its time. */
export interface Abort {
  /**
   * peer: RST_STREAM came; violation: the peer broke a rule and we reset the stream; refused: the peer's GOAWAY says that it
   * never looked at the stream, so trying elsewhere is safe; connection: the connection is gone.
   */
  readonly by: 'peer' | 'violation' | 'refused' | 'connection';
  /** RFC 9113 §7. */
  readonly code: number;
  readonly detail: string;
}

/** Why a connection ended. */
export interface Close {
  /** peer: it went away, in whatever manner. */
  readonly by: 'us' | 'peer';
  readonly code: number;
  readonly detail: string;
}

/** Events of a connection. Byte ranges are valid during the call only. A stream is not heard of again after `onAbort`. */
export interface ConnectionHandler<C> {
  /** Server: a request (a new stream). Client: the final response. `fields` has been checked and may be kept. */
  onHeaders(stream: Stream<C>, fields: FieldList, endStream: boolean): void;
  /** Client: a 1xx response; the final one is still to come. */
  onInterim?(stream: Stream<C>, fields: FieldList, status: number): void;
  /** Part of a body, `bytes[start..end)`, padding taken off; may be empty when it ends the stream. */
  onData(stream: Stream<C>, bytes: Buffer, start: number, end: number, endStream: boolean): void;
  /** They end the stream. */
  onTrailers(stream: Stream<C>, fields: FieldList): void;
  onAbort(stream: Stream<C>, abort: Abort): void;
  /** The peer lets us send `increment` bytes more on this stream. */
  onStreamWindow?(stream: Stream<C>, increment: number): void;
  /** `bytes` that `sendData` had to queue have been sent, or dropped with their stream. */
  onReleased?(stream: Stream<C>, bytes: number): void;
  /** Once: the peer's settings have come, and it has acknowledged ours. */
  onReady?(): void;
  /** The peer has answered a PING of ours; they are answered in the order in which they were sent. */
  onPong?(): void;
  /** The peer accepts no new streams. */
  onGoaway?(code: number): void;
  /** A stream has ended in order, both halves, or by our `reset`. */
  onStreamClosed?(stream: Stream<C>): void;
  /** Once, last; every open stream has had its `onAbort`. */
  onClose(close: Close): void;
}
