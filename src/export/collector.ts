import type { Logger } from '../lib/logger.js';
import type { FrameReader } from '../remoteread/frames.js';
import { packNow } from '../remotewrite/snappy.js';
import { Batch } from './batch.js';
import { SeriesReader } from './series-reader.js';
import type { Exemplars } from './exemplars.js';
import { shapeKey } from './job.js';
import type { ExportJob } from './job.js';
import { DROPPED, KnownSeries, UNSHAPED } from './known-series.js';
import type { MetadataTable } from './metadata.js';
import type { Positions } from './positions.js';
import type { Progress } from './positions-file.js';
import { RequestWriter } from './request.js';
import { shapeOf } from './shape.js';
import type { Shape } from './shape.js';
import { SourceError } from './source.js';
import type { Source } from './source.js';
import type { Certainty } from './spool/record.js';
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
/** So far back a source has everything in memory, in chunks that it still writes to. */
const IN_MEMORY_MS = 3_600_000;
const MAX_GROUPS = 64;
const MAX_SERIES = 1_000_000;

export interface CollectorOptions {
  readonly job: ExportJob;
  readonly source: Source;
  readonly spool: Spool;
  readonly positions: Positions;
  readonly progress: Progress;
  readonly metadata: MetadataTable;
  /** Up to when another gateway has delivered this export, as far as is known. */
  readonly handedOverMs: number | undefined;
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

export class Collector {
  private readonly shape: Shape;
  private readonly writer: RequestWriter;
  private readonly reader = new SeriesReader();
  private known = new KnownSeries();
  private replica = 0;
  /** The open one of each group. */
  private batches: (Batch | undefined)[] = [];
  /** All that are not in the spool yet, in the order in which they were begun. */
  private kept: Batch[] = [];
  /** Empty ones, to be used again. */
  private readonly spare: Batch[] = [];
  /** There are some among them that nothing is added to any more. */
  private hasFull = false;
  private round = 0;
  private samples = 0;
  private leftOut = 0;
  /** Of the collection before: decides into how many groups the next is divided. */
  private expected = 0;
  private collectedMs: number | undefined;
  private shapeOfProgress: string;
  private certainty: (newestMs: number) => Certainty = () => 'new';

  constructor(private readonly options: CollectorOptions) {
    this.shape = shapeOf(options.job);
    this.writer = new RequestWriter(options.positions, options.metadata);
    const { collectedMs } = options.progress;
    // Where another gateway has come further, this one begins where that one ended.
    this.collectedMs = (collectedMs ?? -Infinity) < (options.handedOverMs ?? -Infinity) ? undefined : collectedMs;
    this.shapeOfProgress = options.progress.shape;
  }

  get progress(): Progress {
    return { collectedMs: this.collectedMs, shape: this.shapeOfProgress };
  }

  /** Throws SourceError, and whatever the disk says. */
  async collect(signal: AbortSignal): Promise<Collected> {
    const { job, spool } = this.options;
    const nowMs = this.options.nowMs();
    this.round += 1;
    this.known.begin();
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
    const series = this.known.size;
    this.tidy(nowMs - OVERLAP_MS - job.spec.intervalMs);
    return { series, samples: this.samples, leftOut: this.leftOut };
  }

  /** Ends all series: the export is no more. */
  async end(): Promise<void> {
    this.round += 1;
    this.batches = [undefined];
    this.endUnseen();
    this.flushAll();
    await this.options.spool.sync();
  }

  private tidy(windowStartMs: number): void {
    const { positions } = this.options;
    positions.forgetBefore(windowStartMs);
    // What is known can be learnt again; it costs as much as the first collection.
    if (positions.compact() || this.known.isWorn) this.known = new KnownSeries();
  }

  private async windows(nowMs: number, signal: AbortSignal): Promise<void> {
    const { job, handedOverMs } = this.options;
    const isFirst = this.collectedMs === undefined;
    const oldestMs = nowMs - Math.max(job.spec.catchUpMs, OVERLAP_MS);
    const firstMs = !isFirst ? oldestMs : handedOverMs === undefined ? nowMs - OVERLAP_MS : Math.max(oldestMs, Math.min(handedOverMs, nowMs) - OVERLAP_MS);
    const sliceMs = isFirst ? Math.max(job.spec.intervalMs, FIRST_SLICE_MS) : SLICE_MS;
    // Where nobody was before, a refusal is what it says, and nothing is tried again.
    this.certainty = (newestMs) => (!isFirst || handedOverMs === undefined ? 'new' : newestMs <= handedOverMs ? 'repeated' : 'doubtful');
    let endMs = Math.max(firstMs, this.collectedMs ?? firstMs);
    do {
      const startMs = Math.max(firstMs, endMs - OVERLAP_MS);
      endMs = Math.min(nowMs, endMs + sliceMs);
      if (job.rules.length > 0) await this.window(startMs, endMs, signal);
      if (endMs === nowMs) this.endWhatIsNotExportedAnyMore();
      this.flushAll();
      this.commit(endMs);
    } while (endMs < nowMs);
  }

  private async window(startMs: number, endMs: number, signal: AbortSignal): Promise<void> {
    const { job, source, exemplars } = this.options;
    await exemplars?.fetch(job.rules, startMs, endMs, signal);
    const uncut = this.options.nowMs() - startMs <= IN_MEMORY_MS;
    for await (const frames of source.read(job.rules, { startMs, endMs, uncut }, signal)) {
      if (this.replica !== source.replica) this.known.states.clear();
      this.replica = source.replica;
      while (frames.next()) this.frame(frames, startMs - 1, endMs);
      if (this.hasFull) this.flush();
    }
  }

  private frame({ bytes, start, end }: FrameReader, afterMs: number, untilMs: number): void {
    const { reader } = this;
    reader.open(bytes, start, end);
    while (reader.next()) {
      const number = reader.numberIn(this.known);
      if (number !== undefined) this.take(number, afterMs, untilMs);
    }
    if (reader.failed) throw new SourceError('source_broken', 'a frame of the remote read cannot be understood');
  }

  private take(number: number, afterMs: number, untilMs: number): void {
    const { known, reader } = this;
    const { positions, exemplars } = this.options;
    const position = known.position(number) === UNSHAPED ? this.meet(number) : known.position(number);
    if (position === undefined) return;
    known.see(number, this.round);
    if (position === DROPPED) return;
    positions.see(position, this.round);
    const problem = reader.read(known.states, number, Math.max(afterMs, positions.lastMs(position)), untilMs);
    if (problem !== undefined) throw new SourceError('source_broken', problem);
    const { floats, histograms } = reader;
    if (floats.count + histograms.length === 0) return;
    if (floats.count > 0 && histograms.length > 0) return this.addMixed(position);
    const its = exemplars === undefined || exemplars.isEmpty ? undefined : exemplars.take(known.key(number).toString('latin1'));
    const batch = this.batchFor(position);
    if (floats.count > 0) batch.addFloats(position, floats, 0, floats.count, its);
    else batch.addHistograms(position, histograms, its);
    this.added(batch, floats.count + histograms.length);
  }

  /** A series that changes its kind has both; a receiver of 2.0 takes them apart only, and in the order of time. */
  private addMixed(position: number): void {
    const { floats, histograms } = this.reader;
    for (let at = 0, next = 0; at < floats.count || next < histograms.length; ) {
      const histogram = histograms[next];
      const isFloat = at < floats.count && (histogram === undefined || (floats.times[at] ?? 0) < histogram.timestampMs);
      const batch = this.batchFor(position);
      if (isFloat) batch.addFloats(position, floats, at, at + 1);
      else if (histogram !== undefined) batch.addHistograms(position, [histogram]);
      this.added(batch, 1);
      if (isFloat) at += 1;
      else next += 1;
    }
  }

  /** Its position; undefined: there is no room for it. */
  private meet(number: number): number | undefined {
    const { known } = this;
    if (known.size >= MAX_SERIES) {
      this.leftOut += 1;
      return undefined;
    }
    const labels = this.shape(known.key(number).toString('latin1'));
    const bytes = labels === undefined ? undefined : Buffer.from(labels, 'latin1');
    const position = bytes === undefined ? DROPPED : this.options.positions.ofPacked(bytes, 0, bytes.length);
    known.shaped(number, position);
    return position;
  }

  /** Whoever takes it puts something into it. */
  private batchFor(position: number): Batch {
    const { positions } = this.options;
    const group = positions.hash(position) % this.batches.length;
    const open = this.batches[group];
    if (open !== undefined) return open;
    const batch = this.spare.pop()?.reuse(group, this.batches.length) ?? new Batch(group, this.batches.length, positions);
    this.batches[group] = batch;
    this.kept.push(batch);
    return batch;
  }

  private added(batch: Batch, samples: number): void {
    this.samples += samples;
    if (!batch.isFull(this.options.job.spec.queue.maxSamplesPerSend)) return;
    this.batches[batch.group] = undefined;
    this.hasFull = true;
  }

  /** After a change of the rules or of the shape: series that no longer come out end now, as far as anybody can see there. */
  private endWhatIsNotExportedAnyMore(): void {
    const shape = shapeKey(this.options.job);
    if (shape !== this.shapeOfProgress) this.endUnseen();
    this.shapeOfProgress = shape;
  }

  private endUnseen(): void {
    for (const position of this.options.positions.unseen(this.round)) {
      const batch = this.batchFor(position);
      batch.addEnd(position);
      this.added(batch, 1);
    }
  }

  private flushAll(): void {
    this.batches.fill(undefined);
    this.flush();
  }

  /** What is full, in the order in which it was begun; what is open stays. */
  private flush(): void {
    this.hasFull = false;
    const open = new Set(this.batches);
    for (const batch of this.kept.filter((each) => !open.has(each))) {
      this.options.spool.append(batch.headOf(this.certainty), packNow(this.writer.write(batch.content)));
      this.kept.splice(this.kept.indexOf(batch), 1);
      if (this.spare.length < MAX_GROUPS && !batch.isLarge) this.spare.push(batch);
    }
  }

  private commit(collectedMs: number): void {
    if (this.samples > 0) this.options.spool.append({ kind: 'commit', group: 0, groups: 1, samples: 0, newestMs: collectedMs, certainty: 'new' }, Buffer.alloc(0));
    this.collectedMs = collectedMs;
  }
}
