import type { Dispatcher } from 'undici';

/**
 * Requests to one backend whose answers have not begun. Now and then it is looked how many of them are with servers that are lost; as many of the
 * oldest are broken off, to be asked again. Which they are nobody says: an older one that is well may be among them, and is asked twice.
 */
export interface WaitingOptions {
  /** How many requests lost servers have. */
  readonly lost: () => Promise<number>;
  /** What a request ends with that is broken off. */
  readonly failure: () => Error;
}

/** A health check needs longer than this to fail. */
const OLD_MS = 4_000;
const LOOK_MS = 2_000;

export class Waiting {
  readonly #options: WaitingOptions;
  /** In the order in which they came. */
  readonly #questions = new Map<Dispatcher.DispatchController, number>();
  #changes = 0;
  #isLooking = false;

  constructor(options: WaitingOptions) {
    this.#options = options;
  }

  /** Until the function that it returns is called. What changes something is counted, and never broken off. */
  add(controller: Dispatcher.DispatchController, isQuestion: boolean): () => void {
    if (!isQuestion) {
      this.#changes += 1;
      return () => {
        this.#changes -= 1;
      };
    }
    this.#questions.set(controller, performance.now());
    if (!this.#isLooking) this.#later();
    return () => {
      this.#questions.delete(controller);
    };
  }

  #later(): void {
    this.#isLooking = true;
    setTimeout(() => void this.#look(), LOOK_MS).unref();
  }

  async #look(): Promise<void> {
    const old = [...this.#questions].filter(([, sinceMs]) => performance.now() - sinceMs >= OLD_MS);
    const lost = old.length === 0 ? 0 : (await this.#options.lost()) - this.#changes;
    const stillThere = old.filter(([controller]) => this.#questions.has(controller));
    for (const [controller] of stillThere.slice(0, Math.max(0, lost))) controller.abort(this.#options.failure());
    this.#isLooking = false;
    if (this.#questions.size > 0) this.#later();
  }
}
