/**
 * Progress of the set-up, a line a step: `[2/5] Envoy 1.40.0 … 3.1 s`.
 *
 * The one idea: a step that has nothing to do says so only if some step has something to do. A warm start prints nothing.
 */
const TICK_MS = 15_000;

/** `850 ms`, `3.1 s`, `2 min 5 s`. */
export function formatElapsed(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/**
 * @param {number} total how many steps there will be
 * @param {NodeJS.WritableStream} out
 */
export function createSteps(total, out = process.stdout) {
  let number = 0;
  /** Lines of steps that were cached, held back until a step is not. */
  let heldBack = [];
  let worked = false;
  const startedAt = performance.now();

  return {
    /**
     * One step. `isDone` tells whether there is nothing to do; `work` does it and may return a detail for the line,
     * and may call `note(text)` to add a word while it goes on.
     */
    async step(title, { isDone, work }) {
      number += 1;
      const head = `[${number}/${total}] ${title} …`;
      if (await isDone()) {
        if (worked) out.write(`${head} cached\n`);
        else heldBack.push(`${head} cached\n`);
        return;
      }
      worked = true;
      out.write(heldBack.join(''));
      heldBack = [];
      out.write(head);
      const stepStartedAt = performance.now();
      const elapsed = () => formatElapsed(performance.now() - stepStartedAt);
      const ticker = setInterval(() => out.write(` ${elapsed()} …`), TICK_MS);
      try {
        const detail = await work((text) => out.write(` ${text} …`));
        out.write(` ${elapsed()}${detail ? ` (${detail})` : ''}\n`);
      } catch (error) {
        out.write(` failed after ${elapsed()}\n`);
        throw error;
      } finally {
        clearInterval(ticker);
      }
    },
    /** The closing line of a set-up that had something to do. */
    finish() {
      if (worked) out.write(`set up in ${formatElapsed(performance.now() - startedAt)}\n`);
    },
  };
}
