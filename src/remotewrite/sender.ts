import type { Clock } from '../lib/clock.js';
import { systemClock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import { assertNever } from '../lib/result.js';
import { encodeSeries } from './encode.js';
import { judge, tellsWritten } from './judge.js';
import type { ReceiverAnswer, Verdict } from './judge.js';
import { protocolHeaders } from './protocol.js';
import type { Version } from './protocol.js';
import { sampleCount, SeriesQueue } from './queue.js';
import type { BatchLimits } from './queue.js';
import type { Series } from './series.js';
import { pack } from './snappy.js';
import type { Transport } from './transport.js';

/**
 * A queue and one batch under way: what is given in order is sent in order, and the next batch goes only when the one before it is
 * delivered or dropped for good. For more at once, take several and give each series always to the same one.
 */

export interface SenderSettings extends BatchLimits {
  /** Samples that may wait; more are not taken. */
  readonly capacity: number;
  /** A batch that is not full goes after this. */
  readonly batchSendDeadlineMs: number;
  readonly requestTimeoutMs: number;
  /** Doubles from the first to the second with each failure in a row. */
  readonly minBackoffMs: number;
  readonly maxBackoffMs: number;
  /** No receiver can make us wait longer. */
  readonly maxRetryAfterMs: number;
  readonly retryOnRateLimit: boolean;
  /** Samples older than this are dropped instead of sent; Infinity: none are. */
  readonly sampleAgeLimitMs: number;
}

/** Prometheus's own, but for the limit of bytes, which it does not have, and 429, where it drops by default. */
export const DEFAULT_SENDER_SETTINGS: SenderSettings = {
  maxSamples: 2000,
  maxBytes: 8 * 1024 * 1024,
  capacity: 10_000,
  batchSendDeadlineMs: 5_000,
  requestTimeoutMs: 30_000,
  minBackoffMs: 30,
  maxBackoffMs: 5_000,
  maxRetryAfterMs: 5 * 60_000,
  retryOnRateLimit: true,
  sampleAgeLimitMs: Infinity,
};

/** For metrics and for a caller that keeps what is not delivered yet. */
export type SenderEvent =
  | { readonly kind: 'delivered'; readonly batch: readonly Series[]; readonly samples: number; readonly bytes: number; readonly version: Version }
  /** For good: the receiver refused it (status 0: we could not even write it). */
  | { readonly kind: 'dropped'; readonly batch: readonly Series[]; readonly samples: number; readonly status: number }
  | { readonly kind: 'too_old'; readonly samples: number }
  /** A try failed; the batch is tried again after `waitMs`. No status: there was no answer. */
  | { readonly kind: 'retry'; readonly status: number | undefined; readonly waitMs: number }
  | { readonly kind: 'fell_back' };

export interface SenderOptions {
  readonly transport: Transport;
  /** To begin with. */
  readonly version: Version;
  readonly settings?: SenderSettings;
  readonly logger: Logger;
  readonly onEvent?: (event: SenderEvent) => void;
  readonly clock?: Clock;
  /** Wall clock, ms. */
  readonly wallMs?: () => number;
}

export interface Sender {
  /** False: the queue is full, and nothing was taken; `room` tells when to come back. */
  push(series: Series): boolean;
  /** Resolves when the queue is at most half full, or the sender is closed. */
  room(): Promise<void>;
  /** Sends what there is without waiting for full batches; resolves when all is delivered or dropped, or the sender is closed. */
  flush(): Promise<void>;
  /** Samples that wait or are under way. */
  pending(): number;
  /** At once; what was not delivered is not. */
  close(): void;
}

export function createSender(options: SenderOptions): Sender {
  const sender = new QueueSender(options);
  void sender.run();
  return sender;
}

class QueueSender implements Sender {
  private readonly settings: SenderSettings;
  private readonly clock: Clock;
  private readonly wallMs: () => number;
  private readonly queue = new SeriesQueue();
  private readonly closing = new AbortController();
  private version: Version;
  private speaks2 = false;
  private underWay = 0;
  private flushing = false;
  /** Called, and forgotten, when something has changed that somebody may wait for. */
  private waiting: (() => void)[] = [];

  constructor(private readonly options: SenderOptions) {
    this.settings = options.settings ?? DEFAULT_SENDER_SETTINGS;
    this.clock = options.clock ?? systemClock;
    this.wallMs = options.wallMs ?? Date.now;
    this.version = options.version;
  }

  push(series: Series): boolean {
    if (this.isClosed || this.queue.samples + sampleCount(series) > this.settings.capacity) return false;
    this.queue.add(series);
    this.changed();
    return true;
  }

  async room(): Promise<void> {
    while (!this.isClosed && this.queue.samples * 2 > this.settings.capacity) await this.change();
  }

  async flush(): Promise<void> {
    this.flushing = true;
    this.changed();
    while (!this.isClosed && (this.underWay > 0 || !this.queue.isEmpty)) await this.change();
    this.flushing = false;
  }

  pending(): number {
    return this.queue.samples + this.underWay;
  }

  close(): void {
    this.closing.abort();
    this.changed();
  }

  async run(): Promise<void> {
    while (!this.isClosed) {
      await this.batchReady();
      if (this.isClosed) return;
      const { batch, tooOld } = this.queue.take(this.settings, this.wallMs() - this.settings.sampleAgeLimitMs);
      if (tooOld > 0) this.tell({ kind: 'too_old', samples: tooOld });
      if (batch.length > 0) await this.deliverSafely(batch);
      this.changed();
    }
  }

  private get isClosed(): boolean {
    return this.closing.signal.aborted;
  }

  /** A full batch, or some series and the deadline, or a flush. */
  private async batchReady(): Promise<void> {
    while (!this.isClosed && this.queue.isEmpty) await this.change();
    let isDue = false;
    const cancel = this.clock.after(this.settings.batchSendDeadlineMs, () => {
      isDue = true;
      this.changed();
    });
    while (!this.isClosed && !isDue && !this.flushing && !this.queue.isFull(this.settings)) await this.change();
    cancel();
  }

  /** A defect of ours costs one batch, not the queue. */
  private async deliverSafely(batch: readonly Series[]): Promise<void> {
    const samples = batch.reduce((sum, each) => sum + sampleCount(each), 0);
    this.underWay = samples;
    try {
      await this.deliver(batch, samples);
    } catch (error) {
      this.options.logger.error({ err: error, samples }, 'a batch could not be sent');
      this.tell({ kind: 'dropped', batch, samples, status: 0 });
    }
    this.underWay = 0;
  }

  /** Until it is delivered or dropped for good, or the sender is closed. */
  private async deliver(batch: readonly Series[], samples: number): Promise<void> {
    const { minBackoffMs, maxBackoffMs } = this.settings;
    let { version } = this;
    for (let failures = 0; !this.isClosed; ) {
      const body = await pack(encodeSeries(version, batch));
      const answer = await this.send(version, body, failures);
      if (this.isClosed) return;
      const verdict: Verdict = answer === undefined ? { kind: 'retry', waitMs: undefined } : this.judge(answer, version);
      if (verdict.kind === 'fall_back') {
        version = '1';
        if (verdict.sure) this.fallBack();
        continue;
      }
      if (verdict.kind === 'retry') {
        const backoffMs = Math.min(minBackoffMs * 2 ** Math.min(failures, 30), maxBackoffMs);
        failures += 1;
        await this.wait(Math.max(backoffMs, verdict.waitMs ?? 0), answer?.status);
        continue;
      }
      this.end(verdict, { batch, samples, bytes: body.length, version, status: answer?.status ?? 0, text: answer?.text ?? '' });
      return;
    }
  }

  private judge(answer: ReceiverAnswer, version: Version): Verdict {
    const { retryOnRateLimit, maxRetryAfterMs } = this.settings;
    const verdict = judge(answer, { version, speaks2: this.speaks2, retryOnRateLimit, nowMs: this.wallMs(), maxRetryAfterMs });
    if (version === '2' && tellsWritten(answer)) this.speaks2 = true;
    return verdict;
  }

  private end(verdict: { readonly kind: 'delivered' | 'dropped' }, sent: Sent): void {
    const { batch, samples, bytes, version, status, text } = sent;
    switch (verdict.kind) {
      case 'delivered':
        // a 400 to 2.0 may have been meant for the data; now it is known that it was not
        if (version !== this.version) this.fallBack();
        this.tell({ kind: 'delivered', batch, samples, bytes, version });
        return;
      case 'dropped':
        this.options.logger.warn({ status, text: text.slice(0, 1000), samples }, 'the remote write receiver refused a batch');
        this.tell({ kind: 'dropped', batch, samples, status });
        return;
      default:
        assertNever(verdict.kind, 'end of a batch');
    }
  }

  private fallBack(): void {
    if (this.version === '1') return;
    this.version = '1';
    this.options.logger.info('the receiver does not speak remote write 2.0; from now on it is 1.0');
    this.tell({ kind: 'fell_back' });
  }

  /** Undefined: no answer. */
  private async send(version: Version, body: Buffer, failures: number): Promise<ReceiverAnswer | undefined> {
    const headers = { ...protocolHeaders(version), ...(failures > 0 && { 'retry-attempt': String(failures) }) };
    const timeout = new AbortController();
    const cancel = this.clock.after(this.settings.requestTimeoutMs, () => timeout.abort());
    try {
      return await this.options.transport(headers, body, AbortSignal.any([this.closing.signal, timeout.signal]));
    } catch (error) {
      if (!this.isClosed) this.options.logger.warn({ err: error }, 'the remote write receiver gave no answer');
      return undefined;
    } finally {
      cancel();
    }
  }

  private async wait(waitMs: number, status: number | undefined): Promise<void> {
    let isOver = false;
    const cancel = this.clock.after(waitMs, () => {
      isOver = true;
      this.changed();
    });
    this.tell({ kind: 'retry', status, waitMs });
    while (!this.isClosed && !isOver) await this.change();
    cancel();
  }

  private tell(event: SenderEvent): void {
    this.options.onEvent?.(event);
  }

  private change(): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.push(resolve);
    });
  }

  private changed(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}

/** A batch and the last answer to it. */
interface Sent {
  readonly batch: readonly Series[];
  readonly samples: number;
  readonly bytes: number;
  readonly version: Version;
  readonly status: number;
  readonly text: string;
}
