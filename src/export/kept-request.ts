import { DELIMITED, FieldCursor, FieldWriter, readPacked } from '../lib/wire.js';
import { STALE_NAN_BITS } from '../remotewrite/series.js';
import type { Positions } from './positions.js';
import { FIELDS } from './request.js';

/** Requests of remote write 2.0 read again: for receivers that know 1.0 only, and for positions after a restart. Undefined: it is broken. */

/** Series of 1.0 and where its fields differ. */
const SERIES_1 = 1;
const LABELS_1 = 1;
const EXEMPLARS_1 = 3;
const HISTOGRAMS_1 = 4;

/** The same request in 1.0, but for metadata, which goes by itself there. */
export function toVersion1(payload: Buffer): Buffer | undefined {
  const symbols = symbolsOf(payload);
  const out = new FieldWriter(payload.length * 3);
  const cursor = new FieldCursor(payload).enter(0, payload.length);
  const series = new FieldCursor(payload);
  const refs: number[] = [];
  const writeLabels = (start: number, end: number): void => {
    refs.length = 0;
    readPacked(payload, start, end, refs);
    for (let at = 0; at + 1 < refs.length; at += 2) {
      out.nested(LABELS_1, () => {
        for (const field of [1, 2]) {
          const symbol = (refs[at + field - 1] ?? 0) * 2;
          out.slice(field, payload, symbols[symbol] ?? 0, symbols[symbol + 1] ?? 0);
        }
      });
    }
  };
  const writeExemplar = (exemplar: FieldCursor): void => {
    while (exemplar.next()) {
      if (exemplar.field === FIELDS.refs) writeLabels(exemplar.start, exemplar.end);
      else out.raw(payload, exemplar.tagStart, exemplar.end);
    }
  };
  const writeSeries = (): void => {
    while (series.next()) {
      const { field, start, end, tagStart } = series;
      if (field === FIELDS.refs) writeLabels(start, end);
      else if (field === FIELDS.samples) out.raw(payload, tagStart, end);
      else if (field === FIELDS.histograms) out.slice(HISTOGRAMS_1, payload, start, end);
      else if (field === FIELDS.exemplars) out.nested(EXEMPLARS_1, () => writeExemplar(series.inside()));
    }
  };
  while (cursor.next()) {
    if (cursor.field !== FIELDS.series) continue;
    series.enter(cursor.start, cursor.end);
    out.nested(SERIES_1, writeSeries);
  }
  return cursor.failed || series.failed ? undefined : out.finish();
}

/** Where each text begins and ends, in turn. */
function symbolsOf(payload: Buffer): readonly number[] {
  const cursor = new FieldCursor(payload).enter(0, payload.length);
  const ranges: number[] = [];
  while (cursor.next()) if (cursor.field === FIELDS.symbols && cursor.wireType === DELIMITED) ranges.push(cursor.start, cursor.end);
  return ranges;
}

/** Moves positions to what was kept. */
export function replay(payload: Buffer, positions: Positions): void {
  const ranges = symbolsOf(payload);
  const symbols = Array.from({ length: ranges.length / 2 }, (_, index) => positions.symbols.add(payload, ranges[index * 2], ranges[index * 2 + 1]));
  const cursor = new FieldCursor(payload).enter(0, payload.length);
  while (cursor.next()) {
    if (cursor.field !== FIELDS.series) continue;
    const series = cursor.inside();
    const refs: number[] = [];
    let last: Last | undefined;
    while (series.next()) {
      if (series.field === FIELDS.refs) readPacked(payload, series.start, series.end, refs);
      else if (series.field === FIELDS.samples) last = lastOf(series.inside(), 1, 2);
      else if (series.field === FIELDS.histograms) last = lastOf(series.inside(), 3, 15);
    }
    if (last !== undefined) positions.move(positions.ofRefs(refs.map((ref) => symbols[ref] ?? 0)), last.timestampMs, !last.isStale);
  }
}

interface Last {
  readonly timestampMs: number;
  readonly isStale: boolean;
}

function lastOf(point: FieldCursor, valueField: number, timeField: number): Last {
  let timestampMs = 0;
  let isStale = false;
  while (point.next()) {
    if (point.field === timeField) timestampMs = point.int();
    else if (point.field === valueField) isStale = point.doubleBits() === STALE_NAN_BITS;
  }
  return { timestampMs, isStale };
}
