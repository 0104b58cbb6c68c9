import type { Logger } from '../lib/logger.js';
import { pack } from '../remotewrite/snappy.js';
import { STALE } from '../remotewrite/series.js';
import type { Histogram, Sample } from '../remotewrite/series.js';
import { Batch } from './batch.js';
import { decodeChunk } from './chunk/chunk.js';
import type { Exemplars } from './exemplars.js';
import { shapeKey } from './job.js';
import type { ExportJob } from './job.js';
import type { Position, Positions, Progress } from './positions.js';
import type { RawSeries } from '../remoteread/chunks.js';
import { shapeOf } from './shape.js';
import type { PackedLabels, Shape } from './shape.js';
import { SourceError } from './source.js';
import type { Source } from './source.js';
import type { Spool } from './spool/spool.js';

/**
 * One collection: read what the source has stored since the last one, and a little more; of each series take what is later than its
 * position; append it to the spool. The window may overlap, the read may fail half way, the process may die: what is in the spool moved
 * the positions, and nothing else did.
 */

/** A sample may become visible that much later than its own time: long scrapes, late rules. It costs little, chunks come whole. */
const OVERLAP_MS = 5 * 60_000;
/** Where there is much to catch up, all series go forward together: receivers refuse what is long before their newest sample. */
const SLICE_MS = 10 * 60_000;
/** At first nobody knows what receivers have, for another gateway may have been here before: small steps keep what they have in other batches. */
const FIRST_SLICE_MS = 15_000;
const MAX_GROUPS = 64;
const MAX_SERIES = 1_000_000;

export interface CollectorOptions {
  readonly job: ExportJob;
  readonly source: Source;
  readonly spool: Spool;
  readonly positions: Positions;
  readonly progress: Progress;
  readonly exemplars: Exemplars | undefined;
  readonly logger: Logger;
  /** Wall clock, ms. */
  readonly nowMs: () => number;
}

export interface Collected {
  readonly series: number;
  readonly samples: number;
  /** Series for which there was no room. */
  readonly leftOut: number;
}

interface Known {
  /** Its labels at the receiver; undefined: shaping drops it. */
  readonly out: PackedLabels | undefined;
  round: number;
}

export class Collector {
  private readonly shape: Shape;
  private readonly known = new Map<PackedLabels, Known>();
  /** The open one of each group. */
  private batches: (Batch | undefined)[] = [];
  /** All that are not in the spool yet, in the order in which they were begun. */
  private kept: Batch[] = [];
  private round = 0;
  private samples = 0;
  private leftOut = 0;
  /** Of the collection before: decides into how many groups the next is divided. */
  private expected = 0;
  private collectedMs: number | undefined;
  private shapeOfProgress: string;

  constructor(private readonly options: CollectorOptions) {
    this.shape = shapeOf(options.job);
    this.collectedMs = options.progress.collectedMs;
    this.shapeOfProgress = options.progress.shape;
  }

  get progress(): Progress {
    return { collectedMs: this.collectedMs, shape: this.shapeOfProgress };
  }

  /** Throws SourceError, and whatever the disk says. */
  async collect(signal: AbortSignal): Promise<Collected> {
    const { job, spool, positions } = this.options;
    const nowMs = this.options.nowMs();
    this.round += 1;
    this.samples = 0;
    this.leftOut = 0;
    const groups = Math.min(MAX_GROUPS, 2 ** Math.ceil(Math.log2(Math.max(1, this.expected / job.spec.queue.maxSamplesPerSend))));
    this.batches = Array.from({ length: groups }, () => undefined);
    try {
      await this.windows(nowMs, signal);
    } catch (error) {
      for (const batch of this.kept.toReversed()) batch.takeBack();
      throw error;
    } finally {
      this.batches = [];
      this.kept = [];
      await spool.sync();
    }
    this.expected = this.samples;
    positions.forgetBefore(nowMs - OVERLAP_MS - job.spec.intervalMs);
    for (const [labels, { round }] of this.known) if (round !== this.round) this.known.delete(labels);
    return { series: this.known.size, samples: this.samples, leftOut: this.leftOut };
  }

  /** Ends all series: the export is no more. */
  async end(): Promise<void> {
    this.round += 1;
    this.batches = [undefined];
    this.endUnseen();
    await this.flushAll();
    await this.options.spool.sync();
  }

  private async windows(nowMs: number, signal: AbortSignal): Promise<void> {
    const { job } = this.options;
    const isFirst = this.collectedMs === undefined;
    const firstMs = nowMs - (isFirst ? OVERLAP_MS : Math.max(job.spec.catchUpMs, OVERLAP_MS));
    const sliceMs = isFirst ? Math.max(job.spec.intervalMs, FIRST_SLICE_MS) : SLICE_MS;
    let endMs = Math.max(firstMs, this.collectedMs ?? firstMs);
    do {
      const startMs = Math.max(firstMs, endMs - OVERLAP_MS);
      endMs = Math.min(nowMs, endMs + sliceMs);
      if (job.rules.length > 0) await this.window(startMs, endMs, signal);
      if (endMs === nowMs) this.endWhatIsNotExportedAnyMore();
      await this.flushAll();
      this.commit(endMs);
    } while (endMs < nowMs);
  }

  private async window(startMs: number, endMs: number, signal: AbortSignal): Promise<void> {
    const { job, source, exemplars } = this.options;
    await exemplars?.fetch(job.rules, startMs, endMs, signal);
    for await (const frame of source.read(job.rules, startMs, endMs, signal)) {
      for (const series of frame) this.take(series, startMs - 1, endMs);
      await this.flush();
    }
  }

  private take({ labels, chunks }: RawSeries, afterMs: number, untilMs: number): void {
    const key = labels.toString('latin1');
    const known = this.known.get(key) ?? this.meet(key);
    if (known === undefined) return;
    known.round = this.round;
    if (known.out === undefined) return;
    const position = this.options.positions.of(known.out);
    position.round = this.round;
    const samples: Sample[] = [];
    const histograms: Histogram[] = [];
    for (const { encoding, bytes, maxMs } of chunks) {
      const lastMs = Math.max(afterMs, position.lastMs, samples.at(-1)?.timestampMs ?? -Infinity, histograms.at(-1)?.timestampMs ?? -Infinity);
      if (maxMs <= lastMs) continue;
      const decoded = decodeChunk(encoding, bytes, { afterMs: lastMs, untilMs }, { samples, histograms });
      if (!decoded.ok) throw new SourceError('source_broken', decoded.error);
    }
    if (samples.length + histograms.length === 0) return;
    const exemplars = this.options.exemplars?.take(key) ?? [];
    // A series that changes its kind has both; a receiver of 2.0 takes them apart only, and in the order of time.
    if (samples.length > 0 && histograms.length > 0) this.addMixed(position, samples, histograms);
    else this.add(position, { samples, histograms, exemplars });
  }

  private addMixed(position: Position, samples: readonly Sample[], histograms: readonly Histogram[]): void {
    const all = [...samples.map((sample) => ({ at: sample.timestampMs, samples: [sample], histograms: [] })), ...histograms.map((histogram) => ({ at: histogram.timestampMs, samples: [], histograms: [histogram] }))];
    for (const { samples: some, histograms: others } of all.toSorted((a, b) => a.at - b.at)) this.add(position, { samples: some, histograms: others, exemplars: [] });
  }

  private meet(key: PackedLabels): Known | undefined {
    if (this.known.size >= MAX_SERIES) {
      this.leftOut += 1;
      return undefined;
    }
    const labels = this.shape(key);
    // one text in memory where both are the same
    const known: Known = { out: labels === key ? key : labels, round: 0 };
    this.known.set(key, known);
    return known;
  }

  private add(position: Position, points: { readonly samples: readonly Sample[]; readonly histograms: readonly Histogram[]; readonly exemplars: Parameters<Batch['add']>[1]['exemplars'] }): void {
    const group = position.hash % this.batches.length;
    const batch = this.batches[group] ?? new Batch(group, this.batches.length);
    this.batches[group] = batch;
    if (batch.isEmpty) this.kept.push(batch);
    batch.add(position, points);
    this.samples += points.samples.length + points.histograms.length;
    if (batch.isFull(this.options.job.spec.queue.maxSamplesPerSend)) this.batches[group] = undefined;
  }

  /** After a change of the rules or of the shape: series that no longer come out end now, as far as anybody can see there. */
  private endWhatIsNotExportedAnyMore(): void {
    const shape = shapeKey(this.options.job);
    if (shape !== this.shapeOfProgress) this.endUnseen();
    this.shapeOfProgress = shape;
  }

  private endUnseen(): void {
    for (const position of this.options.positions.unseen(this.round)) {
      this.add(position, { samples: [{ value: STALE, timestampMs: position.lastMs + 1 }], histograms: [], exemplars: [] });
    }
  }

  private async flushAll(): Promise<void> {
    this.batches.fill(undefined);
    await this.flush();
  }

  /** What is full, in the order in which it was begun; what is open stays. */
  private async flush(): Promise<void> {
    const open = new Set(this.batches);
    for (const batch of this.kept.filter((each) => !open.has(each))) {
      this.options.spool.append(batch.head, await pack(batch.finish()));
      this.kept.splice(this.kept.indexOf(batch), 1);
    }
  }

  private commit(collectedMs: number): void {
    if (this.samples > 0) this.options.spool.append({ kind: 'commit', group: 0, groups: 1, samples: 0, newestMs: collectedMs }, Buffer.alloc(0));
    this.collectedMs = collectedMs;
  }
}
