/** The control thread's view of the thread of exports, which there is from the moment on that an export is configured. */
import { Worker } from 'node:worker_threads';
import type { MetricObject } from 'prom-client';
import type { Logger } from '../lib/logger.js';
import type { DesiredState } from '../model/desired-state.js';
import type { HandOver } from '../model/hand-over.js';
import type { ExportReport } from '../model/export-report.js';
import type { ExportThreadOptions, FromExportThread, ToExportThread } from './thread-messages.js';

const RESTART_PAUSE_MS = 1_000;
const ANSWER_TIMEOUT_MS = 2_000;
const CLOSE_TIMEOUT_MS = 5_000;
/** What a collection leaves behind is dead at once; where there is much room for it, much memory is taken. */
const YOUNG_MIB = 24;

export interface Exports {
  setState(state: DesiredState): void;
  /** Whether this gateway is the one that exports; `left` is how far the one before came. False: resolves when nothing is sent any more. */
  setActive(active: boolean, left: HandOver): Promise<void>;
  collect(): Promise<MetricObject[]>;
  /** What the tenant's exports have collected last; undefined where the thread does not answer. */
  view(tenant: string): Promise<string | undefined>;
  /** What became of each export so far; none where the thread does not answer. */
  reports(): Promise<readonly ExportReport[]>;
  close(): Promise<void>;
}

export function startExports({ active: first, ...thread }: ExportThreadOptions & { readonly active: boolean }, logger: Logger): Exports {
  const answers = new Map<number, (message: FromExportThread) => void>();
  let worker: Worker | undefined;
  let state: DesiredState | undefined;
  let active = first;
  let left: HandOver = {};
  let lastId = 0;
  let closing = false;
  let closed = (): void => {};

  const post = (message: ToExportThread): void => worker?.postMessage(message);

  function start(): void {
    const next = new Worker(new URL('./export-thread.js', import.meta.url), { workerData: thread, name: 'export', resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB } });
    worker = next;
    next.on('message', (message: FromExportThread) => (message.type === 'closed' ? closed() : answers.get(message.id)?.(message)));
    next.on('error', (error) => logger.error({ err: error }, 'the thread of exports failed'));
    next.once('exit', (code) => {
      if (worker === next) worker = undefined;
      closed();
      if (closing) return;
      logger.error({ code, restartInMs: RESTART_PAUSE_MS }, 'the thread of exports ended; starting it again');
      setTimeout(() => closing || start(), RESTART_PAUSE_MS).unref();
    });
    post({ type: 'active', active, left, id: 0 });
    if (state !== undefined) post({ type: 'state', state });
  }

  function ask(message: (id: number) => ToExportThread): Promise<FromExportThread | undefined> {
    if (worker === undefined) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const id = ++lastId;
      const done = (answer: FromExportThread | undefined): void => {
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
    setState: (next) => {
      state = next;
      if (worker !== undefined) post({ type: 'state', state: next });
      else if (!closing && next.tenants.some(({ exports = [] }) => exports.length > 0)) start();
    },
    setActive: async (next, nextLeft) => {
      active = next;
      left = nextLeft;
      await ask((id) => ({ type: 'active', active: next, left, id }));
    },
    collect: async () => {
      const answer = await ask((id) => ({ type: 'collect', id }));
      return answer?.type === 'metrics' ? answer.metrics : [];
    },
    view: async (tenant) => {
      if (worker === undefined) return '';
      const answer = await ask((id) => ({ type: 'view', id, tenant }));
      return answer?.type === 'view' ? answer.text : undefined;
    },
    reports: async () => {
      const answer = await ask((id) => ({ type: 'report', id }));
      return answer?.type === 'reports' ? answer.reports : [];
    },
    close: async () => {
      closing = true;
      const running = worker;
      if (running === undefined) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
        closed = () => {
          clearTimeout(timer);
          resolve();
        };
        post({ type: 'close' });
      });
      await running.terminate();
    },
  };
}
