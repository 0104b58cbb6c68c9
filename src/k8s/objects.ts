import { CustomObjectsApi, ListWatch, Watch } from '@kubernetes/client-node';
import type { KubeConfig, KubernetesListObject, KubernetesObject } from '@kubernetes/client-node';
import type { Logger } from '../lib/logger.js';

/**
 * All objects of one custom kind, kept up to date by list and watch. While the API server is away, the last state stays.
 *
 * The library resumes a watch that ended and lists again on 410; it gives up on every other failure, so that starting it again,
 * ever more slowly, is ours.
 */

export interface CustomKind {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
}

export interface ObjectsOptions {
  readonly kubeConfig: KubeConfig;
  readonly kind: CustomKind;
  /** Undefined = all, which needs a ClusterRole. */
  readonly namespace: string | undefined;
  /** After the first whole list, and after each change; several at once are one. */
  readonly onChange: (objects: readonly unknown[]) => void;
  readonly logger: Logger;
}

export interface WatchedObjects {
  /** Whether the whole list was had at least once. */
  synced(): boolean;
  close(): Promise<void>;
}

const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 30_000;
/** Changes within it are one: a burst of thousands must not mean thousands of new states. */
const GATHER_MS = 20;

/** Starts at once. `onChange` never sees a list that is not whole. */
export function watchObjects({ kubeConfig, kind, namespace, onChange, logger }: ObjectsOptions): WatchedObjects {
  const api = kubeConfig.makeApiClient(CustomObjectsApi);
  const { group, version, plural } = kind;
  const list = (): Promise<KubernetesListObject<KubernetesObject>> =>
    namespace === undefined ? api.listCustomObjectForAllNamespaces({ group, version, resourcePlural: plural }) : api.listNamespacedCustomObject({ ...kind, namespace });
  const within = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  // Bookmarks keep the version of a quiet kind young, so that resuming after a break does not end in 410 and a new list.
  const path = `/apis/${group}/${version}${within}/${plural}?allowWatchBookmarks=true`;
  const listed = async (): Promise<KubernetesListObject<KubernetesObject>> => {
    const found = await list();
    // The library would go on to watch.
    if (closed) throw new Error('closed while it was listing');
    synced = true;
    failures = 0;
    changed();
    return found;
  };
  const informer = new ListWatch<KubernetesObject>(path, new Watch(kubeConfig), listed, false);
  let synced = false;
  let closed = false;
  let failures = 0;
  let retry: NodeJS.Timeout | undefined;
  let gather: NodeJS.Timeout | undefined;

  function changed(): void {
    if (closed || !synced || gather !== undefined) return;
    gather = setTimeout(() => {
      gather = undefined;
      onChange(informer.list());
    }, GATHER_MS);
  }

  function failed(error: unknown): void {
    if (closed || retry !== undefined) return;
    const delayMs = Math.random() * Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** failures);
    failures = Math.min(failures + 1, 16);
    logger.warn({ kind: plural, error: error instanceof Error ? error.message : String(error), delayMs: Math.round(delayMs) }, 'the watch failed; the last state stays');
    retry = setTimeout(() => {
      retry = undefined;
      void start();
    }, delayMs);
  }

  async function start(): Promise<void> {
    try {
      await informer.start();
    } catch (error) {
      failed(error);
    }
  }

  informer.on('change', () => {
    failures = 0;
    changed();
  });
  informer.on('error', failed);
  void start();

  return {
    synced: () => synced,
    close: async () => {
      closed = true;
      clearTimeout(retry);
      clearTimeout(gather);
      await informer.stop();
    },
  };
}
