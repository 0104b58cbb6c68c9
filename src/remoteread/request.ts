import { isUtf8 } from 'node:buffer';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { METRIC_NAME_LABEL } from '../promql/ast.js';
import type { Matcher } from '../promql/ast.js';
import { escapeRegex } from '../promql/enforce/merge.js';
import { DELIMITED, FieldCursor, FieldWriter, readPacked, VARINT } from '../lib/wire.js';

/**
 * What a remote read asks: times and matchers, several queries at once, and in which form it may be answered. Hints say how an answer
 * could be made cheaper, never what belongs in it, so they are not read.
 */

export const REMOTE_READ_HEADERS = {
  'content-type': 'application/x-protobuf',
  'content-encoding': 'snappy',
  'x-prometheus-remote-read-version': '0.1.0',
} as const;
export const SAMPLES_CONTENT_TYPE = 'application/x-protobuf';
export const STREAMED_CONTENT_TYPE = 'application/x-streamed-protobuf';

/** By the numbers that they have on the wire. */
const RESPONSE_TYPES = ['samples', 'streamed_chunks'] as const;
export type ResponseType = (typeof RESPONSE_TYPES)[number];
const MATCHER_OPS = ['=', '!=', '=~', '!~'] as const;

/** Of times in ms since the epoch, both included. */
export interface ReadQuery {
  readonly startMs: number;
  readonly endMs: number;
  readonly matchers: readonly Matcher[];
  /** A time for which chunks need not be cut. Written only, and understood by Prometheus only: others read all of it. */
  readonly uncut?: { readonly startMs: number; /** Infinity: whatever there is. */ readonly endMs: number } | undefined;
}

export interface ReadRequest {
  readonly queries: readonly ReadQuery[];
  /** In the order of the caller's wishes; those that we do not know are left out. */
  readonly responseTypes: readonly ResponseType[];
}

/** Not yet packed. */
export function encodeReadRequest({ queries, responseTypes }: ReadRequest): Buffer {
  const writer = new FieldWriter();
  for (const { startMs, endMs, matchers, uncut } of queries) {
    writer.nested(1, () => {
      writer.int(1, startMs);
      writer.int(2, endMs);
      for (const matcher of matchers) writeMatcher(writer, matcher);
      if (uncut !== undefined) writer.nested(4, () => writeHints(writer, uncut));
    });
  }
  for (const type of responseTypes) writer.uint(2, RESPONSE_TYPES.indexOf(type));
  return writer.finish();
}

function writeHints(writer: FieldWriter, { startMs, endMs }: NonNullable<ReadQuery['uncut']>): void {
  writer.int(3, startMs);
  writer.tag(4, VARINT);
  writer.bigVarint(endMs === Infinity ? LAST_MS : BigInt(endMs));
}

/** The end of all times: the chunk that a Prometheus still writes to counts as lasting until then. */
const LAST_MS = 2n ** 63n - 1n;

function writeMatcher(writer: FieldWriter, { name, op, value }: Matcher): void {
  writer.nested(3, () => {
    if (op !== '=') writer.uint(1, MATCHER_OPS.indexOf(op));
    writer.text(2, name);
    writer.text(3, value);
  });
}

/**
 * Prometheus leaves out an equality that its own `external_labels` fulfil (and one with the empty string), where a query asks what is stored.
 * What it leaves out would widen what the tenant sees; a regular expression it never leaves out.
 */
export function againstStored(matcher: Matcher): Matcher {
  if (matcher.op !== '=' || (matcher.name === METRIC_NAME_LABEL && matcher.value !== '')) return matcher;
  return { ...matcher, op: '=~', value: escapeRegex(matcher.value) };
}

const UNREADABLE = err('no remote read can be read from it');

/** Unpacked. Whatever another reader could understand in another way is an error. */
export function decodeReadRequest(message: Buffer): Result<ReadRequest, string> {
  const cursor = new FieldCursor(message).enter(0, message.length);
  const queries: ReadQuery[] = [];
  const types: number[] = [];
  while (cursor.next()) {
    if (cursor.field === 1) {
      const query = cursor.wireType === DELIMITED ? decodeQuery(cursor.inside()) : undefined;
      if (query === undefined) return UNREADABLE;
      queries.push(query);
    } else if (cursor.field === 2) {
      if (cursor.wireType === VARINT) types.push(cursor.number());
      else if (cursor.wireType !== DELIMITED || !readPacked(message, cursor.start, cursor.end, types)) return UNREADABLE;
    }
  }
  if (cursor.failed) return UNREADABLE;
  return ok({ queries, responseTypes: types.flatMap((type) => RESPONSE_TYPES[type] ?? []).concat(types.length === 0 ? ['samples'] : []) });
}

function decodeQuery(cursor: FieldCursor): ReadQuery | undefined {
  const matchers: Matcher[] = [];
  const times = { startMs: 0, endMs: 0 };
  while (cursor.next()) {
    const { field, wireType } = cursor;
    if (field > 3) continue;
    if (wireType !== (field === 3 ? DELIMITED : VARINT)) return undefined;
    if (field === 1) times.startMs = cursor.int();
    else if (field === 2) times.endMs = cursor.int();
    else {
      const matcher = decodeMatcher(cursor.inside());
      if (matcher === undefined) return undefined;
      matchers.push(matcher);
    }
  }
  return cursor.failed ? undefined : { ...times, matchers };
}

function decodeMatcher(cursor: FieldCursor): Matcher | undefined {
  let op: Matcher['op'] | undefined = '=';
  const texts = { name: '', value: '' };
  while (cursor.next()) {
    const { field, wireType, bytes, start, end } = cursor;
    if (field > 3) continue;
    if (wireType !== (field === 1 ? VARINT : DELIMITED)) return undefined;
    if (field === 1) op = MATCHER_OPS[cursor.number()];
    else if (isUtf8(bytes.subarray(start, end))) texts[field === 2 ? 'name' : 'value'] = cursor.text();
    else return undefined;
  }
  return cursor.failed || op === undefined || texts.name === '' ? undefined : { ...texts, op };
}
