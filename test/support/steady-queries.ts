import type { HttpAnswer } from './http.js';

/** Questions without a pause, and what became of each that was not answered well: for tests in which none may fail. */
export interface SteadyQueries {
  /** So far. */
  readonly answered: number;
  readonly failed: readonly string[];
  /** Resolves when all that is under way has come to its end. */
  stop(): Promise<void>;
}

export function steadyQueries(ask: () => Promise<HttpAnswer>, lines: number): SteadyQueries {
  const failed: string[] = [];
  let answered = 0;
  let isStopped = false;
  const line = async (): Promise<void> => {
    while (!isStopped) {
      const words = await ask().then(
        ({ status, body }) => (status === 200 ? undefined : `${status} ${body.toString().slice(0, 200)}`),
        (error: unknown) => String(error),
      );
      if (words === undefined) answered += 1;
      else failed.push(words);
    }
  };
  const running = Array.from({ length: lines }, line);
  return {
    get answered() {
      return answered;
    },
    failed,
    stop: async () => {
      isStopped = true;
      await Promise.all(running);
    },
  };
}
