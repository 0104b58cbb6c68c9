import type { Logger } from '../lib/logger.js';
import type { KubeApi } from '../kube/api.js';
import { collectionPath, METRIC_ACCESS } from '../kube/kinds.js';
import { listWatch } from '../kube/list-watch.js';
import { keepObject } from './kube-object.js';
import type { KubeObject } from './kube-object.js';

/** MetricAccess objects, everywhere or in some namespaces; until a list was had, those that are remembered stand in for it. */
export interface Accesses {
  objects(): readonly KubeObject[];
  /** Lists that were not had yet. */
  waiting(): readonly WaitingList[];
  /** What there is to remember, by list. */
  known(): ReadonlyMap<string, readonly KubeObject[]>;
  close(): Promise<void>;
}

/** A list that was not had yet, with the reason, and whether something stands in for it. */
export interface WaitingList {
  readonly what: string;
  readonly remembered: boolean;
}

export interface AccessesOptions {
  readonly api: KubeApi;
  /** Undefined = everywhere. */
  readonly namespaces?: readonly (string | undefined)[] | undefined;
  /** Of the process before, by list. */
  readonly remembered: ReadonlyMap<string, readonly KubeObject[]> | undefined;
  readonly onChange: () => void;
  readonly logger: Logger;
}

export function watchAccesses({ namespaces = [undefined], remembered, ...shared }: AccessesOptions): Accesses {
  const lists = namespaces.map((namespace) => {
    const path = collectionPath(METRIC_ACCESS, namespace);
    const before = remembered?.get(path);
    // What has not changed since stays the same value, and what was worked out from it stays known.
    const known = new Map(before?.map((object) => [object.uid, object]));
    const watch = listWatch<KubeObject>({ ...shared, path, keep: (object, last) => keepObject(object, last, known) });
    const objects = (): readonly KubeObject[] => (watch.waitingFor() === undefined ? [...watch.items().values()] : (before ?? []));
    return { path, name: `metricaccesses${namespace === undefined ? '' : ` of ${namespace}`}`, watch, objects, isRemembered: before !== undefined };
  });
  return {
    objects: () => lists.flatMap(({ objects }) => objects()),
    waiting: () => lists.flatMap(({ name, watch, isRemembered }) => {
      const why = watch.waitingFor();
      return why === undefined ? [] : [{ what: `${name}: ${why}`, remembered: isRemembered }];
    }),
    known: () => new Map(lists.flatMap(({ path, watch, objects, isRemembered }) => (watch.waitingFor() === undefined || isRemembered ? [[path, objects()] as const] : []))),
    close: async () => {
      await Promise.all(lists.map(({ watch }) => watch.close()));
    },
  };
}
