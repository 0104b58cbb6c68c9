/**
 * What is held back, and since when: rule 20 lets a phase of a type wait for other types, and rule 21 only for a bounded time.
 */
export class Holds {
  readonly #maxMs: number;
  readonly #sinceMs = new Map<string, number>();

  constructor(maxMs: number) {
    this.#maxMs = maxMs;
  }

  /** Whether a phase may go ahead: it has nothing to wait for, or has waited long enough. */
  pass(phase: string, waits: boolean, nowMs: number): boolean {
    const since = this.#sinceMs.get(phase) ?? nowMs;
    const may = !waits || nowMs - since >= this.#maxMs;
    if (may) this.#sinceMs.delete(phase);
    else this.#sinceMs.set(phase, since);
    return may;
  }

  /** Its time does not run: it waits for something that has no bound, or for nothing. */
  forget(phase: string): void {
    this.#sinceMs.delete(phase);
  }

  /** When the next phase will have waited long enough; undefined = nothing waits. */
  get wakeAtMs(): number | undefined {
    const since = [...this.#sinceMs.values()];
    return since.length === 0 ? undefined : Math.min(...since) + this.#maxMs;
  }
}
