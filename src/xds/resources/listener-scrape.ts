/**
 * The listener that Prometheus and people use: TLS, optional client certificate, HTTP/1.1 and HTTP/2, then verify
 * tokens, decide, limit, route. Nothing of a tenant is in it: a change of it drains its connections.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { TrafficDirection } from '../../gen/envoy/config/core/v3/base_pb.js';
import type { ListenerSchema } from '../../gen/envoy/config/listener/v3/listener_pb.js';
import { TlsInspectorSchema } from '../../gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import { HttpConnectionManager_CodecType } from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { TlsParameters_TlsProtocol } from '../../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type { GatewaySpec } from '../../model/desired-state.js';
import { downstreamTls } from './downstream-tls.js';
import { connectionManager } from './http-connection-manager.js';
import { extAuthz, localRateLimit, router } from './http-filters.js';
import { jwtAuthn } from './jwt-authn.js';
import { LISTENER, ROUTE, SECRET } from './names.js';
import { pack, seconds } from './pack.js';
import { DOWNSTREAM_BUFFER_BYTES, HANDSHAKE_TIMEOUT_S, socketAddress } from './socket.js';

/**
 * Above the 5 minutes for which Prometheus keeps an idle connection, so that it is never the gateway that closes a connection
 * which Prometheus is about to use.
 */
const IDLE_TIMEOUT_S = 360;

export function scrapeListener(gateway: GatewaySpec): MessageInitShape<typeof ListenerSchema> {
  return {
    name: LISTENER.scrape,
    address: socketAddress(gateway.scrape),
    // What stops taking connections when the gateway drains.
    trafficDirection: TrafficDirection.INBOUND,
    perConnectionBufferLimitBytes: DOWNSTREAM_BUFFER_BYTES,
    listenerFilters: [
      { name: 'envoy.filters.listener.tls_inspector', configType: { case: 'typedConfig', value: pack(TlsInspectorSchema, {}) } },
    ],
    filterChains: [
      {
        name: LISTENER.scrape,
        transportSocketConnectTimeout: seconds(HANDSHAKE_TIMEOUT_S),
        transportSocket: downstreamTls({
          certificateSecret: SECRET.scrapeServer,
          trustSecret: gateway.scrape.clientCaPem === undefined ? undefined : SECRET.scrapeClientsCa,
          // The tenant may have another credential.
          requireClientCertificate: false,
          // The server's order decides. Go offers h2 to an HTTPS proxy too and then fails ("unencrypted HTTP/2 not enabled"), so
          // that a Prometheus with proxy_url must be given HTTP/1.1; who wants h2 offers nothing else.
          alpn: ['http/1.1', 'h2'],
          minimumVersion: TlsParameters_TlsProtocol.TLSv1_2,
        }),
        filters: [
          connectionManager({
            statPrefix: LISTENER.scrape,
            routeName: ROUTE.scrape,
            codecType: HttpConnectionManager_CodecType.AUTO,
            idleTimeoutS: IDLE_TIMEOUT_S,
            streamIdleTimeoutS: 300,
            // Flood limits (max_outbound_frames, max_consecutive_inbound_frames_with_empty_payload, …) stay at their
            // defaults, which are safe.
            http2ProtocolOptions: { maxConcurrentStreams: 256, initialStreamWindowSize: 262_144, initialConnectionWindowSize: 4_194_304 },
            // For the third door. Any other Upgrade is refused with 403 before ext_authz.
            upgradeConfigs: [{ upgradeType: 'CONNECT' }],
            accessLogPath: gateway.accessLogPath,
            // A CONNECT may be open for days: one line when it begins to carry, and one with the bytes when it ends.
            accessLogOptions: { flushLogOnTunnelSuccessfullyEstablished: true },
            httpFilters: [...jwtAuthn(gateway.issuers ?? []), extAuthz(), localRateLimit(), router()],
          }),
        ],
      },
    ],
  };
}
