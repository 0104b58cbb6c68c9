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
import type { DiscoveryJob, DiscoverySource, MonitorDiscovery, TargetSpec } from '../../model/agent-settings.js';
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
import { startMonitors } from './monitors/monitors.js';
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
  /** Takes new jobs, where further jobs are found, and the names of the static targets, which no discovered one can have. */
  configure(jobs: readonly DiscoveryJob[], staticNames: readonly string[], monitors?: readonly MonitorDiscovery[]): void;
  stop(): void;
}

/** How long the first registration waits for a source to succeed, and a new list for the first look of a source that is new in it. */
const SETTLE_MS = 10_000;
/** Targets that are worked through in one go: a few milliseconds. */
const SLICE = 100;
const NOTHING: readonly Labels[] = [];
/** Faults of single targets that are told one by one. */
const TOLD_FAULTS = 5;

/** What finds something, running. */
interface Running {
  readonly source: Source;
  /** Has had a look, or its time for the first one is over. */
  hasLooked: boolean;
  wasGood: boolean;
  /** Of its last look. */
  faults: readonly string[] | undefined;
}

interface RunningSource extends Running {
  sets: readonly Labels[];
}

interface RunningMonitors extends Running {
  readonly name: string;
  jobs: readonly DiscoveryJob[];
}

/** A source with its job, as they are now. */
interface Entry {
  readonly job: DiscoveryJob;
  readonly origin: DiscoverySource;
  /** Jobs that look for the same share what finds it. */
  readonly key: string;
  /** For metrics and log: `files[0]`. */
  readonly label: string;
  /** Of an object that has just come: until it is heard nothing can be missing. */
  readonly isNew: boolean;
  /** What became of a set; sources hand on the same one for as long as it does not change. */
  readonly known: WeakMap<Labels, Derivation>;
  /** Derived from `sets`; compared by identity, so that a job is worked through only when it has news. */
  derived: { readonly sets: readonly Labels[]; readonly targets: readonly Target[] } | undefined;
}

/** Nothing runs until the first `configure`. */
export function createDiscovery({ clock, logger, metrics, onTargets, onSettled }: DiscoveryOptions): Discovery {
  const running = new Map<string, RunningSource>();
  const monitors = new Map<string, RunningMonitors>();
  const clusters = createClusters(logger);
  let entries: readonly Entry[] = [];
  let jobsOfFile: readonly DiscoveryJob[] = [];
  let staticNow: readonly string[] = [];
  let last: readonly TargetSpec[] = [];
  let settled = false;
  let stopped = false;
  let timeIsUp = false;
  let working = false;
  /** Something has changed since the last round began. */
  let hasNews = false;
  let isWaiting = false;
  const cancels = new Set<() => void>();

  const settle = (): void => {
    if (settled) return;
    settled = true;
    onSettled();
  };
  const after = (delayMs: number, callback: () => void): void => {
    const cancel = clock.after(delayMs, () => {
      cancels.delete(cancel);
      callback();
    });
    cancels.add(cancel);
  };
  const isHeard = ({ key, derived, isNew }: Entry): boolean => derived !== undefined && (isNew || running.get(key)?.hasLooked === true);
  const publish = (): void => {
    // a list in which a source is not heard yet would delete what the source's predecessor found
    if (!entries.every(isHeard) || [...monitors.values()].some(({ hasLooked }) => !hasLooked)) return;
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
    if (!stopped && (timeIsUp || [...running.values(), ...monitors.values()].every(({ wasGood }) => wasGood))) settle();
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

  const tell = (labels: SourceLabels, faults: readonly string[]): void => {
    metrics.up.set(labels, faults.length === 0 ? 1 : 0);
    if (faults.length === 0) return;
    metrics.failures.inc(labels);
    logger.error({ ...labels, faults: faults.slice(0, TOLD_FAULTS) }, 'a source of targets failed; its last good list stays');
  };
  /** A look has been had, whatever it was; `labels` are of those that it was had for. */
  const looked = (state: Running, faults: readonly string[], labels: readonly SourceLabels[]): void => {
    state.faults = faults;
    state.hasLooked = true;
    state.wasGood ||= faults.length === 0;
    for (const each of labels) tell(each, faults);
    void work();
  };
  const giveTime = (state: Running): void =>
    after(SETTLE_MS, () => {
      state.hasLooked = true;
      void work();
    });
  const start = ({ job, key, origin }: Entry): void => {
    const state: RunningSource = {
      sets: NOTHING,
      hasLooked: false,
      wasGood: false,
      faults: undefined,
      source: startSource(origin, { maxTargets: job.maxTargets, clock, clusters }, {
        onTargets: (sets) => {
          state.sets = sets;
          void work();
        },
        onLook: (faults) => looked(state, faults, entries.filter((entry) => entry.key === key).map(labelsOf)),
      }),
    };
    running.set(key, state);
    giveTime(state);
  };
  const startMonitorsOf = (key: string, discovery: MonitorDiscovery): void => {
    const labels = { job: discovery.name, source: MONITORS };
    metrics.failures.inc(labels, 0);
    const state: RunningMonitors = {
      name: discovery.name,
      jobs: [],
      hasLooked: false,
      wasGood: false,
      faults: undefined,
      source: startMonitors({
        discovery,
        clusters,
        clock,
        logger,
        metrics,
        onJobs: (jobs) => {
          state.jobs = jobs;
          useJobs();
        },
        onLook: (faults) => looked(state, faults, [labels]),
      }),
    };
    monitors.set(key, state);
    giveTime(state);
  };
  /** Entries for all jobs there are; those that are what they were stay, and so does what they know. */
  const useJobs = (): void => {
    const before = new Map(entries.map((entry) => [idOf(entry), entry]));
    const found = [...monitors.values()].flatMap(({ jobs }) => jobs);
    entries = [...jobsOfFile, ...found].flatMap((job, at) =>
      job.sources.map((origin, index): Entry => {
        const label = `${origin.kind}[${index}]`;
        const old = before.get(idOf({ job, label }));
        if (old !== undefined && isDeepStrictEqual(old.job, job)) return old;
        return { job, origin, key: JSON.stringify([job.maxTargets, origin]), label, isNew: old === undefined && at >= jobsOfFile.length, known: new WeakMap(), derived: undefined };
      }),
    );
    const now = new Set(entries.map(idOf));
    for (const [id, entry] of before) if (!now.has(id)) metrics.forget(labelsOf(entry));
    stopOthers(running, new Set(entries.map(({ key }) => key)));
    for (const entry of entries) {
      const isKnown = before.has(idOf(entry));
      if (!isKnown) metrics.failures.inc(labelsOf(entry), 0);
      const faults = running.get(entry.key)?.faults;
      if (!running.has(entry.key)) start(entry);
      else if (!isKnown && faults !== undefined) tell(labelsOf(entry), faults);
    }
    void work();
  };

  return {
    configure: (jobs, staticNames, monitorsNow = []) => {
      staticNow = staticNames;
      jobsOfFile = jobs;
      const wanted = new Map(monitorsNow.map((each) => [JSON.stringify(each), each]));
      for (const { name } of stopOthers(monitors, new Set(wanted.keys()))) {
        metrics.forgetMonitors(name);
        metrics.forget({ job: name, source: MONITORS });
      }
      for (const [key, each] of wanted) if (!monitors.has(key)) startMonitorsOf(key, each);
      useJobs();
      if (isWaiting || running.size + monitors.size === 0) return;
      isWaiting = true;
      after(SETTLE_MS, () => {
        timeIsUp = true;
        void work();
      });
    },
    stop: () => {
      stopped = true;
      for (const cancel of cancels) cancel();
      for (const { source } of [...running.values(), ...monitors.values()]) source.stop();
    },
  };
}

type SourceLabels = Readonly<Record<'job' | 'source', string>>;

/** The label `source` of the looking for monitors itself. */
const MONITORS = 'monitors';

function labelsOf({ job, label }: Pick<Entry, 'job' | 'label'>): SourceLabels {
  return { job: job.name, source: label };
}

function idOf({ job, label }: Pick<Entry, 'job' | 'label'>): string {
  return `${job.name}\n${label}`;
}

/** Those that it has stopped. */
function stopOthers<T extends Running>(all: Map<string, T>, wanted: ReadonlySet<string>): readonly T[] {
  const others = [...all].filter(([key]) => !wanted.has(key));
  for (const [key, { source }] of others) {
    source.stop();
    all.delete(key);
  }
  return others.map(([, state]) => state);
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
