/**
 * Secrets and ConfigMaps that objects refer to, each watched by its name for as long as somebody asks for it: so the rights can be for
 * single names, nothing else of a namespace is read, and a rotated one counts at once.
 */
import type { KubernetesAccess } from '../../../model/kubernetes.js';
import { FIRST_LIST } from '../../../kube/list-watch.js';
import type { Cluster, Clusters, Watched } from '../kubernetes/clusters.js';
import type { Texts } from '../kubernetes/objects.js';
import type { KeyRef } from './monitor.js';
import type { Asset, FindAsset } from './translate.js';

export interface MonitorAssets {
  readonly find: FindAsset;
  /** Lets go of what `find` was not asked for since the last call. */
  sweep(): void;
  close(): void;
}

/** A connection of the API server's each. */
const MAX_ASSETS = 200;
const TOO_MANY: Asset = { failed: `more than ${MAX_ASSETS} of them are referred to` };

interface Followed {
  cluster: Cluster | undefined;
  watched: Watched<Texts> | undefined;
  /** The same value for as long as it says the same, since results are remembered by it. */
  failure: { readonly failed: string } | undefined;
  isUsed: boolean;
}

/** `onChange` may come often. */
export function followAssets(clusters: Clusters, access: KubernetesAccess, onChange: () => void): MonitorAssets {
  const followed = new Map<string, Followed>();

  function follow(kind: KeyRef['kind'], namespace: string, name: string, key: string): Followed {
    const asset: Followed = { cluster: undefined, watched: undefined, failure: undefined, isUsed: true };
    followed.set(key, asset);
    const open = async (): Promise<void> => {
      const cluster = await clusters.open(access, onChange);
      if (followed.get(key) !== asset) return cluster.close();
      asset.cluster = cluster;
      asset.watched = cluster.watch(kind, { namespace, label: '', field: `metadata.name=${name}` });
    };
    // a cluster that cannot be opened has been told by whoever found the object in it
    open().catch(() => undefined);
    return asset;
  }

  return {
    find: (kind, namespace, name) => {
      const key = `${kind}/${namespace}/${name}`;
      const known = followed.get(key);
      if (known === undefined && followed.size >= MAX_ASSETS) return TOO_MANY;
      const asset = known ?? follow(kind, namespace, name, key);
      asset.isUsed = true;
      const waiting = asset.watched === undefined ? FIRST_LIST : asset.watched.waitingFor();
      if (waiting === FIRST_LIST) return 'pending';
      if (waiting === undefined) return asset.watched?.items().get(`${namespace}/${name}`);
      if (asset.failure?.failed !== waiting) asset.failure = { failed: waiting };
      return asset.failure;
    },
    sweep: () => {
      for (const [key, asset] of followed) {
        if (!asset.isUsed) {
          followed.delete(key);
          asset.cluster?.close();
        }
        asset.isUsed = false;
      }
    },
    close: () => {
      for (const { cluster } of followed.values()) cluster?.close();
      followed.clear();
    },
  };
}
