/**
 * One endpoint per data thread, in each of the three clusters that the data threads serve.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ClusterLoadAssignmentSchema } from '../../gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { CLUSTER } from './names.js';
import { pipeAddress } from './socket.js';

type LoadAssignment = MessageInitShape<typeof ClusterLoadAssignmentSchema>;

/** Where the sidecar's sockets are. */
export interface Topology {
  /** Data threads, ≥ 1. */
  readonly dataThreads: number;
  /** Folder of the sockets, as Envoy sees it. */
  readonly runtimeDir: string;
  /** The scrapers' listener is left out: whoever connects is refused, and goes to another gateway. */
  readonly scrapersWait?: boolean;
}

export interface PipeEndpoint {
  readonly path: string;
  /** Instead of the address: the ring then depends on the thread's name, not on where its socket is. */
  readonly hashKey?: string;
}

export function pipeLoadAssignment(clusterName: string, endpoints: readonly PipeEndpoint[]): LoadAssignment {
  return {
    clusterName,
    endpoints: [
      {
        lbEndpoints: endpoints.map(({ path, hashKey }) => ({
          hostIdentifier: { case: 'endpoint' as const, value: { address: pipeAddress(path) } },
          ...(hashKey === undefined ? {} : { metadata: { filterMetadata: { 'envoy.lb': { hash_key: hashKey } } } }),
        })),
      },
    ],
  };
}

export function loadAssignments({ dataThreads, runtimeDir }: Topology): LoadAssignment[] {
  const threads = Array.from({ length: dataThreads }, (_, thread) => thread);
  const ofThreads = (cluster: string): LoadAssignment =>
    pipeLoadAssignment(
      cluster,
      threads.map((thread) => ({ path: `${runtimeDir}/${cluster}-${thread}.sock`, hashKey: `data-${thread}` })),
    );
  return [ofThreads(CLUSTER.hub), ofThreads(CLUSTER.tunnel), ofThreads(CLUSTER.authz)];
}
