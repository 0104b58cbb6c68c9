/** The control thread's view of the thread of exports, which there is from the moment on that an export is configured. */
import type { MetricObject } from 'prom-client';
import type { Logger } from '../lib/logger.js';
import type { DesiredState } from '../model/desired-state.js';
import type { HandOver } from '../model/hand-over.js';
import type { ExportReport } from '../model/export-report.js';
import { locations } from './places.js';
import type { Places } from './places.js';
import { superviseThread } from './supervised-thread.js';
import type { ExportThreadOptions, FromExportThread, ToExportThread } from './thread-messages.js';

/** What a collection leaves behind is dead at once; where there is much room for it, much memory is taken. */
const YOUNG_MIB = 6;

export interface Exports {
  setState(state: DesiredState): void;
  /** This data thread holds the agent's tunnels now. */
  located(agent: string, thread: number): void;
  /** Whether this gateway is the one that exports; `left` is how far the one before came. False: resolves when nothing is sent any more. */
  setActive(active: boolean, left: HandOver): Promise<void>;
  collect(): Promise<MetricObject[]>;
  /** What the tenant's exports have collected last; undefined where the thread does not answer. */
  view(tenant: string): Promise<string | undefined>;
  /** What became of each export so far; none where the thread does not answer. */
  reports(): Promise<readonly ExportReport[]>;
  close(): Promise<void>;
}

export function startExports({ active: first, places, ...workerData }: ExportThreadOptions & { readonly active: boolean; readonly places: Places }, logger: Logger): Exports {
  let state: DesiredState | undefined;
  let active = first;
  let left: HandOver = {};
  const thread = superviseThread<ToExportThread, FromExportThread>({
    file: './export-thread.js',
    name: 'export',
    workerData,
    youngMib: YOUNG_MIB,
    logger,
    greeting: () => [{ type: 'active', active, left, id: 0 }, ...locations(places), ...(state === undefined ? [] : [{ type: 'state', state } as const])],
  });
  return {
    setState: (next) => {
      state = next;
      if (thread.isRunning()) thread.post({ type: 'state', state: next });
      else if (next.tenants.some(({ exports = [] }) => exports.length > 0)) thread.start();
    },
    located: (agent, place) => thread.post({ type: 'located', agent, thread: place }),
    setActive: async (next, nextLeft) => {
      active = next;
      left = nextLeft;
      await thread.ask((id) => ({ type: 'active', active: next, left, id }));
    },
    collect: async () => {
      const answer = await thread.ask((id) => ({ type: 'collect', id }));
      return answer?.type === 'metrics' ? answer.metrics : [];
    },
    view: async (tenant) => {
      if (!thread.isRunning()) return '';
      const answer = await thread.ask((id) => ({ type: 'view', id, tenant }));
      return answer?.type === 'view' ? answer.text : undefined;
    },
    reports: async () => {
      const answer = await thread.ask((id) => ({ type: 'report', id }));
      return answer?.type === 'reports' ? answer.reports : [];
    },
    close: () => thread.close({ type: 'close' }),
  };
}
