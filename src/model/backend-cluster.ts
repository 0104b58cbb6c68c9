import type { Backend, HealthCheck } from './desired-state.js';

/**
 * The servers of a backend as one cluster of Envoy. Whoever makes the cluster and whoever asks through it agree on its name here, and the name
 * has the path prefix in it: who asks writes the prefix, so a server with another one is another cluster, and no question meets
 * a server that it was not written for while a configuration changes.
 */
export interface BackendCluster {
  /** `backend/<name>`, and the path prefix. */
  readonly cluster: string;
  readonly backend: string;
  /** Before the API's own paths; no slash at its end. */
  readonly prefix: string;
  /** Each once. None: nobody has found one yet. */
  readonly urls: readonly string[];
  readonly caPem: string | undefined;
  readonly healthCheck: HealthCheck | undefined;
}

/** Envoy's socket for questions to backends, in the folder of all sockets. */
export const BACKENDS_SOCKET = 'backends.sock';
export const BACKEND_CLUSTER_PREFIX = 'backend/';

/** Headers between the gateway and Envoy on that socket; none goes further. */
export const BALANCED = {
  /** The cluster that is asked. */
  cluster: 'x-scrapeway-cluster',
  /** It changes something: it must not reach two servers. */
  once: 'x-scrapeway-once',
  /** A server that is starting has had it: another one, please. */
  again: 'x-scrapeway-again',
  /** On an answer that is Envoy's own: its flags, and in its words why. */
  failure: 'x-scrapeway-failure',
} as const;

/** URL of a backend whose endpoints are not found yet: a name that never resolves (RFC 2606 §2). */
export const NO_ENDPOINT = 'http://no-endpoint.invalid';

/** Of a backend that no agent stands before. */
export function backendCluster({ name, url, replicas = [], discover, caPem, healthCheck }: Backend): BackendCluster {
  const prefix = prefixOf(url === NO_ENDPOINT ? `${url}${discover?.pathPrefix ?? ''}` : url);
  const urls = [...new Set([url, ...replicas])].filter((each) => each !== NO_ENDPOINT);
  return { cluster: `${BACKEND_CLUSTER_PREFIX}${name}${prefix}`, backend: name, prefix, urls, caPem, healthCheck };
}

/** Those of the backends that are Envoy's to ask. */
export function backendClusters(backends: readonly Backend[]): readonly BackendCluster[] {
  return backends.filter(({ agent }) => agent === undefined).map(backendCluster);
}

/** The path of a base URL, as it stands before others. */
export function prefixOf(url: string): string {
  return new URL(url).pathname.replace(/\/+$/, '');
}
