/** Envoys that only pass on: no TLS, no ext_authz, no access log. What a reverse proxy costs at least, and what Envoy's own reverse tunnels cost. */

export interface BareEnvoy {
  readonly port: number;
  readonly adminSocket: string;
  /** An `Address`. */
  readonly upstream: object;
  readonly http2: boolean;
}

const TYPE = 'type.googleapis.com/envoy.extensions';

export function pipe(socketPath: string): object {
  return { pipe: { path: socketPath } };
}

export function loopback(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

export function bareBootstrap({ port, adminSocket, upstream, http2 }: BareEnvoy): string {
  return JSON.stringify({
    admin: { address: pipe(adminSocket) },
    static_resources: {
      listeners: [bareListener(port)],
      clusters: [{ ...bareCluster(http2), type: 'STATIC', load_assignment: { cluster_name: 'upstream', endpoints: [{ lb_endpoints: [{ endpoint: { address: upstream } }] }] } }],
    },
  });
}

function bareListener(port: number): object {
  const connectionManager = {
    '@type': `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'bare',
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'upstream', timeout: '60s' } }] }] },
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': `${TYPE}.filters.http.router.v3.Router` } }],
  };
  return { name: 'bare', address: loopback(port), filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: connectionManager }] }] };
}

function bareCluster(http2: boolean): object {
  const protocol = { '@type': `${TYPE}.upstreams.http.v3.HttpProtocolOptions`, explicit_http_config: http2 ? { http2_protocol_options: {} } : { http_protocol_options: {} } };
  return {
    name: 'upstream',
    circuit_breakers: { thresholds: [{ max_connections: 100_000, max_requests: 100_000, max_pending_requests: 100_000 }] },
    typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': protocol },
  };
}

export interface ReverseTunnelEnvoy {
  /** Of scrapes, which name their agent in `x-agent-id`. */
  readonly port: number;
  /** An `Address`: where agents dial. */
  readonly tunnels: object;
  readonly admin: object;
}

/** Idle tunnels are asked this seldom, so that asking costs nothing here: the most that Envoy allows. */
const REVERSE_PING_INTERVAL = '300s';

/** The responder of Envoy's reverse tunnels: the upstream is whoever has dialled under the name that the request asks for. */
export function reverseTunnelBootstrap({ port, tunnels, admin }: ReverseTunnelEnvoy): string {
  const acceptor = { '@type': `${TYPE}.filters.network.reverse_tunnel.v3.ReverseTunnel`, ping_interval: REVERSE_PING_INTERVAL };
  const byName = { '@type': `${TYPE}.clusters.reverse_connection.v3.ReverseConnectionClusterConfig`, host_id_format: '%REQ(x-agent-id)%', cleanup_interval: '60s' };
  return JSON.stringify({
    admin: { address: admin },
    bootstrap_extensions: [
      {
        name: 'envoy.bootstrap.reverse_tunnel.upstream_socket_interface',
        typed_config: { '@type': `${TYPE}.bootstrap.reverse_tunnel.upstream_socket_interface.v3.UpstreamReverseConnectionSocketInterface`, stat_prefix: 'reverse' },
      },
    ],
    static_resources: {
      listeners: [bareListener(port), { name: 'tunnels', address: tunnels, filter_chains: [{ filters: [{ name: 'envoy.filters.network.reverse_tunnel', typed_config: acceptor }] }] }],
      clusters: [{ ...bareCluster(true), connect_timeout: '5s', lb_policy: 'CLUSTER_PROVIDED', cluster_type: { name: 'envoy.clusters.reverse_connection', typed_config: byName } }],
    },
  });
}
