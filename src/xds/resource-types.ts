/**
 * The five kinds of resources that are served, as plain data: what differs between them is a row here, and the code that
 * serves them has no branch per type. The rows are in the order in which one update is sent (xds.md rule 19).
 */
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { ClusterSchema } from '../gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '../gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '../gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../gen/envoy/config/route/v3/route_pb.js';
import { SecretSchema } from '../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';

export type Kind = 'cluster' | 'endpoint' | 'listener' | 'route' | 'secret';

/** `type.googleapis.com/<full message name>`. Clients may ask for types that are not served, so it is not a closed union. */
export type TypeUrl = string;

function typeUrl(schema: DescMessage): TypeUrl {
  return `type.googleapis.com/${schema.typeName}`;
}

const schemas = {
  cluster: ClusterSchema,
  endpoint: ClusterLoadAssignmentSchema,
  listener: ListenerSchema,
  route: RouteConfigurationSchema,
  secret: SecretSchema,
} as const;

type Schemas = typeof schemas;

/** Input of a snapshot: every resource there is, by kind. */
export type ResourceSet = { readonly [K in Kind]: readonly MessageShape<Schemas[K]>[] };

export type ResourceMessage = MessageShape<Schemas[Kind]>;

export interface ResourceType {
  readonly kind: Kind;
  readonly url: TypeUrl;
  readonly schema: DescMessage;
  /**
   * Rule 11: whether a first request that names nothing means "everything". Only where Envoy means it so; elsewhere
   * (gRPC clients, EDS of an Envoy without clusters) an empty list is just an empty list. `*` works for every type.
   */
  readonly legacyWildcard: boolean;
  /** Rule 12: whether a state-of-the-world answer must hold everything, so that absence deletes. */
  readonly fullState: boolean;
}

function row(kind: Kind, traits: Pick<ResourceType, 'legacyWildcard' | 'fullState'>): ResourceType {
  return { kind, url: typeUrl(schemas[kind]), schema: schemas[kind], ...traits };
}

export const RESOURCE_TYPES = {
  cluster: row('cluster', { legacyWildcard: true, fullState: true }),
  endpoint: row('endpoint', { legacyWildcard: false, fullState: false }),
  listener: row('listener', { legacyWildcard: true, fullState: true }),
  route: row('route', { legacyWildcard: false, fullState: false }),
  secret: row('secret', { legacyWildcard: false, fullState: false }),
} as const satisfies Readonly<Record<Kind, ResourceType>>;

export const KINDS: readonly Kind[] = ['cluster', 'endpoint', 'listener', 'route', 'secret'];

const byUrl: ReadonlyMap<TypeUrl, ResourceType> = new Map(KINDS.map((kind) => [RESOURCE_TYPES[kind].url, RESOURCE_TYPES[kind]]));

/** The row of a type URL, or undefined for a type that is not served. */
export function resourceType(url: TypeUrl): ResourceType | undefined {
  return byUrl.get(url);
}

/** The name under which a client asks for a resource. */
export function resourceName(message: ResourceMessage): string {
  if (message.$typeName === 'envoy.config.endpoint.v3.ClusterLoadAssignment') return message.clusterName;
  return message.name;
}
