import { ErrorCode, fieldValue } from '../h2/index.js';
import type { FieldList } from '../h2/index.js';
import type { Reason } from '../model/reasons.js';
import { agentReason, writeRequest, writeResponse } from './headers.js';
import { Hedge } from './hedge.js';
import type { Asked, HedgeOwner } from './hedge.js';
import type { Outcome } from './metrics.js';
import type { TunnelStreamUser } from './stream-user.js';
import { block, Switched } from './switched.js';
import type { Tunnel } from './tunnel.js';

/** One scrape: the agent's answer, from its head to its last byte or trailer, becomes the answer to Envoy. */
export class Scrape extends Switched<Outcome> implements HedgeOwner {
  /** What the answer will count as when it ends in order. */
  #outcome: Outcome = 'answered';
  /** That the answer may still have. */
  #bytesLeft = Infinity;
  /** At a site with several agents. */
  #hedge: Hedge | undefined;
  #askedMs = this.startedMs;

  protected requestBlock(leftMs: number): Uint8Array {
    return writeRequest(block, this.request, this.fields, leftMs);
  }

  protected override upload(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.context.metrics.requestBodyBytes += end - start;
    super.upload(bytes, start, end, endStream);
  }

  /** The agent is told at once. */
  onClientAbort(): void {
    const whole = this.state === 'done';
    this.releaseAgent(ErrorCode.cancel);
    if (!whole) this.finish('cancelled');
  }

  onHead(fields: FieldList, endStream: boolean): void {
    const reason = agentReason(fields);
    if (reason !== undefined && this.passOn(reason)) return;
    this.#bytesLeft = Math.min(this.context.tenancy.maxBodyBytes(this.request.party.tenant), this.request.maxBytes);
    if (this.request.method !== 'HEAD' && Number(fieldValue(fields, 'content-length')) > this.#bytesLeft) return this.fail('body_too_large');
    this.answered();
    this.#outcome = reason ?? 'answered';
    this.client.sendHeaders(this.clientStream, writeResponse(block, fields, this.request.atSite ? this.tunnel?.agent : undefined), endStream);
    if (endStream) this.finish(this.#outcome);
  }

  onBody(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.context.metrics.bodyBytes += end - start;
    this.#bytesLeft -= end - start;
    if (this.#bytesLeft < 0) {
      this.tunnel?.connection.creditConnection(end - start);
      return this.breakOff('body_too_large');
    }
    this.download(bytes, start, end, endStream);
    if (endStream) this.finish(this.#outcome);
  }

  onTrailers(fields: FieldList): void {
    this.client.sendTrailers(this.clientStream, writeResponse(block, fields));
    this.finish(this.#outcome);
  }

  protected brokenOff(): void {
    if (this.state === 'done') {
      // The answer is whole, and the agent wants no more of the request's body.
      if (!this.clientStream.remoteClosed && this.clientStream.localClosed) this.client.reset(this.clientStream, ErrorCode.noError);
      return;
    }
    this.client.reset(this.clientStream, ErrorCode.internalError);
    this.finish('broken');
  }

  // ---- failover and hedge, at a site with several agents

  protected override onAsked(tunnel: Tunnel): void {
    this.#askedMs = this.context.clock.nowMs();
    if (!this.candidates.several || !isRead(this.request.method)) return;
    this.#hedge ??= new Hedge(this.context, this.request, this);
    this.#hedge.watch(tunnel);
  }

  askAnother(user: TunnelStreamUser): Asked | undefined {
    const tunnel = this.candidates.best(this.context.tunnels, this.tunnel);
    const stream = tunnel?.openStream(this.requestBlock(this.leftMs()), { endStream: true, head: this.request.method === 'HEAD' }, user);
    return tunnel && stream && { tunnel, stream };
  }

  onHedgeHead(fields: FieldList, endStream: boolean): void {
    this.releaseStream(ErrorCode.cancel);
    if (this.takeSecond()) this.onHead(fields, endStream);
  }

  onHedgeFailed(agent: string, reason: Reason): void {
    this.failed(agent, reason);
  }

  protected override takeSecond(): boolean {
    const second = this.#hedge?.take();
    if (second === undefined) return false;
    second.stream.context = this;
    this.join(second.tunnel, second.stream);
    return true;
  }

  protected override answered(): void {
    super.answered();
    this.#hedge?.stop();
    const { agent, target, hedge } = this.request;
    if (hedge === 'p95') this.context.latencies.record(`${agent}/${target}`, this.context.clock.nowMs() - this.#askedMs);
  }

  protected override releaseAgent(code: number): void {
    this.#hedge?.stop();
    super.releaseAgent(code);
  }

  protected record(outcome: Outcome): void {
    this.context.metrics.count(outcome, this.context.clock.nowMs() - this.startedMs);
  }
}

function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}
