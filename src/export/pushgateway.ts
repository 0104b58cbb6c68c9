import { request } from 'undici';
import type { WayTo } from '../behind/behind.js';
import { ServiceFailure } from '../behind/dispatcher.js';
import type { Logger } from '../lib/logger.js';
import { METRIC_NAME_LABEL } from '../promql/ast.js';
import { STALE } from '../remotewrite/series.js';
import type { Histogram, Label, Sample } from '../remotewrite/series.js';
import { decodeChunk } from './chunk/chunk.js';
import type { ExportJob } from './job.js';
import type { ExportMetrics } from './metrics.js';
import { createReceiver } from './receiver.js';
import { decodeFrame } from '../remoteread/chunks.js';
import type { RawSeries } from '../remoteread/chunks.js';
import type { Receiver } from './receiver.js';
import type { Delivered, Export } from './running.js';
import { shapeOf, unpackLabels } from './shape.js';
import type { PackedLabels } from './shape.js';
import { Source, SourceError } from './source.js';
import { seriesText, valueText } from './view.js';

/**
 * An export to a Pushgateway: the last value of every series, as one group that is replaced as a whole each time. It keeps no times and
 * no past, so there is nothing to catch up with; what has ended is not in the next push.
 */

/** As far back as Prometheus itself looks for a series' value. */
const LOOKBACK_MS = 5 * 60_000;
const MAX_SERIES = 100_000;
const MAX_TEXT_BYTES = 1024;

export interface PushgatewayOptions {
  readonly job: ExportJob;
  readonly metrics: ExportMetrics;
  readonly logger: Logger;
  readonly wayTo: WayTo;
  readonly nowMs: () => number;
}

interface Value {
  readonly value: number;
  readonly timestampMs: number;
}

export class PushgatewayExport implements Export {
  private readonly source: Source;
  private readonly receiver: Receiver;
  private readonly shape;
  private readonly url: string;
  private readonly groupLabels: ReadonlySet<string>;
  private last: ReadonlyMap<PackedLabels, Value> = new Map();
  private pushedMs: number | undefined;
  private problem: string | undefined;
  private readonly halted = new AbortController();

  constructor(private readonly options: PushgatewayOptions) {
    const { job, logger, wayTo } = options;
    this.source = new Source(job.backend, logger, wayTo);
    const [base = ''] = job.destination.urls;
    this.receiver = createReceiver(job.destination, base, wayTo);
    this.shape = shapeOf(job);
    const group = groupOf(job);
    this.groupLabels = new Set(group.map(({ name }) => name));
    this.url = `${base}/metrics${group.map(({ name, value }) => `/${name}@base64/${Buffer.from(value).toString('base64url') || '='}`).join('')}`;
  }

  async collect(signal: AbortSignal): Promise<void> {
    const { job, metrics, nowMs } = this.options;
    const endMs = nowMs();
    const values = new Map<PackedLabels, Value>();
    let leftOut = 0;
    const pieces = job.rules.length === 0 ? [] : this.source.read(job.rules, { startMs: endMs - LOOKBACK_MS, endMs, uncut: false }, signal);
    for await (const frames of pieces) {
      while (frames.next()) {
        const all = decodeFrame(frames.frame);
        if (!all.ok) throw new SourceError('source_broken', all.error);
        for (const series of all.value) leftOut += this.take(series, endMs, values);
      }
    }
    this.last = values;
    const names = { tenant: job.tenant, export: job.spec.name };
    metrics.series.set(names, values.size);
    metrics.leftOut.set(names, leftOut);
    metrics.collectedSamples.inc(names, values.size);
    await this.push('PUT', this.text(), signal);
  }

  /** Returns how many series were left out: one or none. */
  private take({ labels, chunks }: RawSeries, endMs: number, values: Map<PackedLabels, Value>): number {
    const shaped = this.shape(labels.toString('latin1'));
    if (shaped === undefined) return 0;
    const samples: Sample[] = [];
    const histograms: Histogram[] = [];
    for (const { encoding, bytes } of chunks) {
      const decoded = decodeChunk(encoding, bytes, { afterMs: endMs - LOOKBACK_MS, untilMs: endMs }, { samples, histograms });
      if (!decoded.ok) throw new SourceError('source_broken', decoded.error);
    }
    const sample = samples.at(-1);
    const before = values.get(shaped);
    if (sample === undefined || (before !== undefined && before.timestampMs > sample.timestampMs)) return 0;
    if (before === undefined && values.size >= MAX_SERIES) return 1;
    if (sample.value === STALE) values.delete(shaped);
    else values.set(shaped, { value: sample.value, timestampMs: sample.timestampMs });
    return 0;
  }

  halt(): void {
    this.halted.abort();
  }

  async end(timeoutMs: number): Promise<void> {
    await this.push('DELETE', undefined, AbortSignal.timeout(timeoutMs));
    await this.close();
  }

  async close(): Promise<void> {
    const { job, metrics } = this.options;
    await Promise.all([this.source.close(), this.receiver.close()]);
    metrics.forget(job.tenant, job.spec.name, [this.receiver.name]);
  }

  publish(): void {
    const { job, metrics, nowMs } = this.options;
    if (this.pushedMs === undefined) return;
    metrics.lagSeconds.set({ tenant: job.tenant, export: job.spec.name, receiver: this.receiver.name }, (nowMs() - this.pushedMs) / 1000);
  }

  delivered(): Delivered {
    return { any: this.pushedMs !== undefined, problem: this.problem, series: this.last.size };
  }

  view(): string {
    const { job } = this.options;
    const lines = [...this.last].map(([labels, { value, timestampMs }]) => `${seriesText(unpackLabels(labels))} ${valueText(value)} ${timestampMs}\n`);
    return `# Job: ${job.tenant}/${job.spec.name} (${this.last.size} metrics)\n${lines.join('')}`;
  }

  /**
   * Without times, which a Pushgateway refuses, and without types, of which it takes one a name from all groups. A series' own label that
   * the group has too would be overwritten: it goes on as `exported_<name>`, as Prometheus does it with targets.
   */
  private text(): string {
    const byName = Map.groupBy(this.last, ([labels]) => unpackLabels(labels).find(({ name }) => name === METRIC_NAME_LABEL)?.value ?? '');
    const lines = [...byName.values()].flatMap((series) => series.map(([labels, { value }]) => `${seriesText(unpackLabels(labels).map((label) => this.apart(label)))} ${valueText(value)}\n`));
    return lines.join('');
  }

  private apart({ name, value }: Label): Label {
    return { name: this.groupLabels.has(name) ? `exported_${name}` : name, value };
  }

  private async push(method: 'PUT' | 'DELETE', body: string | undefined, signal: AbortSignal): Promise<void> {
    const { job, metrics, logger } = this.options;
    const labels = { tenant: job.tenant, export: job.spec.name, receiver: this.receiver.name };
    let result = 'none';
    try {
      const headers = { ...(await this.receiver.headers()), 'content-type': 'text/plain; version=0.0.4', 'user-agent': 'scrapeway' };
      const answer = await request(this.url, { method, headers, body: body ?? null, dispatcher: this.receiver.dispatcher, signal: AbortSignal.any([signal, this.halted.signal, AbortSignal.timeout(job.destination.timeoutMs)]) });
      const text = await answer.body.text();
      result = String(answer.statusCode);
      if (answer.statusCode >= 300) logger.warn({ status: answer.statusCode, text: text.slice(0, MAX_TEXT_BYTES) }, 'the Pushgateway refused a push');
      else this.pushed(labels, body);
    } catch (error) {
      if (error instanceof ServiceFailure) result = error.reason;
      logger.warn({ err: error }, 'the Pushgateway gave no answer');
    }
    this.problem = result.startsWith('2') ? undefined : `the Pushgateway ${/^\d/.test(result) ? `refuses a push: ${result}` : `does not answer${result === 'none' ? '' : `: ${result}`}`}`;
    if (!result.startsWith('2') && method === 'PUT') metrics.droppedSamples.inc({ ...labels, reason: 'refused' }, this.last.size);
    metrics.requests.inc({ ...labels, result });
  }

  private pushed(labels: { readonly tenant: string; readonly export: string; readonly receiver: string }, body: string | undefined): void {
    const { metrics, nowMs } = this.options;
    this.pushedMs = nowMs();
    if (body === undefined) return;
    metrics.sentSamples.inc(labels, this.last.size);
    metrics.sentBytes.inc(labels, Buffer.byteLength(body));
  }
}

/** The grouping key: job first, as its path wants it; the enforced label is always in it. */
function groupOf({ tenant, spec, destination }: ExportJob): readonly Label[] {
  const labels = new Map(Object.entries(spec.group?.labels ?? {}));
  if (destination.tenantLabel !== undefined) labels.set(destination.tenantLabel, tenant);
  labels.delete('job');
  return [{ name: 'job', value: spec.group?.job ?? spec.name }, ...[...labels].map(([name, value]) => ({ name, value }))];
}
