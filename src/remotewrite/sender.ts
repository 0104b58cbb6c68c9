import type { Clock } from '../lib/clock.js';
import { systemClock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import { judge, tellsWritten } from './judge.js';
import type { ReceiverAnswer, Verdict } from './judge.js';
import { protocolHeaders, WRITTEN_HEADERS } from './protocol.js';
import type { Version } from './protocol.js';
import type { Transport } from './transport.js';

/**
 * One batch under way: it is tried until it is delivered or dropped for good, and then the next may come, so that what is given in order
 * is sent in order. For more at once, take several and give each series always to the same one.
 */

/** What is sent as one request. */
export interface Outgoing {
  /** Samples and native histograms. */
  readonly samples: number;
  /** Time of the newest of them. */
  readonly newestMs: number;
  /** Packed; asked for once for each version that it is tried in. Undefined: it cannot be read any more. */
  readonly body: (version: Version) => Promise<Buffer | undefined>;
  /**
   * A receiver of 1.0 refuses a request as a whole because of one sample that it has already. Where some may be so, the request is divided
   * until only they are refused. Absent: what is refused is refused.
   */
  readonly divide?: () => Promise<readonly Outgoing[]>;
  /** Another one may have sent it. */
  readonly mayBeKnown: boolean;
}

export interface SenderSettings {
  readonly requestTimeoutMs: number;
  /** Doubles from the first to the second with each failure in a row. */
  readonly minBackoffMs: number;
  readonly maxBackoffMs: number;
  /** No receiver can make us wait longer. */
  readonly maxRetryAfterMs: number;
  readonly retryOnRateLimit: boolean;
  /** What is older than this as a whole is dropped instead of sent; Infinity: nothing is. */
  readonly sampleAgeLimitMs: number;
}

/** Prometheus's own, but for 429, where it drops by default. */
export const DEFAULT_SENDER_SETTINGS: SenderSettings = {
  requestTimeoutMs: 30_000,
  minBackoffMs: 30,
  maxBackoffMs: 5_000,
  maxRetryAfterMs: 5 * 60_000,
  retryOnRateLimit: true,
  sampleAgeLimitMs: Infinity,
};

/** For metrics and for a caller that keeps what is not delivered yet. */
export type SenderEvent =
  | { readonly kind: 'delivered'; readonly samples: number; readonly bytes: number; readonly version: Version }
  /** For good: the receiver refused them (status 0: we could not even write them). */
  | { readonly kind: 'dropped'; readonly samples: number; readonly status: number }
  /** Refused, and the receiver may well have them. */
  | { readonly kind: 'known'; readonly samples: number }
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

export class Sender {
  private readonly settings: SenderSettings;
  private readonly clock: Clock;
  private readonly wallMs: () => number;
  private readonly closing = new AbortController();
  private version: Version;
  private speaks2 = false;

  constructor(private readonly options: SenderOptions) {
    this.settings = options.settings ?? DEFAULT_SENDER_SETTINGS;
    this.clock = options.clock ?? systemClock;
    this.wallMs = options.wallMs ?? Date.now;
    this.version = options.version;
  }

  /** At once; what was not delivered is not. */
  close(): void {
    this.closing.abort();
  }

  private get isClosed(): boolean {
    return this.closing.signal.aborted;
  }

  /** Resolves when it is delivered or dropped for good, or the sender is closed. Rejects where it cannot be written. */
  async deliver(batch: Outgoing): Promise<void> {
    const { minBackoffMs, maxBackoffMs, sampleAgeLimitMs } = this.settings;
    let { version } = this;
    let body = await batch.body(version);
    for (let failures = 0; !this.isClosed; ) {
      if (body === undefined) throw new Error('a batch cannot be read');
      if (batch.newestMs < this.wallMs() - sampleAgeLimitMs) return this.tell({ kind: 'too_old', samples: batch.samples });
      const answer = await this.send(version, body, failures);
      if (this.isClosed) return;
      const verdict: Verdict = answer === undefined ? { kind: 'retry', waitMs: undefined } : this.judge(answer, version);
      if (verdict.kind === 'fall_back') {
        version = '1';
        if (verdict.sure) this.fallBack();
        body = await batch.body(version);
        continue;
      }
      if (verdict.kind === 'retry') {
        const backoffMs = Math.min(minBackoffMs * 2 ** Math.min(failures, 30), maxBackoffMs);
        failures += 1;
        await this.wait(Math.max(backoffMs, verdict.waitMs ?? 0), answer?.status);
        continue;
      }
      if (verdict.kind === 'dropped') return await this.refused(batch, version, body.length, answer);
      // a 400 to 2.0 may have been meant for the data; now it is known that it was not
      if (version !== this.version) this.fallBack();
      return this.tell({ kind: 'delivered', samples: batch.samples, bytes: body.length, version });
    }
  }

  private async refused(batch: Outgoing, version: Version, bytes: number, answer: ReceiverAnswer | undefined): Promise<void> {
    const { status = 0, text = '' } = answer ?? {};
    if (version === '1' && status === 400 && batch.divide !== undefined) {
      for (const part of await batch.divide()) await this.deliver(part);
      return;
    }
    const written = Math.min(batch.samples, answer === undefined ? 0 : writtenOf(answer));
    const samples = batch.samples - written;
    if (written > 0) this.tell({ kind: 'delivered', samples: written, bytes, version });
    if (batch.mayBeKnown && status === 400) return this.tell({ kind: 'known', samples });
    this.options.logger.warn({ status, text: text.slice(0, 1000), samples }, 'the remote write receiver refused samples');
    this.tell({ kind: 'dropped', samples, status });
  }

  private judge(answer: ReceiverAnswer, version: Version): Verdict {
    const { retryOnRateLimit, maxRetryAfterMs } = this.settings;
    const verdict = judge(answer, { version, speaks2: this.speaks2, retryOnRateLimit, nowMs: this.wallMs(), maxRetryAfterMs });
    if (version === '2' && tellsWritten(answer)) this.speaks2 = true;
    return verdict;
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
    const { signal } = this.closing;
    await new Promise<void>((resolve) => {
      const over = (): void => {
        cancel();
        signal.removeEventListener('abort', over);
        resolve();
      };
      const cancel = this.clock.after(waitMs, over);
      signal.addEventListener('abort', over, { once: true });
      this.tell({ kind: 'retry', status, waitMs });
    });
  }

  private tell(event: SenderEvent): void {
    this.options.onEvent?.(event);
  }
}

/** How much a receiver of 2.0 took of what it refused in part. */
function writtenOf({ headers }: ReceiverAnswer): number {
  const [samples, histograms] = [WRITTEN_HEADERS.samples, WRITTEN_HEADERS.histograms].map((name) => Number(headers[name] ?? 0));
  return (samples || 0) + (histograms || 0);
}
