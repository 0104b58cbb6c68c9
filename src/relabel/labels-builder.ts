/**
 * The labels while rules change them. Prometheus walks the untouched labels first and then those that rules have set, in the
 * order of setting; which label wins when `labelmap` gives two the same name depends on it. An empty value is no label.
 */
export class LabelsBuilder {
  readonly #base: Map<string, string>;
  readonly #added = new Map<string, string>();

  constructor(labels: ReadonlyMap<string, string>) {
    this.#base = new Map(labels);
  }

  get(name: string): string {
    return this.#added.get(name) ?? this.#base.get(name) ?? '';
  }

  set(name: string, value: string): void {
    if (value === '') return this.delete(name);
    this.#base.delete(name);
    this.#added.set(name, value);
  }

  delete(name: string): void {
    this.#base.delete(name);
    this.#added.delete(name);
  }

  /** As they are now: changes while walking are not seen. */
  entries(): readonly (readonly [string, string])[] {
    return [...this.#base, ...this.#added];
  }

  labels(): Map<string, string> {
    return new Map(this.entries());
  }
}
