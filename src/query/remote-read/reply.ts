import type { Readable } from 'node:stream';
import { framed, FrameReader } from '../../remoteread/frames.js';
import { encodeReadRequest, SAMPLES_CONTENT_TYPE, STREAMED_CONTENT_TYPE } from '../../remoteread/request.js';
import { pack, unpack } from '../../remotewrite/snappy.js';
import { FieldCursor, FieldWriter } from '../../lib/wire.js';
import type { ReadPlan, UpstreamRequest } from '../endpoint.js';
import { readBytes, TooLarge } from '../reading.js';
import type { UpstreamAnswer } from '../upstream.js';
import { isAllowed, SeriesSet, seriesAt } from './series-set.js';

/**
 * The answer to a remote read: one result for each of the caller's queries, whatever they were made into. What one branch answers for a
 * query passes through as it comes; what several do is gathered first, since a reader wants series once, and in order.
 */

export interface StreamedReply {
  readonly headers: Readonly<Record<string, string | number>>;
  readonly pieces: AsyncIterable<Uint8Array>;
}

/** Undefined: of what is asked nothing is allowed. */
export async function upstreamRead({ queries, responseTypes, policies }: ReadPlan): Promise<UpstreamRequest | undefined> {
  if (queries.length === 0) return undefined;
  return { method: 'POST', path: '/api/v1/read', parameters: [], packed: await pack(encodeReadRequest({ queries, responseTypes })), ...(policies && { policies }) };
}

/** `answer` is undefined where nobody was asked. Rejects, as the pieces do, where it is none to this question. */
export async function readReply(plan: ReadPlan, answer: UpstreamAnswer | undefined, maxBytes: number): Promise<StreamedReply> {
  switch (typeOf(plan, answer)) {
    case 'streamed_chunks':
      return { headers: { 'content-type': `${STREAMED_CONTENT_TYPE}; proto=prometheus.ChunkedReadResponse` }, pieces: answer === undefined ? nothing() : merged(answer.body, plan, maxBytes) };
    case 'samples': {
      const results = await pack(answer === undefined ? emptyResults(plan) : mergedResults(await unpacked(answer.body, maxBytes), plan, maxBytes));
      return { headers: { 'content-type': SAMPLES_CONTENT_TYPE, 'content-encoding': 'snappy', 'content-length': results.length }, pieces: one(results) };
    }
  }
}

function typeOf({ responseTypes }: ReadPlan, answer: UpstreamAnswer | undefined): ReadPlan['responseTypes'][number] {
  if (answer === undefined) return responseTypes[0];
  const type = answer.contentType.startsWith(STREAMED_CONTENT_TYPE) ? 'streamed_chunks' : 'samples';
  if (responseTypes.includes(type) && (type === 'streamed_chunks' || answer.contentType.startsWith(SAMPLES_CONTENT_TYPE))) return type;
  answer.body.destroy();
  throw new Error(`not an answer of remote read: ${answer.contentType}`);
}

async function* nothing(): AsyncGenerator<Buffer> {}

export async function* one(piece: Buffer): AsyncGenerator<Buffer> {
  yield piece;
}

async function* framesOf(body: Readable): AsyncGenerator<Buffer> {
  const frames = new FrameReader();
  for await (const piece of body) {
    frames.add(Buffer.from(piece));
    // series of it may be kept
    while (frames.next()) yield Buffer.from(frames.frame);
    if (frames.fault !== undefined) throw new Error(frames.fault);
  }
  if (!frames.isEmpty) throw new Error('the answer ends in the middle of a frame');
}

/** The answers come query by query, in their order, and so do the branches of one owner. */
async function* merged(body: Readable, { queries, policy }: ReadPlan, maxBytes: number): AsyncGenerator<Buffer> {
  const gathered = new SeriesSet(maxBytes);
  let [last, owner] = [0, 0];
  for await (const frame of framesOf(body)) {
    const index = indexOf(frame);
    const query = queries[index];
    if (query === undefined || index < last) throw new Error('an answer to a query that was not asked');
    last = index;
    if (query.owner !== owner) yield* gathered.take().map((content) => seriesFrame(content, owner));
    owner = query.owner;
    const isAlone = queries[index - 1]?.owner !== owner && queries[index + 1]?.owner !== owner;
    const cursor = new FieldCursor(frame).enter(0, frame.length);
    while (cursor.next()) {
      if (cursor.field !== 1) continue;
      const series = seriesAt(cursor);
      if (!isAllowed(series.labels, policy)) continue;
      if (isAlone) yield seriesFrame(series.content, owner);
      // A copy: what is left out must not stay because of what is kept.
      else gathered.add(index, { ...series, content: Buffer.from(series.content) });
    }
  }
  yield* gathered.take().map((content) => seriesFrame(content, owner));
}

function indexOf(frame: Buffer): number {
  const cursor = new FieldCursor(frame).enter(0, frame.length);
  let index = 0;
  while (cursor.next()) if (cursor.field === 2) index = cursor.number();
  if (cursor.failed) throw new Error('a frame that cannot be read');
  return index;
}

/** One series in a frame, since Prometheus reads the first only. */
function seriesFrame(content: Buffer, owner: number): Buffer {
  const writer = new FieldWriter(content.length + 16);
  writer.slice(1, content, 0, content.length);
  if (owner !== 0) writer.int(2, owner);
  return framed(writer.finish());
}

/** Rejects where it is none, or more. */
export async function unpacked(body: Readable, maxBytes: number): Promise<Buffer> {
  const message = await unpack(await readBytes(body, maxBytes), maxBytes);
  if (message.ok) return message.value;
  throw message.error === 'too_large' ? new TooLarge() : new Error('an answer that cannot be unpacked');
}

/** One result for each of the caller's queries. */
export function emptyResults({ askedQueries }: ReadPlan): Buffer {
  const writer = new FieldWriter();
  for (let index = 0; index < askedQueries; index += 1) writer.nested(1, () => {});
  return writer.finish();
}

/** One result for each of the caller's queries, with its series once and in order. */
export function mergedResults(message: Buffer, { queries, askedQueries, policy }: ReadPlan, maxBytes: number): Buffer {
  const sets = Array.from({ length: askedQueries }, () => new SeriesSet(maxBytes));
  const cursor = new FieldCursor(message).enter(0, message.length);
  let index = 0;
  for (; cursor.next(); index += 1) {
    const set = sets[queries[index]?.owner ?? askedQueries];
    if (cursor.field !== 1 || set === undefined) throw new Error('an answer to a query that was not asked');
    const result = cursor.inside();
    while (result.next()) {
      if (result.field !== 1) continue;
      const series = seriesAt(result);
      if (isAllowed(series.labels, policy)) set.add(index, series);
    }
    if (result.failed) throw new Error('a result that cannot be read');
  }
  if (cursor.failed || index !== queries.length) throw new Error('an answer that is not complete');
  const writer = new FieldWriter(message.length + 16);
  for (const set of sets) {
    const contents = set.take();
    writer.nested(1, () => {
      for (const content of contents) writer.slice(1, content, 0, content.length);
    });
  }
  return writer.finish();
}
