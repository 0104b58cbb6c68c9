/**
 * Targets from a cluster, as Prometheus's kubernetes_sd. Watches only say that something has changed; a moment later the whole list
 * is handed on. A cluster that is away, or does not let us look any more, keeps its last targets.
 */
import { gatherChanges } from '../gathered.js';
import type { Clock } from '../../../lib/clock.js';
import type { KubernetesDiscovery } from '../../../model/agent-settings.js';
import type { Labels } from '../../../relabel/relabel.js';
import type { Source, SourceEvents } from '../source.js';
import type { Cluster, Clusters } from './clusters.js';
import { openView } from './view.js';
import type { View } from './view.js';

export interface KubernetesSourceOptions extends SourceEvents {
  readonly discovery: KubernetesDiscovery;
  readonly maxTargets: number;
  readonly clusters: Clusters;
  readonly clock: Clock;
}

/** Connects at once. */
export function startKubernetesSource({ discovery, maxTargets, clusters, clock, onTargets, onLook }: KubernetesSourceOptions): Source {
  let cluster: Cluster | undefined;
  let views: readonly View[] = [];
  let last: readonly Labels[] | undefined;

  async function look(): Promise<void> {
    if (isStopped() || views.some((view) => view.isPending())) return;
    const ready = views.filter((view) => view.isReady());
    const sets = (await Promise.all(ready.map(async (view) => view.targets()))).flat();
    if (isStopped()) return;
    const tooMany = sets.length > maxTargets ? [`the cluster has ${sets.length} of them before relabelling, more than maxTargets (${maxTargets}); selectors narrow it`] : [];
    if (tooMany.length === 0 && ready.length > 0 && !isSame(sets, last)) {
      last = sets;
      onTargets(sets);
    }
    tell([...views.flatMap((view) => view.faults()), ...tooMany]);
  }
  const { changed, tell, isStopped, stop } = gatherChanges({ clock, look, onLook });
  const open = async (): Promise<void> => {
    const opened = await clusters.open(discovery.access, changed);
    if (isStopped()) {
      opened.close();
      return;
    }
    cluster = opened;
    // nodes are in no namespace
    const namespaces = discovery.role === 'node' ? [undefined] : namespacesOf(discovery, opened);
    views = namespaces.map((namespace) => openView(discovery, opened, namespace));
  };
  open().catch((error: unknown) => tell([error instanceof Error ? error.message : String(error)]));
  return {
    stop: () => {
      stop();
      cluster?.close();
    },
  };
}

function isSame(sets: readonly Labels[], before: readonly Labels[] | undefined): boolean {
  return before?.length === sets.length && sets.every((set, index) => set === before[index]);
}

/** Undefined = all of them. Throws where the own one is wanted and there is none. */
export function namespacesOf({ namespaces, ownNamespace }: Pick<KubernetesDiscovery, 'namespaces' | 'ownNamespace'>, cluster: Cluster): readonly (string | undefined)[] {
  if (ownNamespace && cluster.ownNamespace === undefined) throw new Error('own_namespace: this is no pod of a cluster');
  const named = new Set([...namespaces, ...(ownNamespace ? [cluster.ownNamespace] : [])]);
  return named.size === 0 ? [undefined] : [...named];
}
