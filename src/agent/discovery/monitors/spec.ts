/**
 * Reads fields of an object whose type nobody has vouched for. A field of another type is a fault with its place, told once, and is as
 * good as absent for whoever reads on.
 */
export class Spec {
  readonly #value: unknown;
  readonly place: string;
  readonly faults: string[];

  constructor(value: unknown, place: string, faults: string[]) {
    this.#value = value;
    this.place = place;
    this.faults = faults;
  }

  has(key: string): boolean {
    const value = this.#at(key);
    return value !== undefined && value !== null;
  }

  /** Undefined where it is absent; the empty text is what Go takes for absent too. */
  text(key: string): string | undefined {
    return this.#read(key, 'a text', (value) => (typeof value === 'string' ? value : undefined));
  }

  flag(key: string): boolean | undefined {
    return this.#read(key, 'true or false', (value) => (typeof value === 'boolean' ? value : undefined));
  }

  /** Zero or more. */
  whole(key: string): number | undefined {
    return this.#read(key, 'a whole number', (value) => (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined));
  }

  texts(key: string): readonly string[] {
    return this.#read(key, 'a list of texts', (value) => (Array.isArray(value) && value.every((each) => typeof each === 'string') ? value : undefined)) ?? [];
  }

  /** A map of texts, in the order of its keys. */
  pairs(key: string): readonly (readonly [string, string])[] {
    const entries = Object.entries(this.#map(key) ?? {});
    if (!entries.every((pair): pair is [string, string] => typeof pair[1] === 'string')) return this.#wrong(key, 'a map of texts', []);
    return entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
  }

  /** A map of lists of texts. */
  lists(key: string): Readonly<Record<string, readonly string[]>> {
    const entries = Object.entries(this.#map(key) ?? {});
    if (!entries.every((pair): pair is [string, string[]] => Array.isArray(pair[1]) && pair[1].every((each) => typeof each === 'string'))) return this.#wrong(key, 'a map of lists of texts', {});
    return Object.fromEntries(entries);
  }

  /** The fields within; undefined where there are none. */
  child(key: string): Spec | undefined {
    const map = this.#map(key);
    return map === undefined ? undefined : new Spec(map, this.#placeOf(key), this.faults);
  }

  children(key: string): readonly Spec[] {
    const list = this.#read(key, 'a list', (value) => (Array.isArray(value) ? value : undefined)) ?? [];
    return list.map((each: unknown, index) => new Spec(each, `${this.#placeOf(key)}[${index}]`, this.faults));
  }

  /** A name or a number, as ports are given. */
  textOrNumber(key: string): string | number | undefined {
    return this.#read(key, 'a text or a number', (value) => (typeof value === 'string' || typeof value === 'number' ? value : undefined));
  }

  fault(key: string, message: string): void {
    this.faults.push(`${key === '' ? this.place : this.#placeOf(key)}: ${message}`);
  }

  #at(key: string): unknown {
    return typeof this.#value === 'object' && this.#value !== null && Object.hasOwn(this.#value, key) ? Reflect.get(this.#value, key) : undefined;
  }

  #map(key: string): object | undefined {
    return this.#read(key, 'a map', (value) => (typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined));
  }

  #read<T>(key: string, what: string, accept: (value: unknown) => T | undefined): T | undefined {
    const value = this.#at(key);
    if (value === undefined || value === null) return undefined;
    return accept(value) ?? this.#wrong(key, what, undefined);
  }

  #wrong<T>(key: string, what: string, instead: T): T {
    this.fault(key, `must be ${what}`);
    return instead;
  }

  #placeOf(key: string): string {
    return this.place === '' ? key : `${this.place}.${key}`;
  }
}
