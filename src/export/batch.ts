import { decodeSeries } from '../remotewrite/decode.js';
import { writePoints } from '../remotewrite/encode.js';
import { STALE } from '../remotewrite/series.js';
import type { Series } from '../remotewrite/series.js';
import { FieldCursor, FieldWriter } from '../lib/wire.js';
import type { RecordHead } from './spool/record.js';
import type { PackedLabels } from './shape.js';
import type { Position } from './positions.js';

/**
 * A batch on its way to the spool: a request of remote write 1.0, which is also how it is kept. A batch is sent as it is, never cut and
 * never joined with another, so that sending it again after a crash gives the receiver the same request, all of which it has or none.
 */

/** What a receiver may be sent at once, before it is packed: well below the 32 MiB that all of them take. */
const MAX_BYTES = 4 * 1024 * 1024;

export type Points = Omit<Series, 'labels' | 'metadata'>;

export class Batch {
  samples = 0;
  private newestMs = -Infinity;
  private writer = new FieldWriter(64 * 1024);
  /** To be put back where the batch cannot be kept. */
  private readonly before: { readonly position: Position; readonly lastMs: number; readonly isLive: boolean }[] = [];

  constructor(
    readonly group: number,
    readonly groups: number,
  ) {}

  /** Exemplars move no position: they belong to samples that have been sent. */
  add(position: Position, points: Points): void {
    const bytes = Buffer.from(position.labels, 'latin1');
    this.writer.nested(1, () => {
      this.writer.raw(bytes);
      writePoints(this.writer, points);
    });
    const last = lastOf(points);
    if (last === undefined) return;
    this.before.push({ position, lastMs: position.lastMs, isLive: position.isLive });
    position.lastMs = last.timestampMs;
    position.isLive = !last.isStale;
    const value = points.samples.at(-1)?.value;
    position.value = typeof value === 'number' ? value : undefined;
    this.samples += points.samples.length + points.histograms.length;
    this.newestMs = Math.max(this.newestMs, last.timestampMs);
  }

  isFull(maxSamples: number): boolean {
    return this.samples >= maxSamples || this.writer.length >= MAX_BYTES;
  }

  get isEmpty(): boolean {
    return this.writer.length === 0;
  }

  get head(): RecordHead {
    return { kind: 'data', group: this.group, groups: this.groups, samples: this.samples, newestMs: this.newestMs };
  }

  finish(): Buffer {
    return this.writer.finish();
  }

  /** As if nothing had been added: it will be collected again. */
  takeBack(): void {
    for (const { position, lastMs, isLive } of this.before.toReversed()) Object.assign(position, { lastMs, isLive });
  }
}

function lastOf({ samples, histograms }: Points): { readonly timestampMs: number; readonly isStale: boolean } | undefined {
  const sample = samples.at(-1);
  const histogram = histograms.at(-1);
  if (sample !== undefined && (histogram === undefined || sample.timestampMs > histogram.timestampMs)) return { timestampMs: sample.timestampMs, isStale: sample.value === STALE };
  return histogram === undefined ? undefined : { timestampMs: histogram.timestampMs, isStale: histogram.sum === STALE };
}

/** The series of a batch that was kept. */
export function seriesOf(payload: Buffer): readonly Series[] {
  const cursor = new FieldCursor(payload).enter(0, payload.length);
  const all: Series[] = [];
  while (cursor.next()) if (cursor.field === 1) all.push(decodeSeries(cursor.inside()));
  return all;
}

/** What a batch that was kept says about positions: `apply` is called for each of its series. */
export function replay(payload: Buffer, apply: (labels: PackedLabels, lastMs: number, isLive: boolean) => void): void {
  const cursor = new FieldCursor(payload).enter(0, payload.length);
  while (cursor.next()) {
    if (cursor.field !== 1) continue;
    const last = lastOf(decodeSeries(cursor.inside()));
    if (last !== undefined) apply(labelsOf(cursor.inside()), last.timestampMs, !last.isStale);
  }
}

/** The labels stand first, one behind the other. */
function labelsOf(cursor: FieldCursor): PackedLabels {
  const start = cursor.end;
  let end = start;
  while (cursor.next() && cursor.field === 1) end = cursor.end;
  return cursor.bytes.toString('latin1', start, end);
}
