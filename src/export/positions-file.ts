import { FieldCursor, FieldWriter, readPacked } from '../lib/wire.js';
import { Positions } from './positions.js';
import type { Cursor } from './spool/segment.js';
import { readWhole, replaceFile } from './spool/small-file.js';

/** Positions on disk: a copy of some moment, with the place in the spool that it was made at. */

/** What must be known besides to go on. */
export interface Progress {
  /** All up to here has been collected; undefined before the first time. */
  readonly collectedMs: number | undefined;
  /** Of which configuration it was (`shapeKey`). */
  readonly shape: string;
}

const HEAD = 1;
const SYMBOL = 2;
const POSITION = 3;

/** `at` is where the spool goes on. */
export function savePositions(path: string, positions: Positions, { collectedMs, shape }: Progress, at: Cursor): void {
  const writer = new FieldWriter(1024 * 1024);
  writer.text(HEAD, JSON.stringify({ collectedMs, shape, at }));
  const { symbols } = positions;
  for (let symbol = 0; symbol < symbols.size; symbol += 1) {
    const bytes = symbols.get(symbol);
    writer.slice(SYMBOL, bytes, 0, bytes.length);
  }
  for (let number = 0; number < positions.size; number += 1) {
    const lastMs = positions.lastMs(number);
    if (lastMs === -Infinity) continue;
    writer.nested(POSITION, () => {
      writer.nested(1, () => {
        for (const ref of positions.refsOf(number)) writer.varint(ref);
      });
      writer.int(2, lastMs);
      writer.uint(3, positions.isLive(number) ? 1 : 0);
    });
  }
  replaceFile(path, writer.finish(), { sync: true });
}

/** Undefined: there is none that can be used. */
export function loadPositions(path: string): { readonly positions: Positions; readonly progress: Progress; readonly at: Cursor } | undefined {
  const content = readWhole(path);
  if (content === undefined) return undefined;
  const cursor = new FieldCursor(content).enter(0, content.length);
  const hasHead = cursor.next() && cursor.field === HEAD;
  if (!hasHead) return undefined;
  const { collectedMs, shape, at }: Progress & { readonly at: Cursor } = JSON.parse(cursor.text());
  const positions = new Positions();
  const symbols: number[] = [];
  while (cursor.next()) {
    if (cursor.field === SYMBOL) symbols.push(positions.symbols.add(content, cursor.start, cursor.end));
    else if (cursor.field === POSITION) readPosition(cursor.inside(), positions, symbols);
  }
  return cursor.failed ? undefined : { positions, progress: { collectedMs, shape }, at };
}

function readPosition(cursor: FieldCursor, into: Positions, symbols: readonly number[]): void {
  const refs: number[] = [];
  let lastMs = -Infinity;
  let isLive = false;
  while (cursor.next()) {
    if (cursor.field === 1) readPacked(cursor.bytes, cursor.start, cursor.end, refs);
    else if (cursor.field === 2) lastMs = cursor.int();
    else if (cursor.field === 3) isLive = cursor.number() === 1;
  }
  into.move(into.ofRefs(refs.map((ref) => symbols[ref] ?? 0)), lastMs, isLive);
}
