/**
 * The ways to issuers' keys: one cluster for each issuer that publishes them, TLS only, the server's name checked.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { isIP } from 'node:net';
import { rootCertificates } from 'node:tls';
import { Cluster_DiscoveryType, Cluster_DnsLookupFamily } from '../../gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ClusterSchema } from '../../gen/envoy/config/cluster/v3/cluster_pb.js';
import { SubjectAltNameMatcher_SanType, TlsParameters_TlsProtocol } from '../../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { UpstreamTlsContextSchema } from '../../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { Issuer } from '../../model/desired-state.js';
import { JWKS_CLUSTER_PREFIX } from './names.js';
import { pack, seconds } from './pack.js';
import { socketAddress } from './socket.js';

type Cluster = MessageInitShape<typeof ClusterSchema>;

export function jwksClusters(issuers: readonly Issuer[]): Cluster[] {
  return issuers.flatMap(({ name, keys }) => (keys.kind === 'remote' ? [jwksCluster(`${JWKS_CLUSTER_PREFIX}${name}`, new URL(keys.uri), keys.caPem)] : []));
}

function jwksCluster(name: string, { hostname, port }: URL, caPem: string | undefined): Cluster {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STRICT_DNS },
    // The default prefers IPv6 and never tries IPv4 where there is an answer for it.
    dnsLookupFamily: Cluster_DnsLookupFamily.V4_PREFERRED,
    connectTimeout: seconds(2),
    loadAssignment: {
      clusterName: name,
      endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address: socketAddress({ host, port: port === '' ? 443 : Number(port) }) } } }] }],
    },
    transportSocket: {
      name: 'envoy.transport_sockets.tls',
      configType: {
        case: 'typedConfig',
        value: pack(UpstreamTlsContextSchema, {
          sni: isIP(host) === 0 ? host : '',
          commonTlsContext: {
            tlsParams: { tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_2 },
            validationContextType: {
              case: 'validationContext',
              value: {
                // Envoy has no roots of its own, and where a system keeps them differs.
                trustedCa: { specifier: { case: 'inlineString', value: caPem ?? rootCertificates.join('\n') } },
                matchTypedSubjectAltNames: [
                  {
                    sanType: isIP(host) === 0 ? SubjectAltNameMatcher_SanType.DNS : SubjectAltNameMatcher_SanType.IP_ADDRESS,
                    matcher: { matchPattern: { case: 'exact', value: host } },
                  },
                ],
              },
            },
          },
        }),
      },
    },
  };
}
