import { ok } from '../../lib/result.js';
import type { Result } from '../../lib/result.js';
import { FieldCursor, FieldWriter } from '../../lib/wire.js';
import type { BackendGroup } from '../../model/desired-state.js';
import { SAMPLES_CONTENT_TYPE } from '../../remoteread/request.js';
import { pack } from '../../remotewrite/snappy.js';
import type { ReadPlan } from '../endpoint.js';
import { gather, reading } from '../gather.js';
import type { GroupAsking, Reader } from '../gather.js';
import { refuse } from '../refusal.js';
import type { Refusal, Reply } from '../refusal.js';
import { emptyResults, mergedResults, one, unpacked, upstreamRead } from './reply.js';
import type { StreamedReply } from './reply.js';
import { keyOf, seriesAt } from './series-set.js';

/**
 * A remote read from a group: each series once. What several members have of one is put together in time, never mixed: a member adds
 * what lies before or after all that those listed before it have. Two scrapes of one target, one between the other, would be no series.
 */

/** Fields of prompb.TimeSeries, and where in each a point has its time. */
const LABELS = 1;
const TIME_FIELDS: ReadonlyMap<number, number> = new Map([[2, 2], [4, 15]]);

interface Point {
  readonly field: number;
  readonly timeMs: number;
  readonly content: Buffer;
}

interface United {
  readonly key: Buffer;
  readonly labels: readonly Buffer[];
  points: readonly Point[];
}

/**
 * As samples, whatever else the caller would take. The protocol has no place for a warning, so all members must answer, whatever the
 * group says of failures. Rejects as `gather` does.
 */
export async function askGroupRead(plan: ReadPlan, { disjointBy }: BackendGroup, asking: Omit<GroupAsking, 'budget'>): Promise<Result<StreamedReply, Reply | Refusal>> {
  const samples: ReadPlan = { ...plan, responseTypes: ['samples'] };
  const request = await upstreamRead(samples);
  if (request === undefined) return ok(await replyOf(emptyResults(plan)));
  const budget = { bytes: asking.limits.maxResponseBytes };
  const gathered = await gather(request, { onFailure: 'fail' }, { ...asking, budget }, reading(readerFor(samples, asking.limits.maxResponseBytes)));
  if (!gathered.ok) return gathered;
  const results = Array.from({ length: plan.askedQueries }, () => new Map<string, United>());
  for (const message of gathered.value.data) {
    const twice = addResults(results, message);
    if (twice && disjointBy.length > 0) return refuse('query_not_distributable', 'two backends of the group have the same series');
  }
  return ok(await replyOf(written(results)));
}

function readerFor(plan: ReadPlan, maxBytes: number): Reader<Buffer> {
  return async (answer, left) => {
    if (!answer.contentType.startsWith(SAMPLES_CONTENT_TYPE)) {
      answer.body.destroy();
      throw new Error(`not an answer of remote read: ${answer.contentType}`);
    }
    const message = await unpacked(answer.body, left);
    return { said: { data: mergedResults(message, plan, maxBytes), warnings: [], infos: [] }, bytes: message.length };
  };
}

async function replyOf(message: Buffer): Promise<StreamedReply> {
  const results = await pack(message);
  return { headers: { 'content-type': SAMPLES_CONTENT_TYPE, 'content-encoding': 'snappy', 'content-length': results.length }, pieces: one(results) };
}

/** Was a series there already? */
function addResults(results: readonly Map<string, United>[], message: Buffer): boolean {
  let twice = false;
  const cursor = new FieldCursor(message).enter(0, message.length);
  for (const result of results) {
    if (!cursor.next()) throw new Error('an answer that is not complete');
    const inside = cursor.inside();
    while (inside.next()) {
      const { labels, content } = seriesAt(inside);
      const key = keyOf(labels);
      const known = result.get(key.toString('latin1'));
      const fresh = partsOf(key, content);
      if (known === undefined) result.set(key.toString('latin1'), fresh);
      else known.points = around(known.points, fresh.points);
      twice ||= known !== undefined;
    }
  }
  return twice;
}

function partsOf(key: Buffer, content: Buffer): United {
  const labels: Buffer[] = [];
  const points: Point[] = [];
  const cursor = new FieldCursor(content).enter(0, content.length);
  while (cursor.next()) {
    const { field } = cursor;
    const timeField = TIME_FIELDS.get(field);
    const bytes = content.subarray(cursor.start, cursor.end);
    if (field === LABELS) labels.push(bytes);
    else if (timeField !== undefined) points.push({ field, timeMs: timeOf(cursor.inside(), timeField), content: bytes });
  }
  return { key, labels, points };
}

function timeOf(point: FieldCursor, timeField: number): number {
  let timeMs = 0;
  while (point.next()) if (point.field === timeField) timeMs = point.int();
  if (point.failed) throw new Error('a point that cannot be read');
  return timeMs;
}

/** In the order of time, since each member's points are. */
function around(known: readonly Point[], more: readonly Point[]): readonly Point[] {
  const [from, to] = known.reduce(([least, most], { timeMs }) => [Math.min(least, timeMs), Math.max(most, timeMs)], [Infinity, -Infinity]);
  return [...more.filter(({ timeMs }) => timeMs < from), ...known, ...more.filter(({ timeMs }) => timeMs > to)];
}

function written(results: readonly Map<string, United>[]): Buffer {
  const writer = new FieldWriter();
  for (const result of results) {
    writer.nested(1, () => {
      for (const { labels, points } of [...result.values()].sort((a, b) => a.key.compare(b.key))) {
        writer.nested(1, () => {
          for (const label of labels) writer.slice(LABELS, label, 0, label.length);
          for (const { field, content } of points) writer.slice(field, content, 0, content.length);
        });
      }
    });
  }
  return writer.finish();
}
