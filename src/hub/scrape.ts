import { ErrorCode, fieldValue } from '../h2/index.js';
import type { FieldList } from '../h2/index.js';
import { agentReason, writeRequest, writeResponse } from './headers.js';
import type { Outcome } from './metrics.js';
import { block, Switched } from './switched.js';

/** One scrape: the agent's answer, from its head to its last byte or trailer, becomes the answer to Envoy. */
export class Scrape extends Switched<Outcome> {
  /** What the answer will count as when it ends in order. */
  #outcome: Outcome = 'answered';
  /** That the answer may still have. */
  #bytesLeft = Infinity;

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
    this.#bytesLeft = Math.min(this.context.tenancy.maxBodyBytes(this.request.party.tenant), this.request.maxBytes);
    if (this.request.method !== 'HEAD' && Number(fieldValue(fields, 'content-length')) > this.#bytesLeft) return this.fail('body_too_large');
    this.answered();
    this.#outcome = agentReason(fields) ?? 'answered';
    this.client.sendHeaders(this.clientStream, writeResponse(block, fields), endStream);
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

  protected record(outcome: Outcome): void {
    this.context.metrics.count(outcome, this.context.clock.nowMs() - this.startedMs);
  }
}
