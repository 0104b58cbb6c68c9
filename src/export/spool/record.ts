import { crc32 } from 'node:zlib';

/**
 * One record of the spool: a head of fixed size, then the payload. The checksum is over all behind it, so a record is either whole or is
 * none; a record is written by one call, and what a crash cuts off is the end of the last one.
 */

export interface RecordHead {
  /** `data`: series to send. `commit`: a collection is complete up to `newestMs`. */
  readonly kind: 'data' | 'commit';
  /** The record has only series whose hash is `group` modulo `groups`: who shares none may overtake. */
  readonly group: number;
  readonly groups: number;
  readonly samples: number;
  /** Time of its newest sample. */
  readonly newestMs: number;
  readonly certainty: Certainty;
}

/**
 * Whether the receiver may have it already. `new`: no, but for a try of ours. `repeated`: most of it, from another gateway; it goes again
 * for what became visible late. `doubtful`: some of it, from another gateway.
 */
export type Certainty = (typeof CERTAINTIES)[number];
const CERTAINTIES = ['new', 'repeated', 'doubtful'] as const;

export const HEAD_BYTES = 32;
const KINDS = ['data', 'commit'] as const;
/** A guard against garbage that looks like a length. */
export const MAX_PAYLOAD_BYTES = 64 * 1024 * 1024;

/** Into `memory` where it has room: a record is written and forgotten. */
export function encodeRecord({ kind, group, groups, samples, newestMs, certainty }: RecordHead, payload: Buffer, memory?: Buffer): Buffer {
  const length = HEAD_BYTES + payload.length;
  const record = memory !== undefined && memory.length >= length ? memory.subarray(0, length) : Buffer.allocUnsafeSlow(length);
  record.writeUInt32LE(payload.length, 0);
  record.writeUInt32LE(KINDS.indexOf(kind), 8);
  record.writeUInt16LE(group, 12);
  record.writeUInt16LE(groups, 14);
  record.writeUInt32LE(samples, 16);
  record.writeDoubleLE(newestMs, 20);
  record.writeUInt32LE(CERTAINTIES.indexOf(certainty), 28);
  payload.copy(record, HEAD_BYTES);
  record.writeUInt32LE(checksum(record), 4);
  return record;
}

/** The length of the payload, by a head that may be garbage. */
export function payloadLength(head: Buffer): number | undefined {
  const length = head.length < HEAD_BYTES ? undefined : head.readUInt32LE(0);
  return length !== undefined && length <= MAX_PAYLOAD_BYTES ? length : undefined;
}

/** Undefined where it is not what was written. */
export function decodeRecord(record: Buffer): { readonly head: RecordHead; readonly payload: Buffer } | undefined {
  if (payloadLength(record) !== record.length - HEAD_BYTES || record.readUInt32LE(4) !== checksum(record)) return undefined;
  const kind = KINDS[record.readUInt32LE(8)];
  const certainty = CERTAINTIES[record.readUInt32LE(28)];
  if (kind === undefined || certainty === undefined) return undefined;
  const head: RecordHead = { kind, group: record.readUInt16LE(12), groups: record.readUInt16LE(14), samples: record.readUInt32LE(16), newestMs: record.readDoubleLE(20), certainty };
  return { head, payload: record.subarray(HEAD_BYTES) };
}

function checksum(record: Buffer): number {
  return crc32(record.subarray(8), record.readUInt32LE(0));
}
