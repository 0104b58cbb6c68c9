import type { Abort, FieldList } from '../h2/index.js';

/** Whoever uses a stream of a tunnel: a scrape, a CONNECT, or the control stream. */
export interface TunnelStreamUser {
  onHead(fields: FieldList, endStream: boolean): void;
  onInterim(fields: FieldList, status: number): void;
  /** Part of a body, `bytes[start..end)`, valid during the call. */
  onBody(bytes: Buffer, start: number, end: number, endStream: boolean): void;
  onTrailers(fields: FieldList): void;
  onAbort(abort: Abort): void;
  /** The agent lets us send more of the request's body. */
  onWindow(increment: number): void;
  /** Bytes of the request's body that had to wait have gone. */
  onReleased(bytes: number): void;
}

/** Whoever answers a stream of Envoy's: a scrape or a CONNECT. */
export interface ClientStreamUser {
  /** The configuration has changed: ends it if what it came with is revoked. */
  recheck(): void;
  /** Part of the request's body, `bytes[start..end)`, valid during the call. */
  onClientBody(bytes: Buffer, start: number, end: number, endStream: boolean): void;
  onClientTrailers(fields: FieldList): void;
  /** Envoy lets us send more of the answer. */
  onClientWindow(increment: number): void;
  /** Bytes of the answer that had to wait have gone. */
  onClientReleased(bytes: number): void;
  /** The client hung up, its deadline at Envoy has passed, or its connection is gone. */
  onClientAbort(): void;
}
