/**
 * Protobuf's wire format, without messages: a cursor over the fields of a byte range, and a growing buffer that fields are written
 * to. What is not of interest is passed on as the bytes that it came in, so a proxy neither loses nor has to know it.
 */

/** The wire types that proto3 has. */
export const VARINT = 0;
export const FIXED64 = 1;
export const DELIMITED = 2;
export const FIXED32 = 5;

/**
 * Walks the fields of `bytes[start, end)`. After each `next()` that returned true, `field` and `wireType` tell what it is, `tagStart` and
 * `end` enclose the whole field, `start` is where its value begins (of a delimited one: its content). Sticks at the first fault.
 */
export class FieldCursor {
  field = 0;
  wireType = 0;
  tagStart = 0;
  start = 0;
  end = 0;
  failed = false;
  private limit = 0;

  constructor(readonly bytes: Buffer) {}

  /** Starts over, with another range. */
  enter(start: number, end: number): this {
    this.end = start;
    this.limit = end;
    this.failed = false;
    return this;
  }

  /** False at the end of the range, and at a fault (`failed`). */
  next(): boolean {
    if (this.failed || this.end >= this.limit) return false;
    this.tagStart = this.end;
    const first = this.bytes[this.tagStart] ?? 0x80;
    if (first < 0x80) {
      // the tag of nearly every field is one byte
      this.start = this.tagStart + 1;
      this.field = first >>> 3;
      this.wireType = first & 7;
    } else {
      this.start = this.tagStart;
      const tag = this.varint();
      this.field = Math.floor(tag / 8);
      this.wireType = tag % 8;
    }
    this.end = this.valueEnd();
    if (this.field === 0 || this.field > MAX_FIELD || this.end > this.limit) this.failed = true;
    return !this.failed;
  }

  /** The value of a varint field; exact up to 2^53, which lengths, counts and references are below. */
  number(): number {
    const start = this.start;
    const value = this.varint();
    this.start = start;
    return value;
  }

  /** int64 as a number: times of before 1970 are negative. */
  int(): number {
    const value = this.number();
    if (value < 2 ** 53) return value;
    let exact = 0n;
    for (let at = this.start, shift = 0n; at < this.end; at += 1, shift += 7n) exact |= BigInt((this.bytes[at] ?? 0) & 0x7f) << shift;
    return Number(BigInt.asIntN(64, exact));
  }

  /** sint32 and sint64: zigzag. */
  sint(): number {
    const value = this.number();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  double(): number {
    return this.bytes.readDoubleLE(this.start);
  }

  doubleBits(): bigint {
    return this.bytes.readBigUInt64LE(this.start);
  }

  text(): string {
    return this.bytes.toString('utf8', this.start, this.end);
  }

  /** The content of a delimited field, or a packed one, as a range of its own. */
  inside(): FieldCursor {
    return new FieldCursor(this.bytes).enter(this.start, this.end);
  }

  private valueEnd(): number {
    switch (this.wireType) {
      case VARINT: {
        const start = this.start;
        this.varint();
        const end = this.start;
        this.start = start;
        return end;
      }
      case FIXED64:
        return this.start + 8;
      case DELIMITED: {
        const length = this.varint();
        return this.start + length;
      }
      case FIXED32:
        return this.start + 4;
      default: // groups, which proto3 does not have
        this.failed = true;
        return this.limit;
    }
  }

  /** Reads at `start` and moves it on. */
  private varint(): number {
    let value = 0;
    for (let scale = 1, length = 0; length < 10 && this.start < this.limit; length += 1, scale *= 128) {
      const byte = this.bytes[this.start] ?? 0;
      this.start += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    this.failed = true;
    return 0;
  }
}

const MAX_FIELD = 2 ** 29 - 1;

/** Appends the varints of a packed field's content; false if it is not made of whole ones, or one is larger than uint32. */
export function readPacked(bytes: Buffer, start: number, end: number, into: number[]): boolean {
  let value = 0;
  let scale = 1;
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * scale;
    if (value > 0xffff_ffff) return false;
    if (byte < 0x80) {
      into.push(value);
      value = 0;
      scale = 1;
    } else {
      scale *= 128;
    }
    if (scale > 2 ** 35) return false;
  }
  return scale === 1;
}

/** The message with its length before it, at `at`: where it begins, and its length; undefined while its length is cut off, by `end`, or is none. */
export function delimitedAt(bytes: Buffer, at: number, end = bytes.length): { readonly start: number; readonly length: number } | undefined {
  let length = 0;
  for (let index = 0, scale = 1; index < MAX_LENGTH_BYTES; index += 1, scale *= 128) {
    const byte = at + index < end ? bytes[at + index] : undefined;
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * scale;
    if (byte < 0x80) return { start: at + index + 1, length };
  }
  return undefined;
}

/** Of the length before a message: 32 bits. */
export const MAX_LENGTH_BYTES = 5;

/** Up to which a loop is faster than `copy`. */
const FEW_BYTES = 48;

/** How many bytes `value` takes as a varint. */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length += 1;
  return length;
}

/** Fields, written one after the other into one buffer that grows. Absent values are the caller's business: proto3 leaves zeros out. */
export class FieldWriter {
  private bytes: Buffer;
  private at = 0;

  constructor(expectedBytes = 4096) {
    this.bytes = Buffer.allocUnsafe(Math.max(64, expectedBytes));
  }

  /** How much has been written. */
  get length(): number {
    return this.at;
  }

  /** How much memory it has. */
  get capacity(): number {
    return this.bytes.length;
  }

  /** What has been written from there on, as long as nothing more is. */
  view(start: number, end: number): Buffer {
    return this.bytes.subarray(start, end);
  }

  /** Starts over; what `finish` and `view` gave is no more. */
  clear(): void {
    this.at = 0;
  }

  /** What has been written; the writer must not be used any more. */
  finish(): Buffer {
    return this.bytes.subarray(0, this.at);
  }

  raw(source: Buffer, start = 0, end = source.length): void {
    this.reserve(end - start);
    // a call out of JavaScript costs more than a few bytes do
    if (end - start > FEW_BYTES) source.copy(this.bytes, this.at, start, end);
    else for (let from = start, to = this.at; from < end; from += 1, to += 1) this.bytes[to] = source[from] ?? 0;
    this.at += end - start;
  }

  varint(value: number): void {
    this.reserve(10);
    const { bytes } = this;
    let { at } = this;
    let large = value;
    for (; large > 0x7fff_ffff; large = Math.floor(large / 128), at += 1) bytes[at] = (large % 128) | 0x80;
    let rest = large | 0;
    for (; rest >= 128; rest >>>= 7, at += 1) bytes[at] = (rest & 0x7f) | 0x80;
    bytes[at] = rest;
    this.at = at + 1;
  }

  bigVarint(value: bigint): void {
    this.reserve(10);
    let rest = BigInt.asUintN(64, value);
    while (rest >= 128n) {
      this.bytes[this.at] = Number(rest & 0x7fn) | 0x80;
      this.at += 1;
      rest >>= 7n;
    }
    this.bytes[this.at] = Number(rest);
    this.at += 1;
  }

  tag(field: number, wireType: number): void {
    this.varint(field * 8 + wireType);
  }

  uint(field: number, value: number): void {
    this.tag(field, VARINT);
    this.varint(value);
  }

  /** int64, of a safe integer: negative ones take ten bytes. */
  int(field: number, value: number): void {
    this.tag(field, VARINT);
    if (value >= 0) this.varint(value);
    else this.bigVarint(BigInt(value));
  }

  /** sint32 and sint64: zigzag. */
  sint(field: number, value: number): void {
    this.tag(field, VARINT);
    this.zigzag(value);
  }

  zigzag(value: number): void {
    this.varint(value >= 0 ? value * 2 : value * -2 - 1);
  }

  /** A double by its bits: a number of JavaScript forgets which NaN it was. */
  doubleBits(field: number, bits: bigint): void {
    this.tag(field, FIXED64);
    this.reserve(8);
    this.at = this.bytes.writeBigUInt64LE(bits, this.at);
  }

  /** The same, by the two halves of its bits. */
  doubleWords(field: number, high: number, low: number): void {
    this.tag(field, FIXED64);
    this.reserve(8);
    const { bytes, at } = this;
    for (let byte = 0; byte < 4; byte += 1) {
      bytes[at + byte] = (low >>> (byte * 8)) & 0xff;
      bytes[at + 4 + byte] = (high >>> (byte * 8)) & 0xff;
    }
    this.at = at + 8;
  }

  double(field: number, value: number): void {
    this.tag(field, FIXED64);
    this.bareDouble(value);
  }

  bareDouble(value: number): void {
    this.reserve(8);
    this.at = this.bytes.writeDoubleLE(value, this.at);
  }

  text(field: number, value: string): void {
    this.tag(field, DELIMITED);
    if (value.length <= FEW_BYTES && this.ascii(value)) return;
    const length = Buffer.byteLength(value);
    this.varint(length);
    this.reserve(length);
    this.at += this.bytes.write(value, this.at, 'utf8');
  }

  /** Writes a short text with its length, if it is ASCII; else it is as if nothing had been written. */
  private ascii(value: string): boolean {
    this.reserve(1 + value.length);
    for (let index = 0; index < value.length; index += 1) {
      const code = value.charCodeAt(index);
      if (code > 127) return false;
      this.bytes[this.at + 1 + index] = code;
    }
    this.bytes[this.at] = value.length;
    this.at += 1 + value.length;
    return true;
  }

  /** A delimited field whose content is a part of `source`. */
  slice(field: number, source: Buffer, start: number, end: number): void {
    this.tag(field, DELIMITED);
    this.varint(end - start);
    this.raw(source, start, end);
  }

  /** A delimited field with whatever `write` writes in it. Its length is known afterwards: a long content makes way for a long length. */
  nested(field: number, write: () => void): void {
    const start = this.open(field);
    write();
    this.close(start);
  }

  /** The same without a function, for what is written a hundred thousand times: `close` is given what `open` has returned. */
  open(field: number): number {
    this.tag(field, DELIMITED);
    this.reserve(1);
    this.at += 1;
    return this.at - 1;
  }

  close(start: number): void {
    const length = this.at - start - 1;
    const more = varintLength(length) - 1;
    if (more > 0) {
      this.reserve(more);
      this.bytes.copyWithin(start + 1 + more, start + 1, this.at);
    }
    this.at = start;
    this.varint(length);
    this.at += length;
  }

  private reserve(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.at + count));
    this.bytes.copy(grown, 0, 0, this.at);
    this.bytes = grown;
  }
}
