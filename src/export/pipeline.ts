import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { WayTo } from '../behind/behind.js';
import { ServiceFailure } from '../behind/dispatcher.js';
import type { Logger } from '../lib/logger.js';
import { unpack } from '../remotewrite/snappy.js';
import { Collector } from './collector.js';
import { Delivery } from './delivery.js';
import type { DeliveryEvent } from './delivery.js';
import { Exemplars } from './exemplars.js';
import type { ExportJob } from './job.js';
import { MetadataTable } from './metadata.js';
import type { ExportMetrics } from './metrics.js';
import { replay } from './kept-request.js';
import { Positions } from './positions.js';
import { loadPositions, savePositions } from './positions-file.js';
import type { Progress } from './positions-file.js';
import { createReceiver, transportTo } from './receiver.js';
import type { Receiver } from './receiver.js';
import type { Delivered, Export } from './running.js';
import { Source } from './source.js';
import type { Cursor, RecordRef } from './spool/segment.js';
import { MAX_PAYLOAD_BYTES } from './spool/record.js';
import { Spool } from './spool/spool.js';
import { viewOfPositions } from './view.js';

/** An export by remote write: collector, spool, and one delivery for each receiver, put together from what the last life has left. */

export interface PipelineOptions {
  readonly job: ExportJob;
  readonly folder: string;
  readonly metrics: ExportMetrics;
  readonly logger: Logger;
  readonly wayTo: WayTo;
  readonly nowMs: () => number;
  /** Up to when another gateway has delivered this export, as far as is known. */
  readonly handedOverMs: number | undefined;
}

/** The copy of the positions is made anew when there is so much to read again after a crash. */
const SNAPSHOT_BYTES = 32 * 1024 * 1024;

export class Pipeline implements Export {
  private readonly labels: { readonly tenant: string; readonly export: string };
  private readonly source: Source;
  private readonly metadata: MetadataTable;
  private readonly deliveries: readonly { readonly delivery: Delivery; readonly receiver: Receiver }[];

  private constructor(
    private readonly options: PipelineOptions,
    private readonly spool: Spool,
    private readonly positions: Positions,
    private readonly collector: Collector,
    parts: { readonly source: Source; readonly metadata: MetadataTable; readonly snapshot: { at: Cursor } },
  ) {
    const { job } = options;
    this.labels = { tenant: job.tenant, export: job.spec.name };
    this.source = parts.source;
    this.metadata = parts.metadata;
    this.snapshot = parts.snapshot;
    this.deliveries = job.destination.urls.map((url) => this.deliver(url));
    this.publish();
  }

  private readonly snapshot: { at: Cursor };
  private series = 0;
  /** By receiver: whether it has taken something, and why it does not take more. */
  private readonly receivers = new Map<string, { any: boolean; problem: string | undefined }>();

  static async open(options: PipelineOptions): Promise<Pipeline> {
    const { job, folder, logger, nowMs, wayTo, handedOverMs } = options;
    const saved = loadPositions(join(folder, 'positions'));
    const positions = saved?.positions ?? new Positions();
    const deliveries: { list: readonly Delivery[] } = { list: [] };
    const spool = new Spool({ folder, maxBytes: job.spec.spoolBytes, onDropped: (refs) => deliveries.list.forEach((each) => each.dropped(refs)) });
    if (spool.tornBytes > 0) logger.info({ bytes: spool.tornBytes }, 'the end of the spool was not whole; what it had is collected again');
    const snapshot = { at: saved?.at ?? spool.start };
    spool.hold(() => snapshot.at);
    const progress = await recover(spool, positions, saved?.progress ?? { collectedMs: undefined, shape: '' }, snapshot.at);
    const source = new Source(job.backend, logger, wayTo);
    const metadata = new MetadataTable(source, logger);
    const exemplars = job.spec.exemplars ? new Exemplars(source, logger) : undefined;
    const collector = new Collector({ job, source, spool, positions, progress, metadata, handedOverMs, exemplars, logger, nowMs });
    const pipeline = new Pipeline(options, spool, positions, collector, { source, metadata, snapshot });
    deliveries.list = pipeline.deliveries.map(({ delivery }) => delivery);
    return pipeline;
  }

  async collect(signal: AbortSignal): Promise<void> {
    const { metrics, nowMs } = this.options;
    await this.metadata.refresh(nowMs(), signal);
    const { series, samples, leftOut } = await this.collector.collect(signal);
    metrics.collectedSamples.inc(this.labels, samples);
    this.series = series;
    for (const { delivery } of this.deliveries) delivery.tellMetadata(nowMs(), () => this.metadata.familiesOf(this.positions.liveNames()));
    metrics.series.set(this.labels, series);
    metrics.leftOut.set(this.labels, leftOut);
    const { end } = this.spool;
    if (end.segment !== this.snapshot.at.segment || end.offset - this.snapshot.at.offset > SNAPSHOT_BYTES) this.save();
  }

  halt(): void {
    for (const { delivery } of this.deliveries) delivery.close();
  }

  async end(timeoutMs: number): Promise<void> {
    await this.collector.end();
    await Promise.race([Promise.all(this.deliveries.map(({ delivery }) => delivery.drained())), timer(timeoutMs)]);
    await this.stop();
    rmSync(this.options.folder, { recursive: true, force: true });
  }

  async close(): Promise<void> {
    this.save();
    await this.stop();
  }

  publish(): void {
    const { metrics, nowMs } = this.options;
    metrics.spoolBytes.set(this.labels, this.spool.bytes);
    for (const { delivery, receiver } of this.deliveries) {
      const labels = { ...this.labels, receiver: receiver.name };
      const { oldestMs } = delivery;
      metrics.pendingSamples.set(labels, delivery.pendingSamples);
      metrics.lagSeconds.set(labels, oldestMs === undefined ? 0 : Math.max(0, (nowMs() - oldestMs) / 1000));
      metrics.shards.set(labels, delivery.shards);
    }
  }

  view(): string {
    return viewOfPositions(this.options.job, this.positions);
  }

  delivered(): Delivered {
    const all = [...this.receivers.values()];
    return { any: all.some(({ any }) => any), problem: all.find(({ problem }) => problem !== undefined)?.problem, deliveredMs: this.deliveredMs, series: this.series };
  }

  private get deliveredMs(): number | undefined {
    const { collectedMs } = this.collector.progress;
    const all = this.deliveries.map(({ delivery }) => (delivery.isIdle ? collectedMs : delivery.committedMs));
    return all.reduce((least, each) => (least === undefined || each === undefined ? undefined : Math.min(least, each)), all[0]);
  }

  /** `onTheWay`: what was the matter last where the receiver is behind an agent. */
  private note(receiver: string, event: DeliveryEvent, onTheWay: string | undefined): void {
    const any = this.receivers.get(receiver)?.any ?? false;
    if (event.kind === 'delivered') this.receivers.set(receiver, { any: true, problem: undefined });
    else if (event.kind === 'retry') this.receivers.set(receiver, { any, problem: `${receiver} does not answer, or not now${event.status === undefined && onTheWay !== undefined ? `: ${onTheWay}` : ''}` });
    else if (event.kind === 'dropped') this.receivers.set(receiver, { any, problem: `${receiver} refuses what it is sent` });
  }

  private async stop(): Promise<void> {
    this.halt();
    await Promise.all([this.source.close(), ...this.deliveries.map(({ receiver }) => receiver.close())]);
    this.spool.close();
    this.options.metrics.forget(this.labels.tenant, this.labels.export, this.deliveries.map(({ receiver }) => receiver.name));
  }

  private save(): void {
    const at = this.spool.end;
    savePositions(join(this.options.folder, 'positions'), this.positions, this.collector.progress, at);
    this.snapshot.at = at;
    this.spool.prune();
  }

  private deliver(url: string): { readonly delivery: Delivery; readonly receiver: Receiver } {
    const { job, folder, logger, metrics, wayTo } = this.options;
    const receiver = createReceiver(job.destination, url, wayTo);
    const labels = { ...this.labels, receiver: receiver.name };
    const transport = transportTo(receiver);
    let onTheWay: string | undefined;
    const delivery = new Delivery({
      spool: this.spool,
      cursorPath: join(folder, `cursor-${createHash('sha256').update(url).digest('hex').slice(0, 16)}`),
      transport: async (headers, body, signal) => {
        const started = performance.now();
        let result = 'none';
        try {
          const answer = await transport(headers, body, signal);
          result = String(answer.status);
          return answer;
        } catch (error) {
          onTheWay = error instanceof ServiceFailure ? error.reason : undefined;
          result = onTheWay ?? result;
          throw error;
        } finally {
          metrics.requests.inc({ ...labels, result });
          metrics.requestSeconds.inc(labels, (performance.now() - started) / 1000);
        }
      },
      version: job.destination.version,
      knownUntilMs: this.options.handedOverMs,
      queue: job.spec.queue,
      requestTimeoutMs: job.destination.timeoutMs,
      logger: logger.child({ receiver: receiver.name }),
      onEvent: (event) => {
        this.note(receiver.name, event, onTheWay);
        count(metrics, labels, event);
      },
    });
    return { delivery, receiver };
  }
}

function timer(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

/** What was appended after the positions were saved. */
async function recover(spool: Spool, positions: Positions, saved: Progress, from: Cursor): Promise<Progress> {
  let { collectedMs } = saved;
  let after: RecordRef | undefined = spool.next(from);
  for (; after !== undefined; after = spool.next({ segment: after.segment, offset: after.offset + after.bytes })) {
    if (after.kind === 'commit') collectedMs = Math.max(collectedMs ?? -Infinity, after.newestMs);
    const packed = after.kind === 'data' ? spool.read(after) : undefined;
    const payload = packed && (await unpack(packed, MAX_PAYLOAD_BYTES));
    if (payload?.ok === true) replay(payload.value, positions);
  }
  return { ...saved, collectedMs };
}

function count(metrics: ExportMetrics, labels: { readonly tenant: string; readonly export: string; readonly receiver: string }, event: DeliveryEvent): void {
  switch (event.kind) {
    case 'delivered':
      metrics.sentSamples.inc(labels, event.samples);
      metrics.sentBytes.inc(labels, event.bytes);
      return;
    case 'dropped':
      metrics.droppedSamples.inc({ ...labels, reason: 'refused' }, event.samples);
      return;
    case 'too_old':
      metrics.droppedSamples.inc({ ...labels, reason: 'too_old' }, event.samples);
      return;
    case 'known':
      metrics.droppedSamples.inc({ ...labels, reason: 'known' }, event.samples);
      return;
    case 'lost':
      metrics.droppedSamples.inc({ ...labels, reason: event.reason }, event.samples);
      return;
    case 'retry':
    case 'fell_back':
      return;
  }
}
