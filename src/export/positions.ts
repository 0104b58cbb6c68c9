import { FieldCursor, FieldWriter } from '../lib/wire.js';
import { readWhole, replaceFile } from './spool/small-file.js';
import type { Cursor } from './spool/segment.js';
import type { PackedLabels } from './shape.js';

/**
 * How far each series has been handed over, by its labels at the receiver: a sample that is not later than the last one of its series is
 * not sent. So nothing is sent twice and nothing out of order, whatever is read twice, late, or from another replica, and also where
 * relabelling makes one series of two.
 *
 * A table in memory. On disk it is a copy of some moment and what was appended to the spool since.
 */

export interface Position {
  readonly labels: PackedLabels;
  /** Which shard's: a hash of the labels. */
  readonly hash: number;
  lastMs: number;
  /** Of the last sample, where that is a number and of this life of the process; for people to look at. */
  value: number | undefined;
  /** Its last sample was no stale marker. */
  isLive: boolean;
  /** The collection that has seen it last. */
  round: number;
}

/** What must be known besides to go on. */
export interface Progress {
  /** All up to here has been collected; undefined before the first time. */
  readonly collectedMs: number | undefined;
  /** Of which configuration it was (`shapeKey`). */
  readonly shape: string;
}

export class Positions {
  private readonly table = new Map<PackedLabels, Position>();

  get size(): number {
    return this.table.size;
  }

  of(labels: PackedLabels): Position {
    const known = this.table.get(labels);
    if (known !== undefined) return known;
    const made: Position = { labels, hash: hashOf(labels), lastMs: -Infinity, value: undefined, isLive: false, round: 0 };
    this.table.set(labels, made);
    return made;
  }

  get live(): number {
    let count = 0;
    for (const { isLive } of this.table.values()) if (isLive) count += 1;
    return count;
  }

  /** Those that have not ended and were not seen in this round. */
  *unseen(round: number): Iterable<Position> {
    for (const position of this.table.values()) if (position.isLive && position.round !== round) yield position;
  }

  /** Forgets series that no window which begins there can bring again. */
  forgetBefore(windowStartMs: number): void {
    for (const [labels, { lastMs }] of this.table) if (lastMs < windowStartMs) this.table.delete(labels);
  }

  *[Symbol.iterator](): Iterator<Position> {
    yield* this.table.values();
  }
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c_9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193);
  return hash >>> 0;
}

/** The copy on disk; `at` is where the spool goes on. */
export function savePositions(path: string, positions: Positions, { collectedMs, shape }: Progress, at: Cursor): void {
  const writer = new FieldWriter(1024 * 1024);
  writer.text(1, JSON.stringify({ collectedMs, shape, at }));
  for (const { labels, lastMs, isLive } of positions) {
    if (lastMs === -Infinity) continue;
    writer.nested(2, () => {
      const bytes = Buffer.from(labels, 'latin1');
      writer.slice(1, bytes, 0, bytes.length);
      writer.int(2, lastMs);
      writer.uint(3, isLive ? 1 : 0);
    });
  }
  replaceFile(path, writer.finish(), { sync: true });
}

/** Undefined: there is none that can be used. */
export function loadPositions(path: string): { readonly positions: Positions; readonly progress: Progress; readonly at: Cursor } | undefined {
  const content = readWhole(path);
  if (content === undefined) return undefined;
  const cursor = new FieldCursor(content).enter(0, content.length);
  if (!cursor.next() || cursor.field !== 1) return undefined;
  const { collectedMs, shape, at }: Progress & { readonly at: Cursor } = JSON.parse(cursor.text());
  const positions = new Positions();
  while (cursor.next()) readPosition(cursor.inside(), positions);
  return cursor.failed ? undefined : { positions, progress: { collectedMs, shape }, at };
}

function readPosition(cursor: FieldCursor, into: Positions): void {
  let labels = '';
  let lastMs = -Infinity;
  let isLive = false;
  while (cursor.next()) {
    if (cursor.field === 1) labels = cursor.bytes.toString('latin1', cursor.start, cursor.end);
    else if (cursor.field === 2) lastMs = cursor.int();
    else if (cursor.field === 3) isLive = cursor.number() === 1;
  }
  Object.assign(into.of(labels), { lastMs, isLive });
}
