/**
 * The gRPC methods of xDS, written down by hand: for the aggregated service and for each type of its own, one of each variant.
 * Messages pass as bytes; wire.ts knows what is in them.
 */
import type { MethodDefinition } from '@grpc/grpc-js';
import { RESOURCE_TYPES } from './resource-types.js';
import type { TypeUrl } from './resource-types.js';
import type { Variant } from './stream.js';

export interface DiscoveryMethod {
  readonly service: string;
  readonly method: string;
  readonly variant: Variant;
  /** The one type of a service of its own, which its requests need not name; undefined = any (ADS). */
  readonly typeUrl: TypeUrl | undefined;
}

function methodsOf(service: string, suffix: string, typeUrl: TypeUrl | undefined): readonly DiscoveryMethod[] {
  return [
    { service, method: `Stream${suffix}`, variant: 'sotw', typeUrl },
    { service, method: `Delta${suffix}`, variant: 'delta', typeUrl },
  ];
}

export const DISCOVERY_METHODS: readonly DiscoveryMethod[] = [
  ...methodsOf('envoy.service.discovery.v3.AggregatedDiscoveryService', 'AggregatedResources', undefined),
  ...methodsOf('envoy.service.cluster.v3.ClusterDiscoveryService', 'Clusters', RESOURCE_TYPES.cluster.url),
  ...methodsOf('envoy.service.endpoint.v3.EndpointDiscoveryService', 'Endpoints', RESOURCE_TYPES.endpoint.url),
  ...methodsOf('envoy.service.listener.v3.ListenerDiscoveryService', 'Listeners', RESOURCE_TYPES.listener.url),
  ...methodsOf('envoy.service.route.v3.RouteDiscoveryService', 'Routes', RESOURCE_TYPES.route.url),
  ...methodsOf('envoy.service.secret.v3.SecretDiscoveryService', 'Secrets', RESOURCE_TYPES.secret.url),
];

/** Without copying. */
const serialize = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const deserialize = (bytes: Buffer): Uint8Array => bytes;

/** A bidirectional method that carries bytes. */
export function methodDefinition({ service, method }: Pick<DiscoveryMethod, 'service' | 'method'>): MethodDefinition<Uint8Array, Uint8Array> {
  return {
    path: `/${service}/${method}`,
    requestStream: true,
    responseStream: true,
    requestSerialize: serialize,
    requestDeserialize: deserialize,
    responseSerialize: serialize,
    responseDeserialize: deserialize,
  };
}
