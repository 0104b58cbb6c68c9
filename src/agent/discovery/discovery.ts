/**
 * All discovered targets of the agent: sources say what they found, jobs turn it into targets, and the sum, named, is handed on as a
 * whole when it differs from the one before.
 *
 * What was found is kept apart from what became of it: new rules apply to the last good lists at once, and a reload of the
 * configuration that leaves a source as it was does not start that source again.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../lib/clock.js';
import type { Logger } from '../../lib/logger.js';
import { assertNever } from '../../lib/result.js';
import type { DiscoveryJob, DiscoverySource, TargetSpec } from '../../model/agent-settings.js';
import type { Target } from '../../model/target.js';
import { mustCompileRelabel } from '../../relabel/relabel.js';
import type { Labels } from '../../relabel/relabel.js';
import { deriveTarget } from './derive.js';
import { startDnsSource } from './dns-source.js';
import { startFileSource } from './file-source.js';
import type { DiscoveryMetrics } from './metrics.js';
import { nameTargets } from './names.js';
import type { Source, SourceEvents } from './source.js';

export interface DiscoveryOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: DiscoveryMetrics;
  /** The whole list, when it has changed. */
  readonly onTargets: (targets: readonly TargetSpec[]) => void;
  /** Once: every source has had a good look, or has had its time. Until then the list may be short. */
  readonly onSettled: () => void;
}

export interface Discovery {
  /** Takes new jobs and the names of the static targets, which no discovered one can have. */
  configure(jobs: readonly DiscoveryJob[], staticNames: readonly string[]): void;
  stop(): void;
}

/** How long the first registration waits for a source that has nothing to say. */
const SETTLE_MS = 10_000;
/** Faults of single targets that are told one by one. */
const TOLD_FAULTS = 5;

interface Running {
  readonly source: Source;
  sets: readonly Labels[];
  wasGood: boolean;
}

/** A source with its job, as the configuration has them now. */
interface Entry {
  readonly job: DiscoveryJob;
  readonly key: string;
  /** For metrics and log: `files[0]`. */
  readonly label: string;
  /** Derived from `sets`; compared by identity, so that a job is worked through only when it has news. */
  derived: { readonly sets: readonly Labels[]; readonly targets: readonly Target[] } | undefined;
}

/** Nothing runs until the first `configure`. */
export function createDiscovery({ clock, logger, metrics, onTargets, onSettled }: DiscoveryOptions): Discovery {
  const running = new Map<string, Running>();
  let entries: readonly Entry[] = [];
  let jobsNow: readonly DiscoveryJob[] = [];
  let staticNow: readonly string[] = [];
  let last: readonly TargetSpec[] = [];
  let settled = false;
  let cancelSettle: (() => void) | undefined;

  const settle = (): void => {
    if (settled) return;
    settled = true;
    cancelSettle?.();
    onSettled();
  };
  const publish = (): void => {
    const taken = new Set(staticNow);
    const specs: TargetSpec[] = [];
    for (const entry of entries) {
      const { targets, unnamed } = nameTargets(derivedOf(entry), taken);
      metrics.unnamed.set({ job: entry.job.name, source: entry.label }, unnamed);
      metrics.targets.set({ job: entry.job.name, source: entry.label }, targets.length);
      for (const target of targets) specs.push(specOf(target, entry.job));
    }
    if (isDeepStrictEqual(specs, last)) return;
    last = specs;
    onTargets(specs);
  };
  const derivedOf = (entry: Entry): readonly Target[] => {
    const sets = running.get(entry.key)?.sets ?? [];
    if (entry.derived?.sets !== sets) entry.derived = { sets, targets: derive(entry, sets) };
    return entry.derived.targets;
  };
  const derive = ({ job, label }: Entry, sets: readonly Labels[]): readonly Target[] => {
    const relabel = mustCompileRelabel(job.relabelConfigs);
    const results = sets.map((set) => deriveTarget(set, job, relabel));
    const targets = results.flatMap((result) => (result !== 'dropped' && result.ok ? [result.value] : []));
    const faults = results.flatMap((result) => (result !== 'dropped' && !result.ok ? [result.error] : []));
    const labels = { job: job.name, source: label };
    metrics.dropped.set(labels, results.filter((result) => result === 'dropped').length);
    metrics.refused.set(labels, faults.length);
    if (faults.length > 0) logger.error({ ...labels, refused: faults.length, faults: faults.slice(0, TOLD_FAULTS).map((fault) => fault.slice(0, 300)) }, 'discovered targets that cannot be used are left out');
    return targets;
  };

  const start = ({ job, key, label }: Entry, source: DiscoverySource): void => {
    if (running.has(key)) return;
    const labels = { job: job.name, source: label };
    metrics.failures.inc(labels, 0);
    const state: Running = {
      sets: [],
      wasGood: false,
      source: startSource(source, job.maxTargets, clock, {
        onTargets: (sets) => {
          state.sets = sets;
          publish();
        },
        onLook: (faults) => {
          metrics.up.set(labels, faults.length === 0 ? 1 : 0);
          if (faults.length > 0) {
            metrics.failures.inc(labels);
            logger.error({ ...labels, faults: faults.slice(0, TOLD_FAULTS) }, 'a source of targets failed; its last good list stays');
          }
          state.wasGood ||= faults.length === 0;
          if ([...running.values()].every(({ wasGood }) => wasGood)) settle();
        },
      }),
    };
    running.set(key, state);
  };

  return {
    configure: (jobs, staticNames) => {
      if (!isDeepStrictEqual(jobs, jobsNow)) {
        const sources = jobs.flatMap((job) => job.sources.map((source, index) => ({ source, entry: { job, key: JSON.stringify([job.name, job.maxTargets, source]), label: `${source.kind}[${index}]`, derived: undefined } })));
        entries = sources.map(({ entry }) => entry);
        const wanted = new Set(entries.map(({ key }) => key));
        metrics.reset();
        for (const [key, { source }] of running) if (!wanted.has(key)) source.stop();
        for (const key of running.keys()) if (!wanted.has(key)) running.delete(key);
        for (const { entry, source } of sources) start(entry, source);
      }
      jobsNow = jobs;
      staticNow = staticNames;
      publish();
      if (running.size === 0) settle();
      else if (!settled) cancelSettle ??= clock.after(SETTLE_MS, settle);
    },
    stop: () => {
      cancelSettle?.();
      for (const { source } of running.values()) source.stop();
    },
  };
}

function startSource(source: DiscoverySource, maxTargets: number, clock: Clock, events: SourceEvents): Source {
  switch (source.kind) {
    case 'file':
      return startFileSource({ ...source, maxTargets, clock, ...events });
    case 'dns':
      return startDnsSource({ ...source, maxTargets, clock, ...events });
    default:
      return assertNever(source, 'source of targets');
  }
}

function specOf(target: Target, { paths, fetch }: DiscoveryJob): TargetSpec {
  const [path = '/'] = target.path.split('?', 1);
  return { ...fetch, target, allowedPaths: [path, ...paths], discovered: true };
}
