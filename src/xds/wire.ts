/**
 * Protobuf ⇄ the plain records of the stream machine, for both variants. The only place where the two differ in form.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '../gen/envoy/service/discovery/v3/discovery_pb.js';
import type { DeltaDiscoveryRequest, DiscoveryRequest as SotwRequest } from '../gen/envoy/service/discovery/v3/discovery_pb.js';
import type { DiscoveryRequest, DiscoveryResponse, Variant } from './stream.js';

/** Who is at the other end. Only the first request of a stream says it (xds.md rule 10). */
export interface NodeIdentity {
  readonly id: string;
  readonly cluster: string;
  /** `1.40.0`, where the client says it. */
  readonly version: string;
}

export interface DecodedRequest extends DiscoveryRequest {
  readonly node: NodeIdentity | undefined;
}

export function decodeRequest(variant: Variant, bytes: Uint8Array): DecodedRequest {
  if (variant === 'delta') {
    const request = fromBinary(DeltaDiscoveryRequestSchema, bytes);
    return {
      ...common(request),
      change: {
        variant,
        subscribe: request.resourceNamesSubscribe,
        unsubscribe: request.resourceNamesUnsubscribe,
        initialVersions: request.initialResourceVersions,
      },
    };
  }
  const request = fromBinary(DiscoveryRequestSchema, bytes);
  return { ...common(request), change: { variant, names: request.resourceNames } };
}

function common({ typeUrl, responseNonce, errorDetail, node }: DeltaDiscoveryRequest | SotwRequest): Omit<DecodedRequest, 'change'> {
  return {
    typeUrl,
    nonce: responseNonce,
    error: errorDetail === undefined ? undefined : { code: errorDetail.code, message: errorDetail.message },
    node: node === undefined ? undefined : { id: node.id, cluster: node.cluster, version: versionOf(node) },
  };
}

function versionOf(node: NonNullable<SotwRequest['node']>): string {
  const build = node.userAgentVersionType;
  if (build.case === 'userAgentVersion') return build.value;
  const version = build.case === 'userAgentBuildVersion' ? build.value.version : undefined;
  return version === undefined ? '' : `${version.majorNumber}.${version.minorNumber}.${version.patch}`;
}

/** Each resource's `Any` has the type URL of the response (rule 9). */
export function encodeResponse(variant: Variant, { typeUrl, nonce, version, resources, removed }: DiscoveryResponse): Uint8Array {
  if (variant === 'delta') {
    return toBinary(
      DeltaDiscoveryResponseSchema,
      create(DeltaDiscoveryResponseSchema, {
        typeUrl,
        nonce,
        systemVersionInfo: version,
        resources: resources.map((resource) => ({
          name: resource.name,
          version: resource.version,
          resource: { typeUrl, value: resource.bytes },
        })),
        removedResources: [...removed],
      }),
    );
  }
  return toBinary(
    DiscoveryResponseSchema,
    create(DiscoveryResponseSchema, {
      typeUrl,
      nonce,
      versionInfo: version,
      resources: resources.map(({ bytes }) => ({ typeUrl, value: bytes })),
    }),
  );
}
