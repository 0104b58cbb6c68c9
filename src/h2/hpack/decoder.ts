import { DynamicTable, entryBytes } from './dynamic-table.js';
import { decodeHuffman, HUFFMAN_MAX_GROWTH } from './huffman.js';
import { FIRST_DYNAMIC_INDEX, STATIC_NAMES, STATIC_VALUES } from './static-table.js';

/**
 * A complete HPACK decoder (RFC 7541): header block in, flat list of names and values out.
 *
 * Complete, although we announce a table of size 0, because a peer's first blocks may come before it has seen that
 * (facts/h2-switch.md, trap 3). Strings are Latin-1: one character is one octet, both ways, so nothing is lost on the way.
 */

/** `name, value, name, value, …`: one array instead of an object per field, on the hot path. */
export type FieldList = string[];

/**
 * `ok`; `too-large`: the block was sound, the list is over the limit and was cut short, only this message suffers;
 * `malformed`: the decoder's state is lost, the connection must end with COMPRESSION_ERROR.
 */
export type DecodeOutcome = 'ok' | 'too-large' | 'malformed';

/** What both ends start from (RFC 9113 §6.5.2). */
export const DEFAULT_TABLE_BYTES = 4096;
/** Ample for any index or length that we accept; larger is an attack or an error (§5.1). */
const MAX_INTEGER = 2 ** 28;

/** Decoded Huffman strings pass through here; shared, since decoding is synchronous. Grows to the largest block's need. */
let scratch = Buffer.allocUnsafe(4096);

export class HpackDecoder {
  readonly #table = new DynamicTable(DEFAULT_TABLE_BYTES);
  readonly #maxListBytes: number;
  /** The most that the peer may choose (SETTINGS_HEADER_TABLE_SIZE, once acknowledged). */
  #limitBytes = DEFAULT_TABLE_BYTES;
  /** After a reduction the next block must begin with a size update (RFC 9113 §4.3.1). */
  #updateDue = false;

  #block: Buffer = scratch;
  #at = 0;
  #end = 0;

  constructor(maxListBytes: number) {
    this.#maxListBytes = maxListBytes;
  }

  get tableBytes(): number {
    return this.#table.bytes;
  }

  /** The peer has acknowledged our SETTINGS_HEADER_TABLE_SIZE. */
  setTableLimit(limitBytes: number): void {
    this.#limitBytes = limitBytes;
    this.#updateDue = this.#table.maxBytes > limitBytes;
  }

  /** Decodes `block[start..end)` and appends its fields to `into`. */
  decode(block: Buffer, start: number, end: number, into: FieldList): DecodeOutcome {
    this.#block = block;
    this.#at = start;
    this.#end = end;
    if (!this.#readSizeUpdates()) return 'malformed';
    let listBytes = 0;
    while (this.#at < end) {
      const before = into.length;
      if (!this.#readField(block[this.#at] ?? 0, into)) return 'malformed';
      listBytes += entryBytes(into[before] ?? '', into[before + 1] ?? '');
      // The rest is decoded all the same, for the table's sake, but not kept.
      if (listBytes > this.#maxListBytes) into.length = before;
    }
    return listBytes > this.#maxListBytes ? 'too-large' : 'ok';
  }

  /** Size updates stand at the beginning of a block only (§4.2). */
  #readSizeUpdates(): boolean {
    while (this.#at < this.#end && ((this.#block[this.#at] ?? 0) & 0xe0) === 0x20) {
      const bytes = this.#readInteger(5);
      if (bytes < 0 || bytes > this.#limitBytes) return false;
      this.#table.resize(bytes);
      this.#updateDue = false;
    }
    return !this.#updateDue;
  }

  /** One field representation (§6.1, §6.2). False: malformed. */
  #readField(first: number, into: FieldList): boolean {
    if (first >= 0x80) return this.#pushIndexed(this.#readInteger(7), into);
    const incremental = first >= 0x40;
    if (!incremental && first >= 0x20) return false; // a size update after a field
    const index = this.#readInteger(incremental ? 6 : 4);
    if (index < 0) return false;
    const name = index === 0 ? this.#readString() : this.#nameAt(index);
    if (name === undefined) return false;
    const value = this.#readString();
    if (value === undefined) return false;
    if (incremental) this.#table.insert(name, value);
    into.push(name, value);
    return true;
  }

  #pushIndexed(index: number, into: FieldList): boolean {
    if (index <= 0) return false;
    if (index < FIRST_DYNAMIC_INDEX) {
      into.push(STATIC_NAMES[index] ?? '', STATIC_VALUES[index] ?? '');
      return true;
    }
    const name = this.#table.name(index - FIRST_DYNAMIC_INDEX);
    const value = this.#table.value(index - FIRST_DYNAMIC_INDEX);
    if (name === undefined || value === undefined) return false;
    into.push(name, value);
    return true;
  }

  #nameAt(index: number): string | undefined {
    return index < FIRST_DYNAMIC_INDEX ? STATIC_NAMES[index] : this.#table.name(index - FIRST_DYNAMIC_INDEX);
  }

  /** An integer with an n-bit prefix (§5.1), or -1 where it is cut off or too large. */
  #readInteger(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = (this.#block[this.#at] ?? 0) & mask;
    this.#at += 1;
    if (value < mask) return value;
    for (let scale = 1; this.#at < this.#end; scale *= 128) {
      const byte = this.#block[this.#at] ?? 0;
      this.#at += 1;
      value += (byte & 0x7f) * scale;
      if (value > MAX_INTEGER || scale > MAX_INTEGER) return -1;
      if (byte < 0x80) return value;
    }
    return -1;
  }

  /** A string literal (§5.2), or undefined where it is cut off or its Huffman code is bad. */
  #readString(): string | undefined {
    if (this.#at >= this.#end) return undefined;
    const huffman = (this.#block[this.#at] ?? 0) >= 0x80;
    const length = this.#readInteger(7);
    const start = this.#at;
    if (length < 0 || start + length > this.#end) return undefined;
    this.#at = start + length;
    if (!huffman) return this.#block.toString('latin1', start, start + length);
    if (scratch.length < length * HUFFMAN_MAX_GROWTH) scratch = Buffer.allocUnsafe(Math.ceil(length * HUFFMAN_MAX_GROWTH));
    const decoded = decodeHuffman(this.#block, start, start + length, scratch);
    return decoded < 0 ? undefined : scratch.toString('latin1', 0, decoded);
  }
}
