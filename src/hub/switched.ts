import { BlockWriter, ErrorCode } from '../h2/index.js';
import type { Abort, Connection, FieldList, Stream } from '../h2/index.js';
import type { Clock } from '../lib/clock.js';
import type { Reason } from '../model/reasons.js';
import { sendAnswer } from './answers.js';
import { Candidates, isRepeatable, mayFareBetter, tellingMore } from './candidates.js';
import type { Deadlines, Expiring } from './deadlines.js';
import { writeRequestTrailers, writeResponse } from './headers.js';
import type { ScrapeRequest } from './headers.js';
import type { Latencies } from './latencies.js';
import type { HubMetrics } from './metrics.js';
import type { ClientStreamUser, TunnelStreamUser } from './stream-user.js';
import type { Tenancy } from './tenancy.js';
import type { Tunnel } from './tunnel.js';
import { leastBusy } from './tunnels.js';
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

/** Whether somebody whom ext_authz let through to a target would be let through now: the grant may be gone, the credential over. */
export type MayStay = (party: { readonly tenant: string; readonly credentials: string; readonly untilMs?: number | undefined }, agent: string, target: string) => boolean;

/** What may live for hours, and must not hold up a drain: a CONNECT. */
export interface LongLived {
  /** The gateway stops: ends it as soon as it is between two scrapes. */
  endWhenQuiet(): void;
  /** Ends it where it would not be let through any more. */
  review(mayStay: MayStay): void;
}

/** What all scrapes and CONNECTs of a hub share. */
export interface SwitchContext {
  readonly tunnels: Tunnels;
  readonly deadlines: Deadlines;
  readonly metrics: HubMetrics;
  readonly tenancy: Tenancy;
  readonly latencies: Latencies;
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
  protected readonly candidates: Candidates;
  /** What an agent that was asked before has said. */
  #failure: Reason | undefined;
  /** Whom it waits for. */
  #awaited: readonly string[] = [];
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
    this.candidates = new Candidates(request.members);
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
    const tunnel = this.candidates.best(this.context.tunnels);
    if (tunnel !== undefined) return this.#ask(tunnel);
    this.#awaited = this.candidates.expected(this.context.tunnels);
    if (this.#awaited.length === 0) return this.fail('agent_away');
    this.state = 'waiting';
    this.context.metrics.waited += 1;
    for (const agent of this.#awaited) this.context.tunnels.wait(agent, this);
  }

  // ---- Waiter

  onTunnel(tunnel: Tunnel): void {
    this.#stopWaiting();
    this.#ask(tunnel);
  }

  onAway(agent: string): void {
    this.#awaited = this.#awaited.filter((each) => each !== agent);
    if (this.#awaited.length === 0) this.fail('agent_away');
  }

  #stopWaiting(): void {
    for (const agent of this.#awaited) this.context.tunnels.stopWaiting(agent, this);
    this.#awaited = [];
  }

  // ---- failover: as long as nothing of the answer has gone on, and nothing of a body has gone out (ADR 31)

  /** The agent that was asked could not: has another one been asked instead? */
  protected passOn(reason: Reason): boolean {
    const { tunnel, stream } = this;
    if (tunnel === undefined || this.state !== 'asked' || this.#uploadBegan || !isRepeatable(this.request.method) || !mayFareBetter(reason)) return false;
    this.failed(tunnel.agent, reason);
    const taken = this.takeSecond();
    const next = taken ? undefined : this.candidates.best(this.context.tunnels);
    if (!taken && next === undefined) return false;
    this.context.metrics.countFailover(tunnel.agent, reason);
    if (stream !== undefined) tunnel.reset(stream, ErrorCode.cancel);
    if (next === undefined) return true;
    this.stream = undefined;
    this.#ask(next);
    return true;
  }

  /** One lane was lost, and not the tunnel: the agent is still there. */
  #takeOtherLane(): boolean {
    const { tunnel } = this;
    if (tunnel?.main?.state !== 'up' || this.#uploadBegan || !isRepeatable(this.request.method) || this.#attempts >= MAX_ATTEMPTS) return false;
    this.#ask(leastBusy(tunnel.main));
    return true;
  }

  /** Strikes an agent off, and keeps what it has said. */
  protected failed(agent: string, reason: Reason): void {
    this.candidates.strike(agent);
    this.#failure = tellingMore(this.#failure, reason);
  }

  /** Where a second agent is being asked already, its stream becomes the one. */
  protected takeSecond(): boolean {
    return false;
  }

  /** A stream was opened on this tunnel. */
  protected onAsked(_tunnel: Tunnel): void {}

  /** Opens the tunnel's stream and joins the two. */
  #ask(tunnel: Tunnel): void {
    this.#attempts += 1;
    const endStream = this.clientStream.remoteClosed && this.#early === undefined;
    const head = this.request.method === 'HEAD';
    const stream = tunnel.openStream(this.requestBlock(this.leftMs()), { endStream, head }, this);
    this.tunnel = tunnel;
    this.state = 'asked';
    if (stream === undefined) {
      if (!this.passOn('agent_busy')) this.fail('agent_busy');
      return;
    }
    this.join(tunnel, stream);
    if (!endStream) this.#beginUpload(stream);
    else this.onAsked(tunnel);
  }

  /** The windows' passage begins: each side is granted what the other lets us send. */
  protected join(tunnel: Tunnel, stream: Stream<TunnelStreamUser>): void {
    this.tunnel = tunnel;
    this.stream = stream;
    tunnel.connection.grantStream(stream, this.clientStream.sendWindow - tunnel.connection.options.settings.initialWindowBytes);
  }

  protected leftMs(): number {
    return Math.max(1, Math.floor(this.deadlineMs - this.context.clock.nowMs()));
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
    if (abort.by === 'refused' && !this.#uploadBegan && this.#attempts < MAX_ATTEMPTS) return this.takeSecond() ? undefined : this.#dispatch();
    const reason = reasonOf(abort);
    if (reason === 'agent_lost' && this.#takeOtherLane()) return;
    if (!this.passOn(reason)) this.fail(reason);
  }

  // ---- Expiring

  onDeadline(): void {
    if (this.state === 'asked') this.fail('agent_timeout');
    else if (this.state === 'waiting') this.fail('agent_away');
  }

  // ---- ends

  /** Ends it with an answer of ours; for use before the agent's has begun. */
  fail(last: Reason): void {
    if (this.state === 'answering' || this.state === 'done') return;
    const reason = tellingMore(this.#failure, last);
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
    this.#stopWaiting();
    this.releaseStream(code);
  }

  protected releaseStream(code: number): void {
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
