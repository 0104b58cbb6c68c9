import { Connection, fieldValue, TRUSTED_LIMITS } from '../h2/index.js';
import type { Abort, Close, ConnectionHandler, ConnectionOptions, FieldList, SocketIo, Stream } from '../h2/index.js';
import type { Reason } from '../model/reasons.js';
import { sendAnswer } from './answers.js';
import { readRequest } from './headers.js';
import type { ScrapeRequest } from './headers.js';
import { Connect } from './connect.js';
import { Scrape } from './scrape.js';
import type { ClientStreamUser } from './stream-user.js';
import type { SwitchContext } from './switched.js';

/**
 * One of Envoy's connections to the hub: there is one per Envoy worker, and it carries the scrapes of all agents. Turns each
 * request into a `Scrape` or a `Connect` and hands it the stream's events.
 */

/** How every connection from Envoy is set up; `nowMs` apart. */
export const ENVOY_CONNECTION: Omit<ConnectionOptions, 'nowMs'> = {
  role: 'server',
  // No window for request bodies until the agent's is known (trap 5). Header lists: above Envoy's own limit of 60 KiB.
  settings: { maxConcurrentStreams: 100_000, initialWindowBytes: 0, maxHeaderListBytes: 128 * 1024, headerTableBytes: 0 },
  connectionWindowBytes: 16 * 1024 * 1024,
  limits: TRUSTED_LIMITS,
  flow: 'manual',
};

/** Where ext_authz stamped no deadline, ms. */
const DEFAULT_TIMEOUT_MS = 120_000;
/** Our answer to a deadline comes this much before Envoy's own, which knows no reason, ms. */
const ANSWER_MARGIN_MS = 20;

/** A new configuration reaches all threads within this, ms. */
const LATE_RECHECK_MS = 250;

export interface EnvoySideEvents {
  /** A new request is refused for this reason; undefined: it is welcome. */
  refusal(request: ScrapeRequest): Reason | undefined;
  /** A request has ended, one way or another. */
  onRequestEnd(): void;
  onClosed(side: EnvoySide, close: Close): void;
}

export class EnvoySide implements ConnectionHandler<ClientStreamUser> {
  readonly connection: Connection<ClientStreamUser>;
  protected readonly context: SwitchContext;
  readonly #events: EnvoySideEvents;

  constructor(io: SocketIo, options: ConnectionOptions, context: SwitchContext, events: EnvoySideEvents) {
    this.context = context;
    this.#events = events;
    this.connection = new Connection<ClientStreamUser>(io, options, this);
    io.attach(this.connection);
    this.connection.start();
  }

  onHeaders(stream: Stream<ClientStreamUser>, fields: FieldList): void {
    const method = fieldValue(fields, ':method') ?? '';
    const request = this.read(fields);
    if (request === undefined) return this.#refuse(stream, 'gateway_error', method);
    const refusal = this.#events.refusal(request);
    if (refusal !== undefined) return this.#refuse(stream, refusal, method);
    const full = this.context.tenancy.enter(request);
    if (full !== undefined) return this.#refuse(stream, full, method);
    this.begin(stream, request, fields, Math.max(1, (request.timeoutMs ?? DEFAULT_TIMEOUT_MS) - ANSWER_MARGIN_MS));
  }

  /** What is asked for; undefined: nothing that can be. */
  protected read(fields: FieldList): ScrapeRequest | undefined {
    return readRequest(fields);
  }

  protected begin(stream: Stream<ClientStreamUser>, request: ScrapeRequest, fields: FieldList, timeoutMs: number): void {
    const Switched = request.method === 'CONNECT' ? Connect : Scrape;
    const switched = new Switched(this.context, this.connection, stream, request, fields, timeoutMs);
    // Let through by a thread that knew less than this one, or more: in a moment both know the same.
    if (this.context.tenancy.isRevoked(request.party)) this.context.clock.after(LATE_RECHECK_MS, () => switched.recheck());
    switched.start();
  }

  /** Ends the scrapes and CONNECTs whose credentials are revoked now. */
  recheck(): void {
    for (const stream of this.connection.streams.values()) stream.context?.recheck();
  }

  #refuse(stream: Stream<ClientStreamUser>, reason: Reason, method: string): void {
    sendAnswer(this.connection, stream, reason, method);
    if (method === 'CONNECT') this.context.metrics.countConnect(reason);
    else this.context.metrics.count(reason, 0);
  }

  onData(stream: Stream<ClientStreamUser>, bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (stream.context === undefined) this.connection.creditConnection(end - start);
    else stream.context.onClientBody(bytes, start, end, endStream);
  }

  onTrailers(stream: Stream<ClientStreamUser>, fields: FieldList): void {
    stream.context?.onClientTrailers(fields);
  }

  onStreamWindow(stream: Stream<ClientStreamUser>, increment: number): void {
    stream.context?.onClientWindow(increment);
  }

  onReleased(stream: Stream<ClientStreamUser>, bytes: number): void {
    stream.context?.onClientReleased(bytes);
  }

  onAbort(stream: Stream<ClientStreamUser>, _abort: Abort): void {
    stream.context?.onClientAbort();
    this.#events.onRequestEnd();
  }

  onStreamClosed(): void {
    this.#events.onRequestEnd();
  }

  onClose(close: Close): void {
    this.#events.onClosed(this, close);
  }
}
