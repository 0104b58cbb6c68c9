import { FieldCursor, FieldWriter } from '../lib/wire.js';
import type { Outgoing } from '../remotewrite/sender.js';
import { pack } from '../remotewrite/snappy.js';

/**
 * A request of 1.0 of which the receiver may have a part already, because another gateway has sent it: it is halved as long as it is
 * refused, down to single samples, so that only those are refused which are known there. Order is kept.
 */

/** One sample of the request: its fields, and the labels of its series. */
interface Piece {
  readonly labels: Buffer;
  readonly point: Buffer;
}

/** Field numbers of WriteRequest and its TimeSeries. */
const SERIES = 1;
const LABELS = 1;

/** `payload` is not packed. */
export function divided(payload: Buffer, newestMs: number): readonly Outgoing[] {
  return halves(piecesOf(payload), newestMs);
}

function halves(pieces: readonly Piece[], newestMs: number): readonly Outgoing[] {
  const middle = Math.ceil(pieces.length / 2);
  return [pieces.slice(0, middle), pieces.slice(middle)].filter((half) => half.length > 0).map((half) => ({
    samples: half.length,
    newestMs,
    mayBeKnown: true,
    body: () => pack(requestOf(half)),
    ...(half.length > 1 && { divide: () => Promise.resolve(halves(half, newestMs)) }),
  }));
}

function requestOf(pieces: readonly Piece[]): Buffer {
  const writer = new FieldWriter(pieces.length * 256);
  for (const { labels, point } of pieces) {
    writer.nested(SERIES, () => {
      writer.raw(labels);
      writer.raw(point);
    });
  }
  return writer.finish();
}

/** Exemplars do not come alone, and are left behind. */
function piecesOf(payload: Buffer): readonly Piece[] {
  const cursor = new FieldCursor(payload).enter(0, payload.length);
  const pieces: Piece[] = [];
  while (cursor.next()) if (cursor.field === SERIES) pieces.push(...piecesOfSeries(cursor.inside()));
  return pieces;
}

function piecesOfSeries(series: FieldCursor): readonly Piece[] {
  const { bytes } = series;
  const start = series.end;
  let labelsEnd = start;
  const points: Buffer[] = [];
  while (series.next()) {
    if (series.field === LABELS) labelsEnd = series.end;
    else if (series.field !== EXEMPLARS) points.push(bytes.subarray(series.tagStart, series.end));
  }
  const labels = bytes.subarray(start, labelsEnd);
  return points.map((point) => ({ labels, point }));
}

const EXEMPLARS = 3;
