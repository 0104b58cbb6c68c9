/** So many at once and no more; others wait in line, and not too many of them. */
export class Gate {
  #running = 0;
  readonly #waiting = new Set<() => void>();

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Undefined: the line is full. Rejects with the signal's reason; otherwise call what it resolves with when done, once. */
  enter(places: number, line: number, signal: AbortSignal): Promise<() => void> | undefined {
    if (this.#running < places) return Promise.resolve(this.#take());
    if (this.#waiting.size >= line) return undefined;
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener('abort', leave);
        resolve(this.#take());
      };
      const leave = (): void => {
        this.#waiting.delete(enter);
        reject(signal.reason);
      };
      this.#waiting.add(enter);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  #take(): () => void {
    this.#running += 1;
    return () => {
      this.#running -= 1;
      const [next] = this.#waiting;
      if (next === undefined) return;
      this.#waiting.delete(next);
      next();
    };
  }
}
