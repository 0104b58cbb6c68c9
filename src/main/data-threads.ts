/**
 * The control thread's view of its data threads (DESIGN §2.5).
 *
 * A thread that dies is started again and told everything anew; its agents reconnect. Nobody else notices.
 */
import { Worker } from 'node:worker_threads';
import type { MetricObject } from 'prom-client';
import type { Logger } from '../lib/logger.js';
import type { DesiredState } from '../model/desired-state.js';
import type { ReviewToken } from '../model/kubernetes.js';
import type { Registration, Target } from '../model/target.js';
import type { DataThreadOptions, FromDataThread, ToDataThread } from './thread-messages.js';

const RESTART_PAUSE_MS = 500;
const COLLECT_TIMEOUT_MS = 2_000;

export interface DataThreadsOptions {
  readonly count: number;
  readonly thread: Omit<DataThreadOptions, 'index'>;
  readonly logger: Logger;
  readonly onRegistered: (registration: Registration) => void;
  readonly reviewToken: ReviewToken;
  /** `thread`: the number of the one that holds its tunnels. */
  readonly onAgent: (agent: string, state: 'up' | 'down', thread: number) => void;
}

export interface DataThreads {
  /** Resolves when every thread listens for the first time. */
  readonly listening: Promise<void>;
  /** Numbers of the threads that do not listen now. */
  missing(): readonly number[];
  setState(state: DesiredState): void;
  setRegistration(agent: string, targets: readonly Target[] | undefined): void;
  /** One list of metrics a thread; a thread that does not answer in time is left out. */
  collect(): Promise<MetricObject[][]>;
  drain(): Promise<void>;
  close(): Promise<void>;
}

interface Thread {
  readonly worker: Worker;
  listening: boolean;
  /** Agents whose tunnels it holds. */
  readonly agents: Set<string>;
}

/** Starts the threads. */
export function startDataThreads(options: DataThreadsOptions): DataThreads {
  const { logger } = options;
  const threads = new Map<number, Thread>();
  const registrations = new Map<string, readonly Target[]>();
  const collecting = new Map<number, (metrics: MetricObject[]) => void>();
  const draining = new Map<number, () => void>();
  let state: DesiredState | undefined;
  let collectId = 0;
  let closing = false;
  const listening = Promise.withResolvers<void>();

  const post = (thread: Thread, message: ToDataThread): void => thread.worker.postMessage(message);
  const broadcast = (message: ToDataThread): void => threads.forEach((thread) => post(thread, message));

  const onMessage = (index: number, thread: Thread, message: FromDataThread): void => {
    switch (message.type) {
      case 'listening':
        thread.listening = true;
        if ([...threads.values()].every((t) => t.listening)) listening.resolve();
        return;
      case 'registered':
        return options.onRegistered(message.registration);
      case 'agent':
        if (message.state === 'up') thread.agents.add(message.agent);
        else thread.agents.delete(message.agent);
        return options.onAgent(message.agent, message.state, index);
      case 'review':
        void options.reviewToken(message.token).then((verdict) => post(thread, { type: 'reviewed', id: message.id, verdict }));
        return;
      case 'metrics':
        return collecting.get(message.id)?.(message.metrics);
      case 'drained':
        return draining.get(index)?.();
    }
  };

  const start = (index: number): void => {
    const worker = new Worker(new URL('./data-thread.js', import.meta.url), {
      workerData: { ...options.thread, index } satisfies DataThreadOptions,
      name: `data-${index}`,
    });
    const thread: Thread = { worker, listening: false, agents: new Set() };
    threads.set(index, thread);
    worker.on('message', (message: FromDataThread) => onMessage(index, thread, message));
    worker.on('error', (error) => logger.error({ err: error, thread: index }, 'data thread failed'));
    worker.once('exit', (code) => {
      threads.delete(index);
      // It cannot say so any more: its tunnels are gone.
      for (const agent of thread.agents) options.onAgent(agent, 'down', index);
      draining.get(index)?.();
      if (closing) return;
      logger.error({ thread: index, code, restartInMs: RESTART_PAUSE_MS }, 'data thread ended; starting it again');
      setTimeout(() => closing || start(index), RESTART_PAUSE_MS);
    });
    if (state !== undefined) post(thread, { type: 'state', state });
    for (const [agent, targets] of registrations) post(thread, { type: 'registration', agent, targets });
  };
  for (let index = 0; index < options.count; index++) start(index);

  const collectFrom = (thread: Thread): Promise<MetricObject[]> =>
    new Promise((resolve) => {
      const id = ++collectId;
      const done = (metrics: MetricObject[]): void => {
        clearTimeout(timer);
        collecting.delete(id);
        resolve(metrics);
      };
      const timer = setTimeout(() => done([]), COLLECT_TIMEOUT_MS);
      collecting.set(id, done);
      post(thread, { type: 'collect', id });
    });

  return {
    listening: listening.promise,
    missing: () => Array.from({ length: options.count }, (_, index) => index).filter((index) => threads.get(index)?.listening !== true),
    setState: (next) => {
      state = next;
      broadcast({ type: 'state', state: next });
    },
    setRegistration: (agent, targets) => {
      if (targets === undefined) registrations.delete(agent);
      else registrations.set(agent, targets);
      broadcast({ type: 'registration', agent, targets });
    },
    collect: () => Promise.all([...threads.values()].map(collectFrom)),
    drain: async () => {
      await Promise.all(
        [...threads].map(
          ([index, thread]) =>
            new Promise<void>((resolve) => {
              draining.set(index, resolve);
              post(thread, { type: 'drain' });
            }),
        ),
      );
    },
    close: async () => {
      closing = true;
      await Promise.all([...threads.values()].map((thread) => thread.worker.terminate()));
    },
  };
}
