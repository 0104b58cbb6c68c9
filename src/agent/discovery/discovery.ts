/**
 * All discovered targets of the agent: sources say what they found, jobs turn it into targets, and the sum, named, is handed on as a
 * whole when it differs from the one before.
 *
 * What was found is kept apart from what became of it: new rules apply to the last good lists at once, and a reload of the
 * configuration that leaves a source as it was does not start that source again.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../lib/clock.js';
import type { Logger } from '../../lib/logger.js';
import { assertNever } from '../../lib/result.js';
import type { DiscoveryJob, DiscoverySource, TargetSpec } from '../../model/agent-settings.js';
import type { Target } from '../../model/target.js';
import { mustCompileRelabel } from '../../relabel/relabel.js';
import type { Labels } from '../../relabel/relabel.js';
import { deriveTarget } from './derive.js';
import type { Derivation } from './derive.js';
import { startDnsSource } from './dns-source.js';
import { startFileSource } from './file-source.js';
import { createClusters } from './kubernetes/clusters.js';
import type { Clusters } from './kubernetes/clusters.js';
import { startKubernetesSource } from './kubernetes/source.js';
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

/** How long the first registration waits for a source to succeed, and a new list for the first look of a source that is new in it. */
const SETTLE_MS = 10_000;
/** Targets that are worked through in one go: a few milliseconds. */
const SLICE = 100;
const NOTHING: readonly Labels[] = [];
/** Faults of single targets that are told one by one. */
const TOLD_FAULTS = 5;

interface Running {
  readonly source: Source;
  sets: readonly Labels[];
  /** Has had a look, or its time for the first one is over. */
  hasLooked: boolean;
  wasGood: boolean;
}

/** A source with its job, as the configuration has them now. */
interface Entry {
  readonly job: DiscoveryJob;
  readonly key: string;
  /** For metrics and log: `files[0]`. */
  readonly label: string;
  /** What became of a set; sources hand on the same one for as long as it does not change. */
  readonly known: WeakMap<Labels, Derivation>;
  /** Derived from `sets`; compared by identity, so that a job is worked through only when it has news. */
  derived: { readonly sets: readonly Labels[]; readonly targets: readonly Target[] } | undefined;
}

/** Nothing runs until the first `configure`. */
export function createDiscovery({ clock, logger, metrics, onTargets, onSettled }: DiscoveryOptions): Discovery {
  const running = new Map<string, Running>();
  const clusters = createClusters(logger);
  let entries: readonly Entry[] = [];
  let jobsNow: readonly DiscoveryJob[] = [];
  let staticNow: readonly string[] = [];
  let last: readonly TargetSpec[] = [];
  let settled = false;
  let stopped = false;
  let timeIsUp = false;
  let working = false;
  /** Something has changed since the last round began. */
  let hasNews = false;
  let cancelWait: (() => void) | undefined;

  const settle = (): void => {
    if (settled) return;
    settled = true;
    onSettled();
  };
  const waitIsOver = (): void => {
    for (const state of running.values()) state.hasLooked = true;
    timeIsUp = true;
    void work();
  };
  const publish = (): void => {
    // a list in which a source is not heard yet would delete what the source's predecessor found
    if (entries.some(({ key, derived }) => derived === undefined || running.get(key)?.hasLooked !== true)) return;
    const taken = new Set(staticNow);
    const specs: TargetSpec[] = [];
    for (const { job, label, derived } of entries) {
      const { targets, unnamed } = nameTargets(derived?.targets ?? [], taken);
      metrics.unnamed.set({ job: job.name, source: label }, unnamed);
      metrics.targets.set({ job: job.name, source: label }, targets.length);
      for (const target of targets) specs.push(specOf(target, job));
    }
    if (isDeepStrictEqual(specs, last)) return;
    last = specs;
    onTargets(specs);
  };
  const setsOf = ({ key }: Entry): readonly Labels[] => running.get(key)?.sets ?? NOTHING;
  const isStale = (entry: Entry): boolean => entry.derived?.sets !== setsOf(entry);
  /** Works through what has news, and publishes after each round: a source that always has some holds up no other. */
  const work = async (): Promise<void> => {
    hasNews = true;
    if (working) return;
    working = true;
    while (hasNews && !stopped) {
      hasNews = false;
      for (const entry of entries.filter(isStale)) {
        const sets = setsOf(entry);
        entry.derived = { sets, targets: await derive(entry, sets) };
      }
      publish();
    }
    working = false;
    if (!stopped && (timeIsUp || [...running.values()].every(({ wasGood }) => wasGood))) settle();
  };
  const derive = async ({ job, label, known }: Entry, sets: readonly Labels[]): Promise<readonly Target[]> => {
    const relabel = mustCompileRelabel(job.relabelConfigs);
    const targets: Target[] = [];
    const faults: string[] = [];
    let dropped = 0;
    for (const [index, set] of sets.entries()) {
      // scrapes do not wait for thousands of targets
      if (index % SLICE === SLICE - 1) await turn();
      const result = known.get(set) ?? deriveTarget(set, job, relabel);
      known.set(set, result);
      if (result === 'dropped') dropped += 1;
      else if (result.ok) targets.push(result.value);
      else faults.push(result.error);
    }
    const labels = { job: job.name, source: label };
    metrics.dropped.set(labels, dropped);
    metrics.refused.set(labels, faults.length);
    if (faults.length > 0) logger.error({ ...labels, refused: faults.length, faults: faults.slice(0, TOLD_FAULTS).map((fault) => fault.slice(0, 300)) }, 'discovered targets that cannot be used are left out');
    return targets;
  };

  const start = ({ job, key, label }: Entry, source: DiscoverySource): void => {
    if (running.has(key)) return;
    const labels = { job: job.name, source: label };
    metrics.failures.inc(labels, 0);
    const state: Running = {
      sets: NOTHING,
      hasLooked: false,
      wasGood: false,
      source: startSource(source, { maxTargets: job.maxTargets, clock, clusters }, {
        onTargets: (sets) => {
          state.sets = sets;
          void work();
        },
        onLook: (faults) => {
          metrics.up.set(labels, faults.length === 0 ? 1 : 0);
          if (faults.length > 0) {
            metrics.failures.inc(labels);
            logger.error({ ...labels, faults: faults.slice(0, TOLD_FAULTS) }, 'a source of targets failed; its last good list stays');
          }
          state.hasLooked = true;
          state.wasGood ||= faults.length === 0;
          void work();
        },
      }),
    };
    running.set(key, state);
  };

  return {
    configure: (jobs, staticNames) => {
      if (!isDeepStrictEqual(jobs, jobsNow)) {
        const sources = jobs.flatMap((job) => job.sources.map((source, index) => ({ source, entry: { job, key: JSON.stringify([job.name, job.maxTargets, source]), label: `${source.kind}[${index}]`, known: new WeakMap(), derived: undefined } })));
        entries = sources.map(({ entry }) => entry);
        const wanted = new Set(entries.map(({ key }) => key));
        metrics.reset();
        for (const [key, { source }] of running) if (!wanted.has(key)) source.stop();
        for (const key of running.keys()) if (!wanted.has(key)) running.delete(key);
        for (const { entry, source } of sources) start(entry, source);
      }
      jobsNow = jobs;
      staticNow = staticNames;
      void work();
      cancelWait?.();
      if (running.size > 0) cancelWait = clock.after(SETTLE_MS, waitIsOver);
    },
    stop: () => {
      stopped = true;
      cancelWait?.();
      for (const { source } of running.values()) source.stop();
    },
  };
}

function startSource(source: DiscoverySource, { maxTargets, clock, clusters }: { readonly maxTargets: number; readonly clock: Clock; readonly clusters: Clusters }, events: SourceEvents): Source {
  switch (source.kind) {
    case 'file':
      return startFileSource({ ...source, maxTargets, clock, ...events });
    case 'dns':
      return startDnsSource({ ...source, maxTargets, clock, ...events });
    case 'kubernetes':
      return startKubernetesSource({ discovery: source, maxTargets, clusters, clock, ...events });
    default:
      return assertNever(source, 'source of targets');
  }
}

function specOf(target: Target, { paths, fetch }: DiscoveryJob): TargetSpec {
  const [path = '/'] = target.path.split('?', 1);
  return { ...fetch, target, allowedPaths: [path, ...paths], discovered: true };
}
