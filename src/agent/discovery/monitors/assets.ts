/**
 * What objects refer to. Secrets and ConfigMaps are watched by their names, each for as long as somebody asks for it: so the rights can be for
 * single names, nothing else of a namespace is read, and a rotated one counts at once. Files are looked at now and then.
 */
import type { Clock } from '../../../lib/clock.js';
import type { KubernetesAccess } from '../../../model/kubernetes.js';
import { FIRST_LIST } from '../../../kube/list-watch.js';
import type { Cluster, Clusters, Watched } from '../kubernetes/clusters.js';
import type { Texts } from '../kubernetes/objects.js';
import { followFile } from './file-asset.js';
import type { KeyRef } from './monitor.js';
import type { Asset, FindAsset } from './translate.js';

export interface MonitorAssets {
  readonly find: FindAsset;
  /** Lets go of what `find` was not asked for since the last call. */
  sweep(): void;
  close(): void;
}

/** A connection of the API server's each, where it is no file. */
const MAX_ASSETS = 200;
const TOO_MANY: Asset = { failed: `more than ${MAX_ASSETS} of them are referred to` };

interface Followed {
  /** The same value for as long as it says the same, since results are remembered by it. */
  readonly now: () => Asset;
  readonly close: () => void;
  isUsed: boolean;
}

/** `onChange` may come often. */
export function followAssets({ clusters, access, clock, onChange }: { readonly clusters: Clusters; readonly access: KubernetesAccess; readonly clock: Clock; readonly onChange: () => void }): MonitorAssets {
  const followed = new Map<string, Followed>();
  return {
    find: (kind, namespace, name) => {
      const key = `${kind}/${namespace}/${name}`;
      const known = followed.get(key);
      if (known === undefined && followed.size >= MAX_ASSETS) return TOO_MANY;
      const asset = known ?? { ...(kind === 'file' ? followFile(name, clock, onChange) : followObject(clusters, access, { kind, namespace, name }, onChange)), isUsed: true };
      followed.set(key, asset);
      asset.isUsed = true;
      return asset.now();
    },
    sweep: () => {
      for (const [key, asset] of followed) {
        if (!asset.isUsed) {
          followed.delete(key);
          asset.close();
        }
        asset.isUsed = false;
      }
    },
    close: () => {
      for (const { close } of followed.values()) close();
      followed.clear();
    },
  };
}

function followObject(clusters: Clusters, access: KubernetesAccess, { kind, namespace, name }: { readonly kind: KeyRef['kind']; readonly namespace: string; readonly name: string }, onChange: () => void): Pick<Followed, 'now' | 'close'> {
  let cluster: Cluster | undefined;
  let watched: Watched<Texts> | undefined;
  let failure: { readonly failed: string } | undefined;
  let closed = false;
  const open = async (): Promise<void> => {
    const opened = await clusters.open(access, onChange);
    if (closed) return opened.close();
    cluster = opened;
    watched = opened.watch(kind, { namespace, label: '', field: `metadata.name=${name}` });
  };
  // a cluster that cannot be opened has been told by whoever found the object in it
  open().catch(() => undefined);
  return {
    now: () => {
      const waiting = watched === undefined ? FIRST_LIST : watched.waitingFor();
      if (waiting === FIRST_LIST) return 'pending';
      if (waiting === undefined) return watched?.items().get(`${namespace}/${name}`);
      if (failure?.failed !== waiting) failure = { failed: waiting };
      return failure;
    },
    close: () => {
      closed = true;
      cluster?.close();
    },
  };
}
