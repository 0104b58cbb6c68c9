/**
 * The model → all of Envoy's resources. O(tenants), and only through the limits in one RouteConfiguration: an agent or a
 * target that comes or goes changes nothing here (DESIGN §2.1).
 */
import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { ClusterSchema } from '../../gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '../../gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '../../gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../../gen/envoy/config/route/v3/route_pb.js';
import { SecretSchema } from '../../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { DesiredState } from '../../model/desired-state.js';
import type { ResourceSet } from '../resource-types.js';
import { clusters } from './clusters.js';
import { jwksClusters } from './jwks-clusters.js';
import { loadAssignments } from './endpoints.js';
import type { Topology } from './endpoints.js';
import { agentsListener } from './listener-agents.js';
import { scrapeListener } from './listener-scrape.js';
import { agentRoutes } from './routes-agents.js';
import { scrapeRoutes } from './routes-scrape.js';
import { secrets } from './secrets.js';

export type { Topology } from './endpoints.js';

export function buildResources(state: DesiredState, topology: Topology): ResourceSet {
  return {
    cluster: [...clusters(topology), ...jwksClusters(state.gateway.issuers ?? [])].map((cluster) => create(ClusterSchema, cluster)),
    endpoint: loadAssignments(topology).map((assignment) => create(ClusterLoadAssignmentSchema, assignment)),
    listener: openListeners(state, topology).map((listener) => create(ListenerSchema, listener)),
    route: [scrapeRoutes(state), agentRoutes(state.gateway)].map((route) => create(RouteConfigurationSchema, route)),
    secret: secrets(state.gateway).map((secret) => create(SecretSchema, secret)),
  };
}

/** Without its certificate a listener would only take connections to break them off. */
function openListeners({ gateway }: DesiredState, { scrapersWait }: Topology): readonly MessageInitShape<typeof ListenerSchema>[] {
  const { scrape, agents } = gateway;
  return [...(scrapersWait === true || scrape.isClosed === true ? [] : [scrapeListener(gateway)]), ...(agents.isClosed === true ? [] : [agentsListener(gateway)])];
}
