import type { Logger } from '../lib/logger.js';
import type { Backend, BackendDiscovery } from '../model/desired-state.js';
import type { KubeApi } from '../kube/api.js';
import type { WaitingList } from './accesses.js';
import { readEndpoints, urlsOf } from './endpoints.js';
import type { Endpoints } from './endpoints.js';
import { collectionPath, ENDPOINT_SLICE, POD, SERVICE } from '../kube/kinds.js';
import { listWatch } from '../kube/list-watch.js';
import type { ListWatch } from '../kube/list-watch.js';
import { textAt } from '../kube/values.js';

/**
 * Endpoints of backends that are discovered. One watch for each place and set of labels that any backend asks for: the API server
 * chooses the objects, so that a cluster of 20,000 pods costs what its few Prometheus pods cost.
 */
export interface Discovery {
  /** Watches what these backends need, and nothing else. */
  follow(backends: readonly Backend[]): void;
  /** The backend with the endpoints that are there; as it is where it discovers none. */
  resolve(backend: Backend): Backend;
  /** Lists that were not had yet. */
  waiting(): readonly WaitingList[];
  /** What there is to remember, by watch. */
  known(): ReadonlyMap<string, readonly Endpoints[]>;
  /** Number of objects watched. */
  size(): number;
  close(): Promise<void>;
}

export interface DiscoveryOptions {
  readonly api: KubeApi;
  /** Of the process before, by watch. */
  readonly remembered: ReadonlyMap<string, readonly Endpoints[]>;
  readonly clusterDomain: string;
  readonly onChange: () => void;
  readonly logger: Logger;
}

const KINDS = { EndpointSlice: ENDPOINT_SLICE, Pod: POD, Service: SERVICE };
/** Of one backend: a hundred places of the same data are a mistake in the labels. */
const MAX_ENDPOINTS = 100;

export function createDiscovery({ api, remembered, clusterDomain, onChange, logger }: DiscoveryOptions): Discovery {
  const watches = new Map<string, ListWatch<Endpoints>>();
  /** What is found of a backend's, until any endpoint changes: with thousands of them it is not looked for at each change of something else. */
  let found = new WeakMap<BackendDiscovery, readonly string[]>();
  const changed = (): void => {
    found = new WeakMap();
    onChange();
  };
  const closing = new Set<Promise<void>>();

  const start = (key: string, resource: BackendDiscovery['resource'], { annotations, ...place }: Place): void => {
    const watch = listWatch<Endpoints>({
      api,
      ...place,
      keep: (object, before) => (hasAnnotations(object, annotations) ? keepIfSame(readEndpoints(object, resource, clusterDomain), before) : undefined),
      onChange: changed,
      logger,
    });
    watches.set(key, watch);
  };

  const endpointsAt = (key: string): readonly Endpoints[] => {
    const watch = watches.get(key);
    return watch === undefined || watch.waitingFor() === undefined ? [...(watch?.items().values() ?? [])] : (remembered.get(key) ?? []);
  };

  return {
    follow: (backends) => {
      const wanted = new Map(backends.flatMap(({ discover }) => (discover === undefined ? [] : placesOf(discover).map((place) => [keyOf(place), { resource: discover.resource, place }] as const))));
      for (const [key, watch] of watches) {
        if (wanted.has(key)) continue;
        watches.delete(key);
        found = new WeakMap();
        const closed: Promise<void> = watch.close().finally(() => closing.delete(closed));
        closing.add(closed);
      }
      for (const [key, { resource, place }] of wanted) if (!watches.has(key)) start(key, resource, place);
    },
    resolve: (backend) => {
      const { discover } = backend;
      if (discover === undefined) return backend;
      const urls = found.get(discover) ?? urlsOf(placesOf(discover).flatMap((place) => endpointsAt(keyOf(place))), discover).slice(0, MAX_ENDPOINTS);
      found.set(discover, urls);
      const [url = backend.url, ...replicas] = urls;
      return { ...backend, url, replicas };
    },
    waiting: () => [...watches].flatMap(([key, watch]) => {
      const why = watch.waitingFor();
      return why === undefined ? [] : [{ what: `${key}: ${why}`, remembered: remembered.has(key) }];
    }),
    known: () => new Map([...watches].flatMap(([key, watch]) => (watch.waitingFor() === undefined || remembered.has(key) ? [[key, endpointsAt(key)] as const] : []))),
    size: () => [...watches.values()].reduce((sum, watch) => sum + watch.items().size, 0),
    close: async () => {
      await Promise.all([...[...watches.values()].map((watch) => watch.close()), ...closing]);
    },
  };
}

interface Place {
  readonly path: string;
  readonly labelSelector: string;
  readonly fieldSelector: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Of 20,000 pods only those that run are sent, and only those with the annotations are kept. */
function placesOf({ resource, namespaces, labels, annotations }: BackendDiscovery): readonly Place[] {
  const shared = { labelSelector: listed(labels), fieldSelector: resource === 'Pod' ? 'status.phase=Running' : '', annotations };
  return (namespaces ?? [undefined]).map((namespace) => ({ path: collectionPath(KINDS[resource], namespace), ...shared }));
}

function keyOf({ path, labelSelector, annotations }: Place): string {
  const chosen = [labelSelector, listed(annotations)].filter((each) => each !== '').join('; ');
  return chosen === '' ? path : `${path} (${chosen})`;
}

function listed(pairs: Readonly<Record<string, string>>): string {
  return Object.entries(pairs).map(([name, value]) => `${name}=${value}`).toSorted().join(',');
}

function hasAnnotations(object: unknown, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([name, value]) => textAt(object, 'metadata', 'annotations', name) === value);
}

/** A pod's heartbeat is no change. */
function keepIfSame(now: Endpoints | undefined, before: Endpoints | undefined): Endpoints | undefined {
  return JSON.stringify(now) === JSON.stringify(before) ? before : now;
}
