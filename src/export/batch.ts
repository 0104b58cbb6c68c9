import { longerBytes, longerFloats, longerUints } from '../lib/typed-arrays.js';
import { FieldWriter } from '../lib/wire.js';
import { writeHistogram } from '../remotewrite/histogram.js';
import { STALE } from '../remotewrite/series.js';
import type { Exemplar, Histogram } from '../remotewrite/series.js';
import { STALE_HIGH, STALE_LOW } from './chunk/float-chunk.js';
import type { FloatPoints } from './chunk/float-chunk.js';
import type { Positions } from './positions.js';
import { FIELDS } from './request.js';
import type { Content } from './request.js';
import type { Certainty, RecordHead } from './spool/record.js';

/**
 * A batch on its way to the spool. A batch is sent as it is, never cut and never joined with another, so that sending it again after a
 * crash gives the receiver the same request, all of which it has or none.
 */

/** What a receiver may be sent at once, before it is packed: well below the 32 MiB that all of them take. */
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_KEPT_BYTES = 256 * 1024;
const FIRST_BYTES = 16 * 1024;
/** Series, at first. */
const ROOM = 256;

export class Batch {
  samples = 0;
  private newestMs = -Infinity;
  private readonly writer = new FieldWriter(FIRST_BYTES);
  private count = 0;
  private series = new Uint32Array(ROOM);
  private ends = new Uint32Array(ROOM);
  private readonly exemplars = new Map<number, readonly Exemplar[]>();
  /** To be put back where the batch cannot be kept. */
  private readonly before = { lastMs: new Float64Array(ROOM), isLive: new Uint8Array(ROOM) };
  private labelBytes = 0;

  constructor(
    public group: number,
    public groups: number,
    private readonly positions: Positions,
  ) {}

  /** Empty again, and for this group: a collection has as many as the one before, and the same memory. */
  reuse(group: number, groups: number): this {
    this.group = group;
    this.groups = groups;
    this.samples = 0;
    this.newestMs = -Infinity;
    this.count = 0;
    this.labelBytes = 0;
    this.exemplars.clear();
    this.writer.clear();
    return this;
  }

  /** Points `from` to `until` of these, of one series. Exemplars move no position: they belong to samples that have been sent. */
  addFloats(position: number, points: FloatPoints, from = 0, until = points.count, exemplars: readonly Exemplar[] = []): void {
    for (let at = from; at < until; at += 1) writeFloat(this.writer, points.times[at] ?? 0, points.highs[at] ?? 0, points.lows[at] ?? 0);
    const value = points.value(until - 1);
    this.moved(position, until - from, points.times[until - 1] ?? 0, value !== STALE, value === STALE ? undefined : value, exemplars);
  }

  addHistograms(position: number, histograms: readonly Histogram[], exemplars: readonly Exemplar[] = []): void {
    for (const histogram of histograms) this.writer.nested(FIELDS.histograms, () => writeHistogram(this.writer, histogram));
    const last = histograms.at(-1);
    if (last !== undefined) this.moved(position, histograms.length, last.timestampMs, last.sum !== STALE, undefined, exemplars);
  }

  /** Ends the series, behind its last sample. */
  addEnd(position: number): void {
    const timestampMs = this.positions.lastMs(position) + 1;
    writeFloat(this.writer, timestampMs, STALE_HIGH, STALE_LOW);
    this.moved(position, 1, timestampMs, false, undefined, []);
  }

  /** Its memory is more than one that is used again may keep. */
  get isLarge(): boolean {
    return this.writer.capacity > MAX_KEPT_BYTES;
  }

  isFull(maxSamples: number): boolean {
    return this.samples >= maxSamples || this.writer.length + this.labelBytes >= MAX_BYTES;
  }

  headOf(certainty: (newestMs: number) => Certainty): RecordHead {
    return { kind: 'data', group: this.group, groups: this.groups, samples: this.samples, newestMs: this.newestMs, certainty: certainty(this.newestMs) };
  }

  get content(): Content {
    return { count: this.count, positions: this.series, ends: this.ends, points: this.writer.view(0, this.writer.length), exemplars: this.exemplars };
  }

  /** As if nothing had been added: it will be collected again. */
  takeBack(): void {
    const { lastMs, isLive } = this.before;
    for (let at = this.count - 1; at >= 0; at -= 1) this.positions.move(this.series[at] ?? 0, lastMs[at] ?? -Infinity, isLive[at] === 1);
  }

  private moved(position: number, samples: number, lastMs: number, isLive: boolean, value: number | undefined, exemplars: readonly Exemplar[]): void {
    const { positions, before, count } = this;
    if (count === this.series.length) this.grow(count + 1);
    if (exemplars.length > 0) this.exemplars.set(count, exemplars);
    this.series[count] = position;
    this.ends[count] = this.writer.length;
    before.lastMs[count] = positions.lastMs(position);
    before.isLive[count] = positions.isLive(position) ? 1 : 0;
    this.count = count + 1;
    positions.move(position, lastMs, isLive, value);
    this.labelBytes += positions.labelBytes(position);
    this.samples += samples;
    if (lastMs > this.newestMs) this.newestMs = lastMs;
  }

  private grow(count: number): void {
    this.series = longerUints(this.series, count);
    const { length } = this.series;
    this.ends = longerUints(this.ends, length);
    this.before.lastMs = longerFloats(this.before.lastMs, length);
    this.before.isLive = longerBytes(this.before.isLive, length);
  }
}

/** Sample: `value` 1, `timestamp` 2; zeros are left out. */
function writeFloat(writer: FieldWriter, timestampMs: number, high: number, low: number): void {
  const start = writer.open(FIELDS.samples);
  if (high !== 0 || low !== 0) writer.doubleWords(1, high, low);
  if (timestampMs !== 0) writer.int(2, timestampMs);
  writer.close(start);
}
