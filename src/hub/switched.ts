import { BlockWriter, ErrorCode } from '../h2/index.js';
import type { Abort, Connection, FieldList, Stream } from '../h2/index.js';
import type { Clock } from '../lib/clock.js';
import type { Reason } from '../model/reasons.js';
import { sendAnswer } from './answers.js';
import type { Deadlines, Expiring } from './deadlines.js';
import { writeRequestTrailers, writeResponse } from './headers.js';
import type { ScrapeRequest } from './headers.js';
import type { HubMetrics } from './metrics.js';
import type { ClientStreamUser, TunnelStreamUser } from './stream-user.js';
import type { Tenancy } from './tenancy.js';
import type { Tunnel } from './tunnel.js';
import type { Tunnels, Waiter } from './tunnels.js';

/**
 * An Envoy stream joined to a tunnel stream. This is the switch (DESIGN §2.4), as far as it is one for scrapes (scrape.ts) and
 * CONNECT (connect.ts): finding the tunnel, asking the agent, the way of the request's body, windows, failures before the answer.
 *
 * - Headers are decoded, filtered and encoded anew (headers.ts).
 * - DATA moves as it comes, with a new frame header. What a window or a full socket holds back waits in the receiving
 *   connection, and the sending connection gets its credit for it only when it has gone: that bounds what the hub holds.
 * - A stream's windows are passed through, so back pressure reaches from end to end: what Envoy grants, the agent gets, and
 *   the other way round. Connection windows are each hop's own.
 * - A reset on one side is a reset on the other; before the answer has begun, a failure of the agent becomes an answer of ours.
 */

/** What may live for hours, and must not hold up a drain: a CONNECT. */
export interface LongLived {
  /** The gateway stops: ends it as soon as it is between two scrapes. */
  endWhenQuiet(): void;
}

/** What all scrapes and CONNECTs of a hub share. */
export interface SwitchContext {
  readonly tunnels: Tunnels;
  readonly deadlines: Deadlines;
  readonly metrics: HubMetrics;
  readonly tenancy: Tenancy;
  readonly clock: Clock;
  /** Those that are open or on their way. */
  readonly connects: Set<LongLived>;
  readonly connectIdleMs: number;
}

/**
 * waiting: for the agent to come back; asked: the request is with the agent; answering: the answer has begun; done: nothing
 * more to come for the client.
 */
type State = 'waiting' | 'asked' | 'answering' | 'done';

/** Of 1xx, what may go on to the client (others end here). */
const FORWARDED_INTERIM: ReadonlySet<number> = new Set([100, 102, 103]);
/** How often a request that the agent never looked at is given to another tunnel. */
const MAX_ATTEMPTS = 3;

/** Shared: a block is written and sent in one go. */
export const block = new BlockWriter();

export abstract class Switched<Outcome extends string> implements TunnelStreamUser, ClientStreamUser, Expiring, Waiter {
  readonly deadlineMs: number;
  protected readonly context: SwitchContext;
  protected readonly client: Connection<ClientStreamUser>;
  protected readonly clientStream: Stream<ClientStreamUser>;
  protected readonly request: ScrapeRequest;
  protected readonly startedMs: number;
  /** The request's headers, while they may be needed. */
  protected fields: FieldList;
  protected state: State = 'waiting';
  protected tunnel: Tunnel | undefined;
  protected stream: Stream<TunnelStreamUser> | undefined;
  #attempts = 0;
  /** What the client was granted for its request's body, bytes. */
  #granted = 0;
  /** What the agent lets us send of the request's body, and Envoy has not been told yet (see `onWindow`). */
  #ungranted = 0;
  /** Part of the request's body is with an agent: no other can have it. */
  #uploadBegan = false;
  /** Request body that came before there was a tunnel: only from an Envoy that has not seen our SETTINGS yet (trap 5). */
  #early: Buffer[] | undefined;

  constructor(context: SwitchContext, client: Connection<ClientStreamUser>, stream: Stream<ClientStreamUser>, request: ScrapeRequest, fields: FieldList, timeoutMs: number) {
    this.context = context;
    this.client = client;
    this.clientStream = stream;
    this.request = request;
    this.fields = fields;
    this.startedMs = context.clock.nowMs();
    this.deadlineMs = this.startedMs + timeoutMs;
    stream.context = this;
  }

  // ---- what is different for scrapes and for CONNECT

  /** The request as the agent gets it, `leftMs` before its deadline. */
  protected abstract requestBlock(leftMs: number): Uint8Array;
  /** The answer had begun, and the agent's stream is over before its time. */
  protected abstract brokenOff(): void;
  /** Once: how it ended. */
  protected abstract record(outcome: Outcome | Reason): void;
  abstract onHead(fields: FieldList, endStream: boolean): void;
  abstract onBody(bytes: Buffer, start: number, end: number, endStream: boolean): void;
  abstract onTrailers(fields: FieldList): void;
  abstract onClientAbort(): void;

  // ---- to the agent

  /** Ends it if what it came with is revoked now. */
  recheck(): void {
    if (this.state === 'done' || !this.context.tenancy.isRevoked(this.request.party)) return;
    if (this.state === 'answering') this.breakOff('revoked');
    else this.fail('revoked');
  }

  /** Finds a tunnel, or waits for one, or fails. The tenancy has counted it in. */
  start(): void {
    this.context.deadlines.arm(this);
    this.#dispatch();
  }

  #dispatch(): void {
    const found = this.context.tunnels.find(this.request.agent);
    if (found === 'away') return this.fail('agent_away');
    if (found !== 'wait') return this.#ask(found);
    this.state = 'waiting';
    this.context.metrics.waited += 1;
    this.context.tunnels.wait(this.request.agent, this);
  }

  // ---- Waiter

  onTunnel(tunnel: Tunnel): void {
    this.#ask(tunnel);
  }

  onAway(): void {
    this.fail('agent_away');
  }

  /** Opens the tunnel's stream and joins the two. */
  #ask(tunnel: Tunnel): void {
    this.#attempts += 1;
    const leftMs = Math.max(1, Math.floor(this.deadlineMs - this.context.clock.nowMs()));
    const endStream = this.clientStream.remoteClosed && this.#early === undefined;
    const head = this.request.method === 'HEAD';
    const stream = tunnel.openStream(this.requestBlock(leftMs), { endStream, head }, this);
    if (stream === undefined) return this.fail('agent_busy');
    this.tunnel = tunnel;
    this.stream = stream;
    this.state = 'asked';
    // The windows' passage begins: each side is granted what the other lets us send.
    tunnel.connection.grantStream(stream, this.clientStream.sendWindow - tunnel.connection.options.settings.initialWindowBytes);
    if (!endStream) this.#beginUpload(stream);
  }

  #beginUpload(stream: Stream<TunnelStreamUser>): void {
    // Asked a second time, the client still has what the first agent granted.
    this.client.grantStream(this.clientStream, stream.sendWindow - this.#granted);
    this.#granted = Math.max(this.#granted, stream.sendWindow);
    const early = this.#early ?? [];
    this.#early = undefined;
    early.forEach((bytes, i) => this.upload(bytes, 0, bytes.length, this.clientStream.remoteClosed && i === early.length - 1));
  }

  // ---- from the client (Envoy)

  onClientBody(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (this.stream !== undefined) return this.upload(bytes, start, end, endStream);
    if (this.state !== 'waiting') return this.client.creditConnection(end - start);
    // Bounded by the window that Envoy starts from, 64 KiB.
    this.#early ??= [];
    this.#early.push(Buffer.from(bytes.subarray(start, end)));
  }

  /** Hands on to the agent. */
  protected upload(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (this.stream === undefined || this.tunnel === undefined) return;
    this.#uploadBegan = true;
    const sent = this.tunnel.connection.sendData(this.stream, bytes, start, end, endStream);
    this.client.creditConnection(sent);
    this.#grantClient();
  }

  onClientTrailers(fields: FieldList): void {
    if (this.stream === undefined || this.tunnel === undefined) {
      // Trailers of a request that still waits: its end is all that is left of them.
      if (this.state === 'waiting') (this.#early ??= []).push(Buffer.alloc(0));
      return;
    }
    this.#uploadBegan = true;
    this.tunnel.connection.sendTrailers(this.stream, writeRequestTrailers(block, fields));
  }

  /** Envoy takes `increment` bytes more of the answer: so may the agent send them. */
  onClientWindow(increment: number): void {
    if (this.stream !== undefined && this.tunnel !== undefined) this.tunnel.connection.grantStream(this.stream, increment);
  }

  /** Bytes of the answer that had to wait have gone to Envoy. */
  onClientReleased(bytes: number): void {
    this.tunnel?.connection.creditConnection(bytes);
  }

  // ---- from the agent (TunnelStreamUser)

  onInterim(fields: FieldList, status: number): void {
    if (FORWARDED_INTERIM.has(status)) this.client.sendHeaders(this.clientStream, writeResponse(block, fields), false);
  }

  /** The answer's head is here: the deadline was for it. */
  protected answered(): void {
    this.state = 'answering';
    this.fields = [];
    this.context.deadlines.disarm(this);
  }

  /** Hands on to the client. */
  protected download(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    const sent = this.client.sendData(this.clientStream, bytes, start, end, endStream);
    this.tunnel?.connection.creditConnection(sent);
    if (sent < end - start) this.context.metrics.stalls += 1;
  }

  /**
   * The agent's WINDOW_UPDATEs are not Envoy's: for more than a few per DATA frame that it sent, Envoy takes the hub for a
   * flooder and closes the connection that all agents share. So Envoy is told when it has sent something, or can send nothing.
   */
  onWindow(increment: number): void {
    this.#ungranted += increment;
    const { receiveWindow } = this.clientStream;
    if (receiveWindow <= 0 && receiveWindow + this.#ungranted > 0) this.#grantClient();
  }

  #grantClient(): void {
    const increment = this.#ungranted;
    this.#ungranted = 0;
    this.#granted += increment;
    this.client.grantStream(this.clientStream, increment);
  }

  onReleased(bytes: number): void {
    this.client.creditConnection(bytes);
  }

  onAbort(abort: Abort): void {
    this.stream = undefined;
    if (this.state === 'answering' || this.state === 'done') return this.brokenOff();
    // A GOAWAY says that the agent never looked at it: another tunnel may have it.
    if (abort.by === 'refused' && !this.#uploadBegan && this.#attempts < MAX_ATTEMPTS) return this.#dispatch();
    this.fail(reasonOf(abort));
  }

  // ---- Expiring

  onDeadline(): void {
    if (this.state === 'asked') this.fail('agent_timeout');
    else if (this.state === 'waiting') this.fail('agent_away');
  }

  // ---- ends

  /** Ends it with an answer of ours; for use before the agent's has begun. */
  fail(reason: Reason): void {
    if (this.state === 'answering' || this.state === 'done') return;
    this.releaseAgent(ErrorCode.cancel);
    sendAnswer(this.client, this.clientStream, reason, this.request.method);
    this.finish(reason);
  }

  /** Ends it after its answer has begun: the client sees it break off. */
  protected breakOff(reason: Reason): void {
    this.releaseAgent(ErrorCode.cancel);
    this.client.reset(this.clientStream, ErrorCode.internalError);
    this.finish(reason);
  }

  protected releaseAgent(code: number): void {
    if (this.state === 'waiting') this.context.tunnels.stopWaiting(this.request.agent, this);
    const stream = this.stream;
    this.stream = undefined;
    if (stream !== undefined) this.tunnel?.reset(stream, code);
  }

  protected finish(outcome: Outcome | Reason): void {
    this.state = 'done';
    this.context.deadlines.disarm(this);
    this.context.tenancy.leave(this.request);
    this.record(outcome);
  }
}

/** Why an agent's stream ended before its answer began. */
function reasonOf(abort: Abort): Reason {
  switch (abort.by) {
    case 'violation':
      return 'agent_misbehaved';
    case 'connection':
    case 'refused':
      return 'agent_lost';
    case 'peer':
      return abort.code === ErrorCode.refusedStream ? 'agent_busy' : 'agent_error';
  }
}
