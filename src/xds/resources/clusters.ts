/**
 * The sidecar as Envoy sees it. `hub` and `tunnel` are two views of the same data threads: same endpoints in number, same
 * `hash_key`s, same ring settings, so that one agent name gives one thread in both. No health checks and no outlier detection
 * in either: a host that only one of them left out would part a scrape from its tunnel.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { Cluster_DiscoveryType, Cluster_LbPolicy, Cluster_RingHashLbConfig_HashFunction } from '../../gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ClusterSchema } from '../../gen/envoy/config/cluster/v3/cluster_pb.js';
import { HttpProtocolOptionsSchema } from '../../gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { pipeLoadAssignment } from './endpoints.js';
import type { Topology } from './endpoints.js';
import { CLUSTER } from './names.js';
import { ads, pack, seconds } from './pack.js';

type Cluster = MessageInitShape<typeof ClusterSchema>;
type ExplicitProtocol = NonNullable<
  Extract<MessageInitShape<typeof HttpProtocolOptionsSchema>['upstreamProtocolOptions'], { case: 'explicitHttpConfig' }>['value']['protocolConfig']
>;

export function clusters(topology: Topology): Cluster[] {
  return [hub, tunnel, authz, overHttp(topology, CLUSTER.api), overHttp(topology, CLUSTER.doors)];
}

/** The defaults are 1024 each, and 3 retries; rates are limited per tenant, elsewhere. Each tunnel is a connection and a request for life. */
export function unbroken(maxRetries: number): NonNullable<Cluster['circuitBreakers']> {
  return { thresholds: [{ maxConnections: 1_000_000, maxPendingRequests: 1_000_000, maxRequests: 1_000_000, maxRetries }] };
}

const noBreaker = unbroken(0);

const byEds: Pick<Cluster, 'clusterDiscoveryType' | 'edsClusterConfig'> = {
  clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
  edsClusterConfig: { edsConfig: ads },
};

const ring: Pick<Cluster, 'lbPolicy' | 'lbConfig' | 'commonLbConfig'> = {
  lbPolicy: Cluster_LbPolicy.RING_HASH,
  lbConfig: {
    case: 'ringHashLbConfig',
    value: { hashFunction: Cluster_RingHashLbConfig_HashFunction.XX_HASH, minimumRingSize: 1024n, maximumRingSize: 65_536n },
  },
  // No panic mode: it would send scrapes to threads that do not hold the tunnel.
  commonLbConfig: { healthyPanicThreshold: { value: 0 } },
};

/** `idleTimeoutS` 0 = a quiet connection is kept for ever; the default is an hour, which would end quiet tunnels. */
export function http(protocolConfig: ExplicitProtocol, idleTimeoutS: number): Record<string, Any> {
  return {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': pack(HttpProtocolOptionsSchema, {
      commonHttpProtocolOptions: { idleTimeout: seconds(idleTimeoutS) },
      upstreamProtocolOptions: { case: 'explicitHttpConfig', value: { protocolConfig } },
    }),
  };
}

const hub: Cluster = {
  name: CLUSTER.hub,
  ...byEds,
  ...ring,
  connectTimeout: seconds(1),
  perConnectionBufferLimitBytes: 1_048_576,
  circuitBreakers: noBreaker,
  typedExtensionProtocolOptions: http(
    {
      case: 'http2ProtocolOptions',
      value: {
        // One bad message from one agent ends its own stream, not the connection that all agents share.
        overrideStreamErrorOnInvalidHttpMessage: true,
        maxConcurrentStreams: 100_000,
        initialStreamWindowSize: 1_048_576,
        // Large against the stream's, or a few slow readers stall everybody.
        initialConnectionWindowSize: 268_435_456,
      },
    },
    0,
  ),
};

const tunnel: Cluster = {
  name: CLUSTER.tunnel,
  ...byEds,
  ...ring,
  connectTimeout: seconds(1),
  perConnectionBufferLimitBytes: 262_144,
  circuitBreakers: noBreaker,
  typedExtensionProtocolOptions: http({ case: 'httpProtocolOptions', value: {} }, 0),
};

const authz: Cluster = {
  name: CLUSTER.authz,
  ...byEds,
  // Any data thread can answer.
  lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
  connectTimeout: seconds(0.5),
  circuitBreakers: noBreaker,
  typedExtensionProtocolOptions: http({ case: 'http2ProtocolOptions', value: { maxConcurrentStreams: 100_000 } }, 0),
};

/** A `node:http` server of the sidecar, one fixed socket: the control thread's, and that of the query and push doors. */
function overHttp(topology: Topology, name: typeof CLUSTER.api | typeof CLUSTER.doors): Cluster {
  return {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    connectTimeout: seconds(1),
    circuitBreakers: noBreaker,
    // Below the 5 s after which node:http closes an idle connection, so that no request meets the closing.
    typedExtensionProtocolOptions: http({ case: 'httpProtocolOptions', value: {} }, 3),
    loadAssignment: pipeLoadAssignment(name, [{ path: `${topology.runtimeDir}/${name}.sock` }]),
  };
}
