import type { KubeApi } from '../kube/api.js';

/**
 * How old the state may be: each watch that is open is told of whatever changes, so only watches that are not open make it old, from
 * the moment on in which they ended.
 */
export interface Contact {
  /** The same API, looked over the shoulder. */
  readonly api: KubeApi;
  /** For how long the longest closed watch has been closed; 0 = all are open. */
  closedForMs(): number;
}

export function watchContact(api: KubeApi, nowMs: () => number): Contact {
  /** By what is watched; undefined = open. */
  const closedSince = new Map<string, number | undefined>();
  return {
    api: {
      ...api,
      watch: async (path, options) => {
        const key = subjectOf(path);
        if (!closedSince.has(key)) closedSince.set(key, nowMs());
        const opened = (): void => {
          closedSince.set(key, undefined);
          options.onOpen();
        };
        try {
          await api.watch(path, { ...options, onOpen: opened });
        } finally {
          // Who breaks off a watch himself needs it no more.
          if (options.signal.aborted) closedSince.delete(key);
          else closedSince.set(key, closedSince.get(key) ?? nowMs());
        }
      },
    },
    closedForMs: () => Math.max(0, ...[...closedSince.values()].map((since) => (since === undefined ? 0 : nowMs() - since))),
  };
}

/** Without what differs from one try to the next. */
function subjectOf(path: string): string {
  const [collection = '', query] = path.split('?');
  const parameters = new URLSearchParams(query);
  return [collection, parameters.get('labelSelector'), parameters.get('fieldSelector')].join('?');
}
