import { closeSync, fdatasync, ftruncateSync, fstatSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { decodeRecord, encodeRecord, HEAD_BYTES, payloadLength } from './record.js';
import type { RecordHead } from './record.js';

/** One file of the spool. What is in it is known by heart: where each record begins, and what its head says. */

/** Where a record begins. */
export interface Cursor {
  readonly segment: number;
  readonly offset: number;
}

export interface RecordRef extends RecordHead, Cursor {
  /** Of head and payload. */
  readonly bytes: number;
}

const sync = promisify(fdatasync);
/** Most records are shorter. One is made of it and written in one go. */
const SCRATCH = Buffer.allocUnsafeSlow(256 * 1024);

export function segmentName(number: number): string {
  return `${String(number).padStart(10, '0')}.spool`;
}

export function segmentNumber(name: string): number | undefined {
  const digits = /^(\d{10})\.spool$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

export class Segment {
  readonly refs: RecordRef[] = [];
  bytes = 0;
  samples = 0;
  private readonly file: number;
  private isDirty = false;

  constructor(
    private readonly folder: string,
    readonly number: number,
  ) {
    this.file = openSync(join(folder, segmentName(number)), 'a+', 0o600);
  }

  /** Reads all heads and checks all checksums; cuts off what is not whole. Returns the bytes cut off. */
  recover(): number {
    const { size } = fstatSync(this.file);
    const head = Buffer.alloc(HEAD_BYTES);
    while (this.bytes < size) {
      readSync(this.file, head, 0, HEAD_BYTES, this.bytes);
      const length = payloadLength(head);
      if (length === undefined || this.bytes + HEAD_BYTES + length > size) break;
      const record = decodeRecord(this.bytesAt(this.bytes, HEAD_BYTES + length));
      if (record === undefined) break;
      this.remember(record.head, HEAD_BYTES + length);
    }
    if (this.bytes < size) ftruncateSync(this.file, this.bytes);
    return size - this.bytes;
  }

  /** All of it or, where the disk is full, nothing. */
  append(head: RecordHead, payload: Buffer): RecordRef {
    const record = encodeRecord(head, payload, SCRATCH);
    this.isDirty = true;
    try {
      for (let written = 0; written < record.length; ) written += writeSync(this.file, record, written);
    } catch (error) {
      ftruncateSync(this.file, this.bytes);
      throw error;
    }
    return this.remember(head, record.length);
  }

  /** The payload; undefined where the disk does not give back what was written. */
  read({ offset, bytes }: RecordRef): Buffer | undefined {
    return decodeRecord(this.bytesAt(offset, bytes))?.payload;
  }

  async sync(): Promise<void> {
    if (!this.isDirty) return;
    this.isDirty = false;
    await sync(this.file);
  }

  close(): void {
    closeSync(this.file);
  }

  delete(): void {
    this.close();
    unlinkSync(join(this.folder, segmentName(this.number)));
  }

  private bytesAt(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    const read = readSync(this.file, bytes, 0, length, offset);
    return bytes.subarray(0, read);
  }

  private remember(head: RecordHead, bytes: number): RecordRef {
    const ref: RecordRef = { ...head, segment: this.number, offset: this.bytes, bytes };
    this.refs.push(ref);
    this.bytes += bytes;
    this.samples += head.samples;
    return ref;
  }
}
