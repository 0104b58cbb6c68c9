import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Registry } from 'prom-client';
import { NO_WAY } from '../behind/behind.js';
import type { WayTo } from '../behind/behind.js';
import { systemClock } from '../lib/clock.js';
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import { assertNever } from '../lib/result.js';
import { handOverKey } from '../model/hand-over.js';
import type { HandOver } from '../model/hand-over.js';
import type { ExportReport } from '../model/export-report.js';
import { jobKey } from './job.js';
import type { ExportJob } from './job.js';
import { createExportMetrics } from './metrics.js';
import { Pipeline } from './pipeline.js';
import { PushgatewayExport } from './pushgateway.js';
import { Running } from './running.js';
import type { Export } from './running.js';

/**
 * All exports. What is wanted is told as a whole; an export that changes in any way is stopped and started again with what it has on disk,
 * which is all that it knows.
 */

export interface ExporterOptions {
  /** Each export has a folder in it. */
  readonly folder: string;
  readonly logger: Logger;
  readonly registry: Registry;
  /** To sources and receivers behind agents. */
  readonly wayTo?: WayTo;
  readonly clock?: Clock;
  /** Wall clock, ms. */
  readonly nowMs?: () => number;
}

export interface Exporter {
  /** From now on. Resolves when it is so; those that are no more have then ended their series. */
  configure(jobs: readonly ExportJob[]): Promise<void>;
  /** Where another gateway does the work, this one stops at once and keeps what it has. `left` is how far the one before came. */
  setActive(active: boolean, left?: HandOver): Promise<void>;
  /** What the tenant's exports have collected last. */
  view(tenant: string): string;
  /** What became of each export so far. */
  reports(): readonly ExportReport[];
  /** Brings gauges up to date, before they are read. */
  publish(): void;
  close(): Promise<void>;
}

export function createExporter(options: ExporterOptions): Exporter {
  const { folder, logger, clock = systemClock, nowMs = Date.now, wayTo = NO_WAY } = options;
  const metrics = createExportMetrics(options.registry);
  const running = new Map<string, Running>();
  /** Those that end among them. */
  const alive = new Set<Running>();
  metrics.active.set(1);
  let wanted: readonly ExportJob[] = [];
  let isActive = true;
  let left: HandOver = {};
  let isConfigured = false;
  /** One change at a time. */
  let changing: Promise<void> = Promise.resolve();

  function start(job: ExportJob): Running {
    const log = logger.child({ tenant: job.tenant, export: job.spec.name });
    const open = (): Promise<Export> => openExport({ job, folder: join(folder, folderName(job)), handedOverMs: left[handOverKey({ tenant: job.tenant, name: job.spec.name, urls: job.destination.urls })], metrics, logger: log, wayTo, nowMs });
    const started = new Running({ job, open, metrics, logger: log, clock });
    alive.add(started);
    return started;
  }

  async function settle(): Promise<void> {
    const next = new Map((isActive ? wanted : []).map((job) => [jobKey(job), job]));
    const names = new Set(wanted.map(jobKey));
    await Promise.all(
      [...running].map(async ([key, each]) => {
        const job = next.get(key);
        if (job !== undefined && !each.isHalted && JSON.stringify(job) === JSON.stringify(each.job)) return;
        running.delete(key);
        await (names.has(key) ? each.stop() : each.end());
        alive.delete(each);
      }),
    );
    for (const [key, job] of next) if (!running.has(key)) running.set(key, start(job));
    // Of exports that went while nobody ran.
    if (isConfigured && isActive) removeOthers(folder, new Set(wanted.map(folderName)));
  }

  function change(apply: () => void): Promise<void> {
    const before = changing;
    changing = (async () => {
      await before;
      apply();
      try {
        await settle();
      } catch (error) {
        logger.error({ err: error }, 'exports could not be changed');
      }
    })();
    return changing;
  }

  return {
    configure: (jobs) =>
      change(() => {
        wanted = jobs;
        isConfigured = true;
      }),
    setActive: (active, nextLeft = {}) => {
      isActive = active;
      left = nextLeft;
      metrics.active.set(active ? 1 : 0);
      // Not in its turn: what another gateway may begin with, must end here now.
      if (!active) for (const each of alive) each.halt();
      return change(() => {});
    },
    view: (tenant) => [...running.values()].filter(({ job }) => job.tenant === tenant).map((each) => each.view()).join(''),
    reports: () => [...running.values()].map((each) => each.report()),
    publish: () => {
      for (const each of running.values()) each.publish();
    },
    close: async () => {
      await changing;
      await Promise.all([...running.values()].map((each) => each.stop()));
      running.clear();
    },
  };
}

function openExport(options: { readonly job: ExportJob; readonly folder: string } & Pick<Parameters<typeof Pipeline.open>[0], 'metrics' | 'logger' | 'wayTo' | 'nowMs' | 'handedOverMs'>): Promise<Export> {
  const { kind } = options.job.destination;
  switch (kind) {
    case 'remote_write':
      return Pipeline.open(options);
    case 'pushgateway':
      return Promise.resolve(new PushgatewayExport(options));
    default:
      return assertNever(kind, 'kind of export destination');
  }
}

/** Names may have any character that a file system dislikes. */
function folderName(job: ExportJob): string {
  return createHash('sha256').update(jobKey(job)).digest('hex').slice(0, 32);
}

function removeOthers(folder: string, names: ReadonlySet<string>): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(folder)) if (/^[0-9a-f]{32}$/.test(name) && !names.has(name)) rmSync(join(folder, name), { recursive: true, force: true });
}
