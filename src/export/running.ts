import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import type { ExportReport } from '../model/export-report.js';
import type { ExportJob } from './job.js';
import type { ExportMetrics } from './metrics.js';
import { SourceError } from './source.js';

/** The life of one export: a collection at once, then one each interval, never two at a time; a failed one is the next one's business. */

/** What is done each time; of each kind of destination there is one. */
export interface Export {
  /** Throws SourceError where the source is to blame. */
  collect(signal: AbortSignal): Promise<void>;
  /** The export is no more: ends at the receivers what it has begun there, within this time, and leaves nothing behind. */
  end(timeoutMs: number): Promise<void>;
  /** Nothing is sent from now on; `end` or `close` follows. */
  halt(): void;
  /** To go on later. */
  close(): Promise<void>;
  /** Brings gauges up to date. */
  publish(): void;
  /** What the tenant may look at: exposition lines with times. */
  view(): string;
  delivered(): Delivered;
}

/** How far what was collected has come. */
export interface Delivered {
  /** A receiver has taken something. */
  readonly any: boolean;
  /** Why a receiver does not take it now. */
  readonly problem: string | undefined;
  /** Every receiver has all up to then; undefined: not known. */
  readonly deliveredMs?: number | undefined;
  readonly series: number;
}

export interface RunningOptions {
  readonly job: ExportJob;
  readonly open: () => Promise<Export>;
  readonly metrics: ExportMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

const END_TIMEOUT_MS = 30_000;
const RETRY_OPEN_MS = 5_000;

export class Running {
  private readonly stopping = new AbortController();
  private readonly labels: { readonly tenant: string; readonly export: string };
  private readonly done: Promise<void>;
  private export_: Export | undefined;
  private failure: string | undefined;
  private lastCollectionMs: number | undefined;

  constructor(private readonly options: RunningOptions) {
    this.labels = { tenant: options.job.tenant, export: options.job.spec.name };
    this.done = this.run();
  }

  get job(): ExportJob {
    return this.options.job;
  }

  publish(): void {
    this.export_?.publish();
  }

  view(): string {
    return this.export_?.view() ?? '';
  }

  report(): ExportReport {
    const { tenant, spec, destination } = this.job;
    const { any = false, problem, series = 0, deliveredMs } = this.export_?.delivered() ?? {};
    const why = this.failure ?? problem;
    return { tenant, name: spec.name, urls: destination.urls, state: why === undefined ? { kind: any ? 'running' : 'pending' } : { kind: 'failing', why }, lastCollectionMs: this.lastCollectionMs, deliveredMs, series };
  }

  get isHalted(): boolean {
    return this.stopping.signal.aborted;
  }

  /** Sends nothing more, from now on. */
  halt(): void {
    this.stopping.abort();
    this.export_?.halt();
  }

  async stop(): Promise<void> {
    await this.stopped();
    await this.export_?.close();
    this.export_ = undefined;
  }

  /** The export is no more. */
  async end(): Promise<void> {
    await this.stopped();
    await this.export_?.end(END_TIMEOUT_MS);
    this.export_ = undefined;
  }

  private async stopped(): Promise<void> {
    this.stopping.abort();
    await this.done;
  }

  private async run(): Promise<void> {
    const { job, clock, logger } = this.options;
    let dueMs = clock.nowMs();
    while (!this.stopping.signal.aborted) {
      const running = this.export_ ?? (await this.opened());
      this.export_ = running;
      if (this.stopping.signal.aborted) return running?.halt();
      if (running !== undefined) await this.collectOnce(running);
      const nowMs = clock.nowMs();
      dueMs += job.spec.intervalMs;
      if (dueMs <= nowMs) {
        logger.warn({ intervalMs: job.spec.intervalMs }, 'a collection takes longer than its interval');
        dueMs = nowMs;
      }
      await this.pause(running === undefined ? RETRY_OPEN_MS : dueMs - nowMs);
    }
  }

  private async opened(): Promise<Export | undefined> {
    try {
      return await this.options.open();
    } catch (error) {
      this.options.logger.error({ err: error }, 'an export cannot start');
      this.failure = 'spool_failed';
      this.options.metrics.collections.inc({ ...this.labels, result: 'spool_failed' });
      return undefined;
    }
  }

  private async collectOnce(running: Export): Promise<void> {
    const { job, metrics, logger, clock } = this.options;
    const startedMs = clock.nowMs();
    let result = 'ok';
    try {
      await running.collect(AbortSignal.any([this.stopping.signal, AbortSignal.timeout(job.backend.timeoutMs)]));
      metrics.lastCollection.set(this.labels, Date.now() / 1000);
      this.lastCollectionMs = Date.now();
      this.failure = undefined;
    } catch (error) {
      if (this.stopping.signal.aborted) return;
      result = error instanceof SourceError ? error.reason : 'spool_failed';
      this.failure = result;
      logger.warn({ err: error, reason: result }, 'a collection failed');
    }
    metrics.collections.inc({ ...this.labels, result });
    metrics.collectionSeconds.set(this.labels, (clock.nowMs() - startedMs) / 1000);
  }

  private pause(ms: number): Promise<void> {
    const { signal } = this.stopping;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const cancel = this.options.clock.after(ms, () => {
        signal.removeEventListener('abort', over);
        resolve();
      });
      const over = (): void => {
        cancel();
        resolve();
      };
      signal.addEventListener('abort', over, { once: true });
    });
  }
}
