import { STATIC_INDEX_OF_FIELD, STATIC_INDEX_OF_NAME } from './static-table.js';

/**
 * A stateless HPACK encoder: static indices and literals, no dynamic table, no Huffman.
 *
 * What was encoded once is valid on every connection, so names are encoded once and kept, and whole blocks may be. Huffman
 * would save about a quarter of a header block's bytes and cost more than everything else done to it.
 *
 * A connection prefixes its first block with a table size update to 0 (`TABLE_SIZE_ZERO`): a peer that announced a smaller
 * table than the default insists on one (RFC 9113 §4.3.1), and any other accepts it.
 */
export const TABLE_SIZE_ZERO = 0x20;

/** Sent as "never indexed" (RFC 7541 §7.1.3), so that no later hop puts them into a table where their value can be probed. */
const SECRET_NAMES: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie']);

/** Names that others choose are remembered too, but only so many. */
const MAX_KNOWN_NAMES = 2048;
const knownNames = new Map<string, Uint8Array>();
for (const name of STATIC_INDEX_OF_NAME.keys()) knownNames.set(name, encodeName(name));

/** The beginning of a literal field without indexing (§6.2.2), up to the value. */
function nameBytes(name: string): Uint8Array {
  const known = knownNames.get(name);
  if (known !== undefined) return known;
  const encoded = encodeName(name);
  if (knownNames.size < MAX_KNOWN_NAMES) knownNames.set(name, encoded);
  return encoded;
}

function encodeName(name: string): Uint8Array {
  const pattern = SECRET_NAMES.has(name) ? 0x10 : 0x00;
  const target = Buffer.allocUnsafe(name.length + 16);
  const index = STATIC_INDEX_OF_NAME.get(name);
  let end = writeInteger(target, 0, pattern, 4, index ?? 0);
  if (index === undefined) {
    end = writeInteger(target, end, 0, 7, name.length);
    end += target.write(name, end, 'latin1');
  }
  return new Uint8Array(target.subarray(0, end));
}

/** Writes an integer with an n-bit prefix under `pattern` (§5.1); returns the offset behind it. */
function writeInteger(target: Uint8Array, at: number, pattern: number, prefixBits: number, value: number): number {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) {
    target[at] = pattern | value;
    return at + 1;
  }
  target[at] = pattern | mask;
  let rest = value - mask;
  let end = at + 1;
  while (rest >= 128) {
    target[end] = (rest & 0x7f) | 0x80;
    end += 1;
    rest >>>= 7;
  }
  target[end] = rest;
  return end + 1;
}

/** Collects one header block at a time in a buffer of its own; `reset` begins the next. */
export class BlockWriter {
  #buffer = Buffer.allocUnsafe(2048);
  #length = 0;

  reset(): this {
    this.#length = 0;
    return this;
  }

  /** The block so far: a view, valid until the next `reset`. Copy it to keep it. */
  block(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Appends a field. The caller vouches for its validity (headers.ts). Characters are octets (Latin-1). */
  field(name: string, value: string): this {
    if (name.charCodeAt(0) === COLON) {
      const index = STATIC_INDEX_OF_FIELD.get(`${name}\0${value}`);
      if (index !== undefined) {
        this.#reserve(1);
        this.#buffer[this.#length] = 0x80 | index;
        this.#length += 1;
        return this;
      }
    }
    const encodedName = nameBytes(name);
    this.#reserve(encodedName.length + value.length + 8);
    this.#buffer.set(encodedName, this.#length);
    this.#value(this.#length + encodedName.length, value);
    return this;
  }

  /** Appends fields that were encoded before. */
  encoded(fields: Uint8Array): this {
    this.#reserve(fields.length);
    this.#buffer.set(fields, this.#length);
    this.#length += fields.length;
    return this;
  }

  #value(at: number, value: string): void {
    const buffer = this.#buffer;
    const length = value.length;
    const start = writeInteger(buffer, at, 0, 7, length);
    // Below some 20 characters a loop beats the call into C++.
    if (length > SHORT_VALUE_CHARS) buffer.write(value, start, 'latin1');
    else for (let i = 0; i < length; i += 1) buffer[start + i] = value.charCodeAt(i);
    this.#length = start + length;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}

const COLON = 0x3a;
const SHORT_VALUE_CHARS = 20;

/** Encodes a whole list once, for blocks that are kept: `encodeBlock([':status', '200', 'content-type', 'application/grpc'])`. */
export function encodeBlock(fields: readonly string[]): Uint8Array {
  const writer = new BlockWriter();
  for (let i = 0; i < fields.length; i += 2) writer.field(fields[i] ?? '', fields[i + 1] ?? '');
  return new Uint8Array(writer.block());
}
