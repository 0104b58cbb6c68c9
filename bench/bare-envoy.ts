/** An Envoy that only passes on: no TLS, no ext_authz, no access log. What a reverse proxy costs at least. */

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
  const connectionManager = {
    '@type': `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'bare',
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'upstream', timeout: '10s' } }] }] },
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': `${TYPE}.filters.http.router.v3.Router` } }],
  };
  const protocol = { '@type': `${TYPE}.upstreams.http.v3.HttpProtocolOptions`, explicit_http_config: http2 ? { http2_protocol_options: {} } : { http_protocol_options: {} } };
  return JSON.stringify({
    admin: { address: pipe(adminSocket) },
    static_resources: {
      listeners: [{ name: 'bare', address: loopback(port), filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: connectionManager }] }] }],
      clusters: [
        {
          name: 'upstream',
          type: 'STATIC',
          circuit_breakers: { thresholds: [{ max_requests: 100_000, max_pending_requests: 100_000 }] },
          typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': protocol },
          load_assignment: { cluster_name: 'upstream', endpoints: [{ lb_endpoints: [{ endpoint: { address: upstream } }] }] },
        },
      ],
    },
  });
}
