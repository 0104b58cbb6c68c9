/** A worker thread that is told and asked by message, and started again with everything it must know when it ends. */
import { Worker } from 'node:worker_threads';
import type { Logger } from '../lib/logger.js';

const RESTART_PAUSE_MS = 1_000;
const ANSWER_TIMEOUT_MS = 2_000;
const CLOSE_TIMEOUT_MS = 5_000;

/** `id`: an answer to the message with the same. `closed`: the last word. */
interface Word {
  readonly type: string;
  readonly id?: number;
}

export interface SupervisedThreadOptions<To, From> {
  /** Of the compiled module, beside this one. */
  readonly file: string;
  /** Of the thread, for whoever looks at the process. */
  readonly name: string;
  readonly workerData: object;
  /** Of the heap's young part; without it, as Node has it. */
  readonly youngMib?: number;
  /** How long its last word is waited for. Default: 5 s. */
  readonly closeTimeoutMs?: number;
  readonly logger: Logger;
  /** What a thread that has just started is told. */
  readonly greeting: () => readonly To[];
  /** What comes that is no answer. */
  readonly onWord?: (message: From) => void;
  readonly onEnd?: () => void;
}

export interface SupervisedThread<To, From> {
  isRunning(): boolean;
  /** From now on until `close` there is such a thread, but for the pauses before it is started again. */
  start(): void;
  /** Nobody hears it while there is no thread: `greeting` tells the next one. */
  post(message: To): void;
  /** Undefined where there is no thread, or it does not answer in time. */
  ask(message: (id: number) => To): Promise<From | undefined>;
  /** Resolves when the thread has said that it is closed, or its time is over. */
  close(lastWord: To): Promise<void>;
}

export function superviseThread<To, From extends Word>({ file, name, workerData, youngMib, closeTimeoutMs = CLOSE_TIMEOUT_MS, logger, greeting, onWord, onEnd }: SupervisedThreadOptions<To, From>): SupervisedThread<To, From> {
  const answers = new Map<number, (message: From) => void>();
  let worker: Worker | undefined;
  let lastId = 0;
  let closing = false;
  const closed = Promise.withResolvers<void>();

  const post = (message: To): void => worker?.postMessage(message);

  function hear(message: From): void {
    if (message.type === 'closed') closed.resolve();
    else if (message.id === undefined) onWord?.(message);
    else answers.get(message.id)?.(message);
  }

  /** Who asks for it during the pause before a restart gets it at once, and the restart finds it there: two would share a socket, or a spool. */
  function start(): void {
    if (closing || worker !== undefined) return;
    const next = new Worker(new URL(file, import.meta.url), { workerData, name, ...(youngMib !== undefined && { resourceLimits: { maxYoungGenerationSizeMb: youngMib } }) });
    worker = next;
    next.on('message', hear);
    next.on('error', (error) => logger.error({ err: error, thread: name }, 'a thread failed'));
    next.once('exit', (code) => {
      if (worker === next) worker = undefined;
      onEnd?.();
      if (closing) return closed.resolve();
      logger.error({ code, thread: name, restartInMs: RESTART_PAUSE_MS }, 'a thread ended; starting it again');
      setTimeout(start, RESTART_PAUSE_MS).unref();
    });
    for (const message of greeting()) post(message);
  }

  function ask(message: (id: number) => To): Promise<From | undefined> {
    if (worker === undefined) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const id = ++lastId;
      const done = (answer: From | undefined): void => {
        clearTimeout(timer);
        answers.delete(id);
        resolve(answer);
      };
      const timer = setTimeout(() => done(undefined), ANSWER_TIMEOUT_MS);
      answers.set(id, done);
      post(message(id));
    });
  }

  return {
    isRunning: () => worker !== undefined,
    start,
    post,
    ask,
    close: async (lastWord) => {
      closing = true;
      const running = worker;
      if (running === undefined) return;
      const timer = setTimeout(closed.resolve, closeTimeoutMs);
      post(lastWord);
      await closed.promise;
      clearTimeout(timer);
      await running.terminate();
    },
  };
}
