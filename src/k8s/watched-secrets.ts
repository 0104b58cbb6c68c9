import type { Logger } from '../lib/logger.js';
import type { SecretName } from '../model/kubernetes.js';
import type { KubeApi } from '../kube/api.js';
import { collectionPath, SECRET } from '../kube/kinds.js';
import { FIRST_LIST, listWatch } from '../kube/list-watch.js';
import type { ListWatch } from '../kube/list-watch.js';
import { keepSecret } from './secrets.js';
import type { SecretData } from './secrets.js';

/**
 * Secrets that somebody asks for. To ask is to watch: from the first question on, until a whole round has passed in which nobody asked.
 * So nothing has to be told which Secrets there are to be read, and none is held that nobody needs.
 *
 * Either a namespace is watched as a whole, or one Secret by its name, which a Role with `resourceNames` allows.
 */
export interface WatchedSecrets {
  /** The Secret as it is now, the same value for as long as it does not change; or why there is none to see. */
  look(secret: SecretName, watch: 'namespace' | 'name'): SecretData | string;
  /** First lists that the API server has not answered yet. What it refuses is not awaited: that is for whoever asked to tell. */
  waitingFor(): readonly string[];
  /** The end of a round: what nobody has asked for since the last one is watched no more. */
  sweep(): void;
  close(): Promise<void>;
}

/** Watched one by one: each is a connection to the API server. */
const MAX_BY_NAME = 500;
export const NOT_READ_YET = 'has not been read yet';
const REFUSED = /^4\d\d: /;

interface Watched {
  readonly watch: ListWatch<SecretData>;
  readonly what: string;
  asked: boolean;
}

export function watchSecrets({ api, onChange, logger }: { readonly api: KubeApi; readonly onChange: () => void; readonly logger: Logger }): WatchedSecrets {
  const watches = new Map<string, Watched>();
  const closing = new Set<Promise<void>>();
  let byName = 0;

  const start = ({ namespace, name }: SecretName, how: 'namespace' | 'name'): Watched => {
    const one = how === 'name';
    const watch = listWatch<SecretData>({ api, path: collectionPath(SECRET, namespace), ...(one && { fieldSelector: `metadata.name=${name}` }), keep: keepSecret, onChange, logger });
    return { watch, what: one ? `Secret ${namespace}/${name}` : `secrets of ${namespace}`, asked: true };
  };

  return {
    look: (secret, how) => {
      const key = how === 'name' ? `${secret.namespace}/${secret.name}` : secret.namespace;
      let watched = watches.get(key);
      if (watched === undefined) {
        if (how === 'name' && byName >= MAX_BY_NAME) return `is not read: more than ${MAX_BY_NAME} are named`;
        watched = start(secret, how);
        if (how === 'name') byName += 1;
        watches.set(key, watched);
      }
      watched.asked = true;
      const found = watched.watch.items().get(`${secret.namespace}/${secret.name}`);
      if (found !== undefined) return found;
      const waiting = watched.watch.waitingFor();
      return waiting === undefined ? 'does not exist in this namespace' : waiting === FIRST_LIST ? NOT_READ_YET : `cannot be read (${waiting})`;
    },
    waitingFor: () =>
      [...watches.values()].flatMap(({ watch, what }) => {
        const waiting = watch.waitingFor();
        return waiting === undefined || REFUSED.test(waiting) ? [] : [`${what}: ${waiting}`];
      }),
    sweep: () => {
      for (const [key, watched] of watches) {
        if (watched.asked) {
          watched.asked = false;
          continue;
        }
        watches.delete(key);
        if (key.includes('/')) byName -= 1;
        const closed: Promise<void> = watched.watch.close().finally(() => closing.delete(closed));
        closing.add(closed);
      }
    },
    close: async () => {
      await Promise.all([...[...watches.values()].map(({ watch }) => watch.close()), ...closing]);
    },
  };
}
