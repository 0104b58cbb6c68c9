/**
 * An immutable map of which a slightly different copy costs as much as the difference: a large map that is shared, and a small
 * one over it with what has changed since. When the small one is no longer small, the copy is made after all.
 */
export class LayeredMap<K, V> {
  readonly #base: ReadonlyMap<K, V>;
  /** Undefined = gone. */
  readonly #over: ReadonlyMap<K, V | undefined>;
  readonly size: number;

  private constructor(base: ReadonlyMap<K, V>, over: ReadonlyMap<K, V | undefined>, size: number) {
    this.#base = base;
    this.#over = over;
    this.size = size;
  }

  /** `map` must not be changed any more. */
  static of<K, V>(map: ReadonlyMap<K, V>): LayeredMap<K, V> {
    return new LayeredMap(map, new Map(), map.size);
  }

  get(key: K): V | undefined {
    return this.#over.has(key) ? this.#over.get(key) : this.#base.get(key);
  }

  has(key: K): boolean {
    return this.get(key) !== undefined;
  }

  /** In no particular order. */
  *entries(): IterableIterator<[K, V]> {
    for (const [key, value] of this.#base) if (!this.#over.has(key)) yield [key, value];
    for (const [key, value] of this.#over) if (value !== undefined) yield [key, value];
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.entries();
  }

  *keys(): IterableIterator<K> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): IterableIterator<V> {
    for (const [, value] of this.entries()) yield value;
  }

  /** A copy with these entries; undefined takes one away. */
  with(changes: Iterable<readonly [K, V | undefined]>): LayeredMap<K, V> {
    const over = new Map(this.#over);
    let { size } = this;
    for (const [key, value] of changes) {
      const before = over.has(key) ? over.get(key) : this.#base.get(key);
      size += (value === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
      over.set(key, value);
    }
    const next = new LayeredMap(this.#base, over, size);
    return over.size > MAX_OVER ? LayeredMap.of(new Map(next)) : next;
  }
}

/** A copy of the small map at each change, against one of the large map in so many changes. */
const MAX_OVER = 500;
