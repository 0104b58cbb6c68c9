import { mkdirSync, readdirSync } from 'node:fs';
import type { RecordHead } from './record.js';
import { Segment, segmentNumber } from './segment.js';
import type { Cursor, RecordRef } from './segment.js';

/**
 * A log on disk between the collector, which appends, and one reader for each receiver, who go through it at their own pace. It is also
 * what the collector's positions are recovered from, so that "collected" and "will be sent" are one write.
 *
 * A segment goes when nobody needs it any more; the oldest goes anyway when there is no room.
 */

export interface SpoolOptions {
  readonly folder: string;
  readonly maxBytes: number;
  readonly segmentBytes?: number;
  /** A segment had to go before everybody had read it. */
  readonly onDropped?: (refs: readonly RecordRef[]) => void;
}

const SEGMENT_BYTES = 16 * 1024 * 1024;
/** Heads are kept in memory. */
const MAX_RECORDS = 200_000;

/** Somebody who still needs what comes at or after this. */
export type Holder = () => Cursor;

export class Spool {
  private readonly segments: Segment[] = [];
  private readonly holders = new Set<Holder>();
  private readonly listeners = new Set<() => void>();
  private readonly segmentBytes: number;
  /** Cut off at the start, because it was not whole. */
  readonly tornBytes: number;

  constructor(private readonly options: SpoolOptions) {
    this.segmentBytes = Math.min(options.segmentBytes ?? SEGMENT_BYTES, Math.max(1, options.maxBytes / 4));
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    const numbers = readdirSync(options.folder).flatMap((name) => segmentNumber(name) ?? []).sort((a, b) => a - b);
    this.segments = numbers.map((number) => new Segment(options.folder, number));
    this.tornBytes = this.segments.reduce((sum, segment) => sum + segment.recover(), 0);
    this.segments.push(new Segment(options.folder, (numbers.at(-1) ?? 0) + 1));
  }

  /** Where the next record will be. */
  get end(): Cursor {
    const { number: segment, bytes: offset } = this.last;
    return { segment, offset };
  }

  get start(): Cursor {
    return { segment: this.segments[0]?.number ?? this.last.number, offset: 0 };
  }

  get bytes(): number {
    return this.segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Throws where the disk does not take it. */
  append(head: RecordHead, payload: Buffer): RecordRef {
    if (this.last.bytes >= this.segmentBytes) this.roll();
    const ref = this.last.append(head, payload);
    for (const listener of this.listeners) listener();
    return ref;
  }

  /** On disk, and not only in the kernel: a crash of the machine loses nothing from before. */
  async sync(): Promise<void> {
    await Promise.all(this.segments.map((segment) => segment.sync()));
  }

  /** The first record at or after; undefined at the end. */
  next(cursor: Cursor): RecordRef | undefined {
    for (const segment of this.segments) {
      if (segment.number < cursor.segment) continue;
      const { refs } = segment;
      const at = segment.number === cursor.segment ? firstFrom(refs, cursor.offset) : 0;
      if (at < refs.length) return refs[at];
    }
    return undefined;
  }

  /** The payload; undefined where it is gone or broken. */
  read(ref: RecordRef): Buffer | undefined {
    return this.segments.find(({ number }) => number === ref.segment)?.read(ref);
  }

  /** Samples that are at or after. */
  samplesFrom(cursor: Cursor): number {
    let sum = 0;
    for (const segment of this.segments) {
      if (segment.number > cursor.segment) sum += segment.samples;
      else if (segment.number === cursor.segment) for (let at = firstFrom(segment.refs, cursor.offset); at < segment.refs.length; at += 1) sum += segment.refs[at]?.samples ?? 0;
    }
    return sum;
  }

  /** Until the returned function is called. */
  hold(holder: Holder): () => void {
    this.holders.add(holder);
    return () => this.holders.delete(holder);
  }

  onAppend(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Deletes what nobody needs. */
  prune(): void {
    const needed = [...this.holders].reduce((least, holder) => Math.min(least, holder().segment), Infinity);
    while (this.segments.length > 1 && (this.segments[0]?.number ?? Infinity) < Math.min(needed, this.last.number)) this.segments.shift()?.delete();
  }

  close(): void {
    for (const segment of this.segments.splice(0)) segment.close();
  }

  private get last(): Segment {
    const last = this.segments.at(-1);
    if (last === undefined) throw new Error('the spool is closed');
    return last;
  }

  private roll(): void {
    this.segments.push(new Segment(this.options.folder, this.last.number + 1));
    this.prune();
    while (this.segments.length > 1 && (this.bytes > this.options.maxBytes - this.segmentBytes || this.records > MAX_RECORDS)) {
      const oldest = this.segments.shift();
      this.options.onDropped?.(oldest?.refs ?? []);
      oldest?.delete();
    }
  }

  private get records(): number {
    return this.segments.reduce((sum, { refs }) => sum + refs.length, 0);
  }
}

/** Index of the first that begins at `offset` or behind it. */
function firstFrom(refs: readonly RecordRef[], offset: number): number {
  let low = 0;
  let high = refs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((refs[middle]?.offset ?? Infinity) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function isBefore(a: Cursor, b: Cursor): boolean {
  return a.segment < b.segment || (a.segment === b.segment && a.offset < b.offset);
}
