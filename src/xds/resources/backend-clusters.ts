/**
 * Backends that tenants query, each a cluster. Of equal servers Envoy asks one that is well: those that do not take connections, or do not
 * answer a health check below 500, are left out while there is another. What a server says is never held against it: a 503 of
 * Prometheus's API is a query that took too long.
 *
 * The credentials that a backend wants are not here. They are headers of each question, and the gateway writes them.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { isIP } from 'node:net';
import { getCACertificates } from 'node:tls';
import { Cluster_DiscoveryType, Cluster_DnsLookupFamily, Cluster_LbPolicy } from '../../gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ClusterSchema } from '../../gen/envoy/config/cluster/v3/cluster_pb.js';
import type { LbEndpointSchema } from '../../gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import { SubjectAltNameMatcher_SanType, TlsParameters_TlsProtocol } from '../../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type { SecretSchema } from '../../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { UpstreamTlsContextSchema } from '../../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { BACKEND_CLUSTER_PREFIX } from '../../model/backend-cluster.js';
import type { BackendCluster } from '../../model/backend-cluster.js';
import { http, unbroken } from './clusters.js';
import { BACKEND_CA_PREFIX, SECRET } from './names.js';
import { ads, pack, seconds } from './pack.js';
import type { Init } from './pack.js';
import { trust } from './secrets.js';
import { socketAddress } from './socket.js';

type Cluster = Init<typeof ClusterSchema>;
type Endpoint = MessageInitShape<typeof LbEndpointSchema>;

const CONNECT_TIMEOUT_S = 3;
const CHOICES = 4;
const CHECK_INTERVAL_MS = 3_000;
const CHECK_TIMEOUT_MS = 2_000;
/** One check that fails may be bad luck; an answer of 500 and above needs no second. */
const CHECKS_TO_FAIL = 2;
/** Two connections in a row that fail: one may have been one that the server was just closing. */
const FAILURES_TO_EJECT = 2;
const EJECTION_S = 5;
const MAX_EJECTION_S = 30;
/** Shorter than the patience of most servers and of what stands before them (nginx: 75 s, load balancers: 60 s). */
const IDLE_S = 30;
const BUFFER_BYTES = 1_048_576;
/** By this endpoints and their TLS find each other. */
const TLS_HOST = 'host';

export function clustersOfBackends(all: readonly BackendCluster[]): Cluster[] {
  return all.map(cluster);
}

/** The CAs of those clusters. */
export function secretsOfBackends(all: readonly BackendCluster[]): MessageInitShape<typeof SecretSchema>[] {
  const withTls = all.filter(({ urls }) => urls.some(isTls));
  return [
    ...withTls.flatMap(({ cluster: name, caPem }) => (caPem === undefined ? [] : [trust(`${BACKEND_CA_PREFIX}${name}`, caPem)])),
    // Envoy has no roots of its own, and where a system keeps them differs: those that the gateway itself would trust.
    ...(withTls.some(({ caPem }) => caPem === undefined) ? [trust(SECRET.publicCas, getCACertificates('default').join('\n'))] : []),
  ];
}

function cluster(backend: BackendCluster): Cluster {
  const { cluster: name, urls } = backend;
  const parsed = urls.map((url) => new URL(url));
  return {
    name,
    // The figures of a backend go on when its path changes.
    altStatName: `${BACKEND_CLUSTER_PREFIX}${backend.backend}`,
    ...discovery(parsed),
    lbPolicy: Cluster_LbPolicy.LEAST_REQUEST,
    // Of so many, drawn by lot, the one with the fewest questions: of two servers one that hangs gets every 16th, where it is every fourth with the default of 2.
    lbConfig: { case: 'leastRequestLbConfig', value: { choiceCount: CHOICES } },
    connectTimeout: seconds(CONNECT_TIMEOUT_S),
    perConnectionBufferLimitBytes: BUFFER_BYTES,
    circuitBreakers: unbroken(1_000_000),
    // Only where none is well they are all asked: a check that is wrong for a server must not mean that nobody is.
    commonLbConfig: { healthyPanicThreshold: { value: 1 } },
    ignoreHealthOnHostRemoval: true,
    ...(urls.length > 0 && { healthChecks: [healthCheck(backend)] }),
    outlierDetection,
    transportSocketMatches: tlsHosts(parsed).map((host) => ({ name: host, match: { [TLS_HOST]: host }, transportSocket: tls(host, backend) })),
    typedExtensionProtocolOptions: http({ case: 'httpProtocolOptions', value: {} }, IDLE_S),
    loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: parsed.map(endpoint) }] },
  };
}

/** Where a name must be resolved first, nobody waits for that at Envoy's start: a resolver that is away must not hold up scrapes. */
function discovery(urls: readonly URL[]): Pick<Cluster, 'clusterDiscoveryType' | 'dnsLookupFamily' | 'waitForWarmOnInit'> {
  if (urls.every((url) => isIP(hostOf(url)) !== 0)) return { clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC } };
  return {
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STRICT_DNS },
    // The default prefers IPv6 and never tries IPv4 where there is an answer for it.
    dnsLookupFamily: Cluster_DnsLookupFamily.V4_PREFERRED,
    waitForWarmOnInit: false,
  };
}

function endpoint(url: URL): Endpoint {
  const host = hostOf(url);
  const port = url.port === '' ? (isTls(url.href) ? 443 : 80) : Number(url.port);
  return {
    hostIdentifier: {
      case: 'endpoint',
      // The Host header, of questions and of checks.
      value: { address: socketAddress({ host, port }), hostname: url.host, healthCheckConfig: { hostname: url.host } },
    },
    ...(isTls(url.href) && { metadata: { filterMetadata: { 'envoy.transport_socket_match': { [TLS_HOST]: host } } } }),
  };
}

function healthCheck({ prefix, healthCheck: { path = `${prefix}/-/ready`, intervalMs = CHECK_INTERVAL_MS, timeoutMs = CHECK_TIMEOUT_MS } = UNSAID }: BackendCluster): NonNullable<Cluster['healthChecks']>[number] {
  const interval = seconds(intervalMs / 1000);
  return {
    timeout: seconds(timeoutMs / 1000),
    interval,
    intervalJitterPercent: 20,
    // The default is a minute for clusters that nobody has asked anything yet.
    noTrafficInterval: interval,
    unhealthyThreshold: CHECKS_TO_FAIL,
    healthyThreshold: 1,
    // 401 and 404 say that it lives: a server that wants credentials, VictoriaMetrics, Mimir.
    healthChecker: { case: 'httpHealthCheck', value: { path, expectedStatuses: [{ start: 100n, end: 500n }] } },
  };
}

const UNSAID = { path: undefined, intervalMs: undefined, timeoutMs: undefined };

/** Only what happened on the way counts: connections that were refused or broke. */
const outlierDetection: NonNullable<Cluster['outlierDetection']> = {
  interval: seconds(1),
  baseEjectionTime: seconds(EJECTION_S),
  maxEjectionTime: seconds(MAX_EJECTION_S),
  maxEjectionPercent: 100,
  splitExternalLocalOriginErrors: true,
  consecutiveLocalOriginFailure: FAILURES_TO_EJECT,
  enforcingConsecutiveLocalOriginFailure: 100,
  enforcingConsecutive5xx: 0,
  enforcingConsecutiveGatewayFailure: 0,
  enforcingSuccessRate: 0,
  enforcingLocalOriginSuccessRate: 0,
  enforcingFailurePercentage: 0,
  enforcingFailurePercentageLocalOrigin: 0,
};

// ---- TLS: each server is held to its own name, as if it were the only one

function tlsHosts(urls: readonly URL[]): readonly string[] {
  return [...new Set(urls.filter(({ href }) => isTls(href)).map(hostOf))];
}

function tls(host: string, { cluster: name, caPem }: BackendCluster): NonNullable<Cluster['transportSocket']> {
  const isName = isIP(host) === 0;
  return {
    name: 'envoy.transport_sockets.tls',
    configType: {
      case: 'typedConfig',
      value: pack(UpstreamTlsContextSchema, {
        sni: isName ? host : '',
        commonTlsContext: {
          // Unsaid, the newest that Envoy speaks to servers would be 1.2.
          tlsParams: { tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_2, tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3 },
          validationContextType: {
            case: 'combinedValidationContext',
            value: {
              defaultValidationContext: {
                matchTypedSubjectAltNames: [
                  { sanType: isName ? SubjectAltNameMatcher_SanType.DNS : SubjectAltNameMatcher_SanType.IP_ADDRESS, matcher: { matchPattern: { case: 'exact', value: host } } },
                ],
              },
              validationContextSdsSecretConfig: { name: caPem === undefined ? SECRET.publicCas : `${BACKEND_CA_PREFIX}${name}`, sdsConfig: ads },
            },
          },
        },
      }),
    },
  };
}

function isTls(url: string): boolean {
  return url.startsWith('https:');
}

/** Without the brackets of an IPv6 address. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}
