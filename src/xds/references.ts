/**
 * Which resources a resource names. Consistency (xds.md rule 25), warming (rule 18) and the order of updates (rule 20) all
 * follow from this one list.
 */
import { isMessage } from '@bufbuild/protobuf';
import type { DescMessage, Message } from '@bufbuild/protobuf';
import { ClusterSchema, Cluster_DiscoveryType } from '../gen/envoy/config/cluster/v3/cluster_pb.js';
import { GrpcService_EnvoyGrpcSchema } from '../gen/envoy/config/core/v3/grpc_service_pb.js';
import { HttpUriSchema } from '../gen/envoy/config/core/v3/http_uri_pb.js';
import { RouteActionSchema, RouteAction_RequestMirrorPolicySchema } from '../gen/envoy/config/route/v3/route_components_pb.js';
import type { RouteAction } from '../gen/envoy/config/route/v3/route_components_pb.js';
import { RdsSchema } from '../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { SdsSecretConfigSchema } from '../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { Kind } from './resource-types.js';
import { walk } from './walk.js';

export interface Reference {
  readonly kind: Kind;
  readonly name: string;
}

/** Every resource that `message` names, wherever inside it stands, each once. */
export function referencesOf(schema: DescMessage, message: Message): readonly Reference[] {
  const found = new Map<string, Reference>();
  walk(schema, message, {
    message: (_schema, inner) => {
      for (const reference of namedBy(inner)) found.set(`${reference.kind} ${reference.name}`, reference);
    },
    // What cannot be unpacked is a fault of validation.
    unknown: () => undefined,
  });
  return [...found.values()];
}

function namedBy(message: Message): readonly Reference[] {
  if (isMessage(message, ClusterSchema)) {
    const { clusterDiscoveryType: type, edsClusterConfig } = message;
    if (type.case !== 'type' || type.value !== Cluster_DiscoveryType.EDS) return [];
    return [{ kind: 'endpoint', name: edsClusterConfig?.serviceName || message.name }];
  }
  if (isMessage(message, RdsSchema)) return [{ kind: 'route', name: message.routeConfigName }];
  // Without a config source the secret is in the bootstrap.
  if (isMessage(message, SdsSecretConfigSchema)) return message.sdsConfig === undefined ? [] : [{ kind: 'secret', name: message.name }];
  if (isMessage(message, RouteActionSchema)) return clustersOf(message);
  if (isMessage(message, RouteAction_RequestMirrorPolicySchema)) return message.cluster === '' ? [] : [{ kind: 'cluster', name: message.cluster }];
  if (isMessage(message, GrpcService_EnvoyGrpcSchema)) return [{ kind: 'cluster', name: message.clusterName }];
  if (isMessage(message, HttpUriSchema)) return [{ kind: 'cluster', name: message.httpUpstreamType.value ?? '' }];
  return [];
}

function clustersOf({ clusterSpecifier: target }: RouteAction): readonly Reference[] {
  switch (target.case) {
    case 'cluster':
      return [{ kind: 'cluster', name: target.value }];
    case 'weightedClusters':
      return target.value.clusters.filter(({ name }) => name !== '').map(({ name }) => ({ kind: 'cluster' as const, name }));
    default:
      // The cluster is named by the request, or by a plugin: nothing to check.
      return [];
  }
}
