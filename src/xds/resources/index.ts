/**
 * The model → all of Envoy's resources. O(tenants), and only through the limits in one RouteConfiguration, and O(backends): an agent or a
 * target that comes or goes changes nothing here (DESIGN §2.1).
 */
import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { ClusterSchema } from '../../gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '../../gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '../../gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../../gen/envoy/config/route/v3/route_pb.js';
import { SecretSchema } from '../../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { Backend, DesiredState } from '../../model/desired-state.js';
import type { Kind, ResourceSet } from '../resource-types.js';
import { BACKEND_CLUSTER_PREFIX, backendClusters } from '../../model/backend-cluster.js';
import { clustersOfBackends, secretsOfBackends } from './backend-clusters.js';
import { clusters } from './clusters.js';
import { jwksClusters } from './jwks-clusters.js';
import { loadAssignments } from './endpoints.js';
import type { Topology } from './endpoints.js';
import { agentsListener } from './listener-agents.js';
import { backendsListener } from './listener-backends.js';
import { scrapeListener } from './listener-scrape.js';
import { BACKEND_CA_PREFIX, SECRET } from './names.js';
import { agentRoutes } from './routes-agents.js';
import { scrapeRoutes } from './routes-scrape.js';
import { secrets } from './secrets.js';

export type { Topology } from './endpoints.js';

export function buildResources(state: DesiredState, topology: Topology): ResourceSet {
  const ofBackends = backendResources(state.backends ?? []);
  return {
    cluster: [...[...clusters(topology), ...jwksClusters(state.gateway.issuers ?? [])].map((cluster) => create(ClusterSchema, cluster)), ...ofBackends.cluster],
    endpoint: loadAssignments(topology).map((assignment) => create(ClusterLoadAssignmentSchema, assignment)),
    listener: openListeners(state, topology).map((listener) => create(ListenerSchema, listener)),
    route: [scrapeRoutes(state), agentRoutes(state.gateway)].map((route) => create(RouteConfigurationSchema, route)),
    secret: [...secrets(state.gateway).map((secret) => create(SecretSchema, secret)), ...ofBackends.secret],
  };
}

/** What there is for backends alone, and changes with them. */
export function backendResources(backends: readonly Backend[]): Pick<ResourceSet, 'cluster' | 'secret'> {
  const ofEnvoy = backendClusters(backends);
  return {
    cluster: clustersOfBackends(ofEnvoy).map((cluster) => create(ClusterSchema, cluster)),
    secret: secretsOfBackends(ofEnvoy).map((secret) => create(SecretSchema, secret)),
  };
}

/** Whether a resource is one of those that `backendResources` makes. */
export function isOfBackends(kind: Kind, name: string): boolean {
  switch (kind) {
    case 'cluster':
      return name.startsWith(BACKEND_CLUSTER_PREFIX);
    case 'secret':
      return name.startsWith(BACKEND_CA_PREFIX) || name === SECRET.publicCas;
    case 'endpoint':
    case 'listener':
    case 'route':
      return false;
  }
}

/** Without its certificate a listener would only take connections to break them off. */
function openListeners({ gateway }: DesiredState, { runtimeDir, scrapersWait }: Topology): readonly MessageInitShape<typeof ListenerSchema>[] {
  const { scrape, agents } = gateway;
  return [...(scrapersWait === true || scrape.isClosed === true ? [] : [scrapeListener(gateway)]), ...(agents.isClosed === true ? [] : [agentsListener(gateway)]), backendsListener(runtimeDir)];
}
