/**
 * Monitors of a cluster, as a source of jobs. Watches only say that something has changed; a moment later all objects are judged, and
 * those that are what they were cost nothing. A cluster that is away keeps its last objects; one without the kind has none.
 */
import { gatherChanges } from '../gathered.js';
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../../lib/clock.js';
import type { Logger } from '../../../lib/logger.js';
import { FIRST_LIST } from '../../../kube/list-watch.js';
import type { DiscoveryJob, MonitorDiscovery, MonitorKind } from '../../../model/agent-settings.js';
import type { Cluster, Clusters, Watched } from '../kubernetes/clusters.js';
import type { MonitorObject } from '../kubernetes/objects.js';
import { namespacesOf } from '../kubernetes/source.js';
import type { DiscoveryMetrics } from '../metrics.js';
import { rememberWhile } from '../remember.js';
import type { Source } from '../source.js';
import { followAssets } from './assets.js';
import type { MonitorAssets } from './assets.js';
import { createLedger } from './ledger.js';
import type { Found } from './ledger.js';
import { translateMonitor } from './translate.js';
import type { FindAsset, MonitorTerms, Translation } from './translate.js';

export interface MonitorsOptions {
  readonly discovery: MonitorDiscovery;
  readonly clusters: Clusters;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: DiscoveryMetrics;
  /** All jobs, those of older objects first. A job that is the same as before is the same object. */
  readonly onJobs: (jobs: readonly DiscoveryJob[]) => void;
  /** After each look at all that there is: what was wrong with the looking, not with an object. */
  readonly onLook: (faults: readonly string[]) => void;
}

/** Objects that are judged in one go. */
const SLICE = 50;

interface KindWatch {
  readonly kind: MonitorKind;
  readonly watched: Watched<MonitorObject>;
  readonly translate: (object: MonitorObject) => Translation;
}

/** Connects at once. */
export function startMonitors({ discovery, clusters, clock, logger, metrics, onJobs, onLook }: MonitorsOptions): Source {
  const ledger = createLedger({ name: discovery.name, maxObjects: discovery.maxObjects, logger });
  let cluster: Cluster | undefined;
  let assets: MonitorAssets | undefined;
  let watches: readonly KindWatch[] = [];

  async function look(): Promise<void> {
    if (isStopped() || watches.some(({ watched }) => watched.waitingFor() === FIRST_LIST)) return;
    const found: Found[] = [];
    for (const { kind, watched, translate } of watches) {
      // a copy: watches go on meanwhile
      for (const object of Array.from(watched.items().values())) {
        if (found.length % SLICE === SLICE - 1) await turn();
        found.push({ kind, object, translation: translate(object) });
      }
    }
    if (isStopped()) return;
    assets?.sweep();
    const { jobs, counts, isPending } = ledger.judge(found);
    for (const kind of discovery.kinds) {
      metrics.monitors.set({ monitors: discovery.name, kind, state: 'accepted' }, counts[kind].accepted);
      metrics.monitors.set({ monitors: discovery.name, kind, state: 'refused' }, counts[kind].refused);
    }
    onJobs(jobs);
    if (!isPending) tell([...new Set(watches.flatMap(({ watched }) => watched.failing() ?? []))]);
  }
  const { changed, tell, isStopped, stop } = gatherChanges({ clock, look, onLook });
  const open = async (): Promise<void> => {
    const opened = await clusters.open(discovery.access, changed);
    if (isStopped()) return opened.close();
    cluster = opened;
    const namespaces = namespacesOf(discovery, opened);
    assets = followAssets({ clusters, access: discovery.access, clock, onChange: changed });
    const terms = termsOf(discovery, namespaces);
    const { find } = assets;
    watches = discovery.kinds.flatMap((kind) => {
      const translate = rememberingTranslator(kind, terms, find);
      return namespaces.map((namespace) => ({ kind, translate, watched: opened.watch(kind === 'PodMonitor' ? 'podmonitor' : 'servicemonitor', { namespace, label: discovery.selector, field: '' }) }));
    });
  };
  open().catch((error: unknown) => tell([error instanceof Error ? error.message : String(error)]));
  return {
    stop: () => {
      stop();
      assets?.close();
      cluster?.close();
    },
  };
}

/** Targets are where objects are, unless the file says otherwise. */
function termsOf(discovery: MonitorDiscovery, namespaces: readonly (string | undefined)[]): MonitorTerms {
  const own = namespaces.filter((each) => each !== undefined);
  const allowed = discovery.targetNamespaces.length > 0 ? discovery.targetNamespaces : own;
  return { ...discovery, targetNamespaces: allowed.length === 0 ? undefined : allowed };
}

/** Made again for an object only when a text that it refers to is another. */
function rememberingTranslator(kind: MonitorKind, terms: MonitorTerms, find: FindAsset): (object: MonitorObject) => Translation {
  return rememberWhile((object, note) =>
    translateMonitor(kind, object, terms, (...asset) => {
      const found = find(...asset);
      note(() => find(...asset) === found);
      return found;
    }),
  );
}
