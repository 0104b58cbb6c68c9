/**
 * The clusters that sources look at: one connection for each, and one watch for each kind, namespace and selector, however many
 * sources want it. The last one that lets go of it ends it.
 */
import type { KubeConfig } from '@kubernetes/client-node';
import type { Logger } from '../../../lib/logger.js';
import { createKubeApi } from '../../../kube/api.js';
import type { KubeApi } from '../../../kube/api.js';
import type { CurrentKubeConfig } from '../../../kube/kube-config.js';
import { collectionPath } from '../../../kube/kinds.js';
import { listWatch } from '../../../kube/list-watch.js';
import type { ListWatch } from '../../../kube/list-watch.js';
import type { KubernetesAccess } from '../../../model/kubernetes.js';
import { KINDS } from './kinds.js';
import type { KindName, KindObjects } from './kinds.js';

export interface Clusters {
  /** Rejects where the cluster cannot even be tried: no such kubeconfig, not in a pod. `onChange` may come often. */
  open(access: KubernetesAccess, onChange: () => void): Promise<Cluster>;
}

/** A cluster as one source sees it. */
export interface Cluster {
  /** That the agent runs in, or its kubeconfig names. */
  readonly ownNamespace: string | undefined;
  watch<K extends KindName>(kind: K, where: WatchScope): Watched<KindObjects[K]>;
  close(): void;
}

export type Watched<T extends object> = Pick<ListWatch<T>, 'items' | 'waitingFor' | 'failing'>;

export interface WatchScope {
  /** Undefined = all. */
  readonly namespace: string | undefined;
  readonly label: string;
  readonly field: string;
}

interface Shared<T extends object> {
  readonly watch: ListWatch<T>;
  /** One for each time that it is wanted. */
  readonly listeners: Set<() => void>;
}

type Watches = { readonly [K in KindName]: Map<string, Shared<KindObjects[K]>> };

interface Connection {
  readonly api: KubeApi;
  readonly ownNamespace: string | undefined;
  readonly watches: Watches;
  users: number;
}

export function createClusters(logger: Logger): Clusters {
  const connections = new Map<string, Connection>();
  return {
    open: async (access, onChange) => {
      const key = JSON.stringify(access);
      // a heavy library, and for agents that watch a cluster only
      const { followKubeConfig, kubeConfigOf } = await import('../../../kube/kube-config.js');
      const connection = connections.get(key) ?? connect(kubeConfigOf(access), (first) => followKubeConfig(access, first));
      connections.set(key, connection);
      connection.users += 1;
      const releases: (() => void)[] = [];
      return {
        ownNamespace: connection.ownNamespace,
        watch: (kind, where) => {
          const { watch, release } = share(connection, kind, where, onChange, logger);
          releases.push(release);
          return watch;
        },
        close: () => {
          for (const release of releases.splice(0)) release();
          connection.users -= 1;
          if (connection.users > 0) return;
          connections.delete(key);
          connection.api.close();
        },
      };
    },
  };
}

function connect(config: KubeConfig, follow: (first: KubeConfig) => CurrentKubeConfig): Connection {
  const watches: Watches = { node: new Map(), pod: new Map(), service: new Map(), endpoints: new Map(), endpointslice: new Map(), ingress: new Map(), namespace: new Map(), replicaset: new Map(), job: new Map(), podmonitor: new Map(), servicemonitor: new Map(), secret: new Map(), configmap: new Map() };
  return { api: createKubeApi(follow(config)), ownNamespace: config.getContextObject(config.getCurrentContext())?.namespace, watches, users: 0 };
}

function share<K extends KindName>({ api, watches }: Connection, name: K, where: WatchScope, onChange: () => void, logger: Logger): { readonly watch: ListWatch<KindObjects[K]>; readonly release: () => void } {
  const all: Map<string, Shared<KindObjects[K]>> = watches[name];
  const key = JSON.stringify(where);
  const shared = all.get(key) ?? start(api, name, where, logger);
  all.set(key, shared);
  const listener = (): void => onChange();
  shared.listeners.add(listener);
  return {
    watch: shared.watch,
    release: () => {
      shared.listeners.delete(listener);
      if (shared.listeners.size > 0) return;
      all.delete(key);
      void shared.watch.close();
    },
  };
}

function start<K extends KindName>(api: KubeApi, name: K, { namespace, label, field }: WatchScope, logger: Logger): Shared<KindObjects[K]> {
  const { kind, read, mayBeAbsent = false } = KINDS[name];
  const listeners = new Set<() => void>();
  const watch = listWatch<KindObjects[K]>({
    api,
    path: collectionPath(kind, namespace),
    labelSelector: label,
    fieldSelector: field,
    keep: read,
    mayBeAbsent,
    onChange: () => {
      for (const listener of listeners) listener();
    },
    logger,
  });
  return { watch, listeners };
}
