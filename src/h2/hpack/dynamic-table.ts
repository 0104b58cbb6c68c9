/**
 * The dynamic table of a decoder (RFC 7541 §2.3.2, §4): newest entry first, bounded in bytes by what we announced.
 *
 * A peer uses it only until it has seen our SETTINGS_HEADER_TABLE_SIZE of 0 (facts/h2-switch.md, trap 3): a handful of
 * entries for one or two blocks, so plain arrays that are shifted will do.
 */
export class DynamicTable {
  readonly #names: string[] = [];
  readonly #values: string[] = [];
  #bytes = 0;
  #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get length(): number {
    return this.#names.length;
  }

  /** `index` from 0, the newest. */
  name(index: number): string | undefined {
    return this.#names[index];
  }

  value(index: number): string | undefined {
    return this.#values[index];
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#evictTo(maxBytes);
  }

  /** An entry larger than the table empties it and is not kept, which is no error (§4.4). */
  insert(name: string, value: string): void {
    const bytes = entryBytes(name, value);
    this.#evictTo(this.#maxBytes - bytes);
    if (bytes > this.#maxBytes) return;
    this.#names.unshift(name);
    this.#values.unshift(value);
    this.#bytes += bytes;
  }

  #evictTo(bytes: number): void {
    while (this.#bytes > bytes) {
      const name = this.#names.pop();
      const value = this.#values.pop();
      if (name === undefined || value === undefined) return;
      this.#bytes -= entryBytes(name, value);
    }
  }
}

/** Size of a field, in the table (§4.1) as in a header list (RFC 9113 §6.5.2): its octets and 32 more. */
export function entryBytes(name: string, value: string): number {
  return name.length + value.length + 32;
}
