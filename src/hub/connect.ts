import { encodeBlock, ErrorCode } from '../h2/index.js';
import type { FieldList } from '../h2/index.js';
import { fieldValue } from '../h2/index.js';
import { MEMBER_HEADER } from '../tunnel/handshake.js';
import { CONNECT_QUIET_MS } from '../tunnel/streams.js';
import { agentReason, writeConnect } from './headers.js';
import type { ConnectOutcome } from './metrics.js';
import { block, Switched } from './switched.js';
import type { LongLived, MayStay } from './switched.js';

/**
 * One CONNECT: until the agent's 200 a request like any other, with a deadline; from then on two streams of bytes that end
 * independently (RFC 9113 §8.5). It lives for as long as its client keeps the connection: hours, for a Prometheus. So the only
 * bound of its life is that something moves.
 */

/** Nothing of the agent's head goes on: a 2xx to CONNECT has no content-length, and no header that anybody reads. */
const ESTABLISHED = encodeBlock([':status', '200']);

/** At a site with several agents: which of them it leads through. */
function establishedBy(member: string): Uint8Array {
  return encodeBlock([':status', '200', MEMBER_HEADER, member]);
}

export class Connect extends Switched<ConnectOutcome> implements LongLived {
  #targetEnded = false;
  #idleMs = this.context.connectIdleMs;
  #movedMs = this.startedMs;
  #stopWatch: (() => void) | undefined;

  override start(): void {
    this.context.connects.add(this);
    super.start();
  }

  protected requestBlock(leftMs: number): Uint8Array {
    return writeConnect(block, this.request.target, leftMs);
  }

  // ---- the agent's word

  onHead(fields: FieldList, endStream: boolean): void {
    // Said again in our own words, which end the stream in both directions: nobody will carry what the client still sends.
    if (fieldValue(fields, ':status') !== '200') {
      const reason = agentReason(fields) ?? 'agent_misbehaved';
      if (!this.passOn(reason)) this.fail(reason);
      return;
    }
    this.answered();
    this.#watch();
    this.client.sendHeaders(this.clientStream, this.request.atSite ? establishedBy(this.tunnel?.agent ?? '') : ESTABLISHED, endStream);
    if (endStream) this.#endOfTarget();
  }

  // ---- bytes, both ways

  onBody(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.context.metrics.connectBytesToClient += end - start;
    this.#movedMs = this.context.clock.nowMs();
    this.download(bytes, start, end, endStream);
    if (endStream) this.#endOfTarget();
  }

  protected override upload(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.context.metrics.connectBytesToTarget += end - start;
    this.#movedMs = this.context.clock.nowMs();
    super.upload(bytes, start, end, endStream);
    if (endStream) this.#endIfOver();
  }

  /** A CONNECT has no trailers (RFC 9113 §8.5): what counts of them is that they end the stream. */
  override onClientTrailers(): void {
    this.onClientBody(NOTHING, 0, 0, true);
  }

  onTrailers(): void {
    this.onBody(NOTHING, 0, 0, true);
  }

  // ---- ends

  #endOfTarget(): void {
    this.#targetEnded = true;
    this.#endIfOver();
  }

  #endIfOver(): void {
    if (this.#targetEnded && this.clientStream.remoteClosed) this.finish('closed');
  }

  /** An HTTP/1.1 client cannot close in any other manner (ADR 12): once established, this is an end like any other. */
  onClientAbort(): void {
    const established = this.state === 'answering';
    const over = this.state === 'done';
    this.releaseAgent(ErrorCode.cancel);
    if (!over) this.finish(established ? 'closed' : 'cancelled');
  }

  protected brokenOff(): void {
    if (this.state === 'done') return;
    this.client.reset(this.clientStream, ErrorCode.connectError);
    this.finish('broken');
  }

  endWhenQuiet(): void {
    this.#idleMs = CONNECT_QUIET_MS;
    if (this.state === 'answering') this.#watch();
  }

  /** One that is on its way has just been let through. */
  review(mayStay: MayStay): void {
    const { party, agent, target } = this.request;
    if (this.state === 'answering' && !mayStay(party, agent, target)) this.breakOff('target_forbidden');
  }

  #watch(): void {
    this.#stopWatch?.();
    const leftMs = this.#movedMs + this.#idleMs - this.context.clock.nowMs();
    this.#stopWatch = this.context.clock.after(Math.max(0, leftMs), () => this.#look());
  }

  /** The timer is set once an interval, not with each byte. */
  #look(): void {
    if (this.context.clock.nowMs() - this.#movedMs < this.#idleMs) return this.#watch();
    this.releaseAgent(ErrorCode.cancel);
    this.client.reset(this.clientStream, ErrorCode.cancel);
    this.finish('idle');
  }

  protected record(outcome: ConnectOutcome): void {
    this.#stopWatch?.();
    this.context.connects.delete(this);
    this.context.metrics.countConnect(outcome);
  }
}

const NOTHING = Buffer.alloc(0);
