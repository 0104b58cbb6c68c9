/**
 * The listener that agents dial: mutual TLS 1.3, HTTP/1.1 for its `Upgrade`, then tunnels that live for weeks. A change of
 * this resource drains it and closes every tunnel, so nothing is in it that changes with tenants, agents or targets;
 * certificates come by SDS and do not count as a change.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { TrafficDirection } from '../../gen/envoy/config/core/v3/base_pb.js';
import type { ListenerSchema } from '../../gen/envoy/config/listener/v3/listener_pb.js';
import { HttpConnectionManager_CodecType } from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { TlsParameters_TlsProtocol } from '../../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type { GatewaySpec } from '../../model/desired-state.js';
import { downstreamTls } from './downstream-tls.js';
import { connectionManager } from './http-connection-manager.js';
import { extAuthz, router } from './http-filters.js';
import { LISTENER, ROUTE, SECRET, TUNNEL_UPGRADE } from './names.js';
import { seconds } from './pack.js';
import { DOWNSTREAM_BUFFER_BYTES, HANDSHAKE_TIMEOUT_S, socketAddress } from './socket.js';

export function agentsListener(gateway: GatewaySpec): MessageInitShape<typeof ListenerSchema> {
  return {
    name: LISTENER.agents,
    address: socketAddress(gateway.agents),
    // What stops taking connections when the gateway drains.
    trafficDirection: TrafficDirection.INBOUND,
    perConnectionBufferLimitBytes: DOWNSTREAM_BUFFER_BYTES,
    filterChains: [
      {
        name: LISTENER.agents,
        transportSocketConnectTimeout: seconds(HANDSHAKE_TIMEOUT_S),
        transportSocket: downstreamTls({
          certificateSecret: SECRET.agentsServer,
          trustSecret: SECRET.agentsCa,
          requireClientCertificate: true,
          // Upgrade exists in HTTP/1.1 only.
          alpn: ['http/1.1'],
          minimumVersion: TlsParameters_TlsProtocol.TLSv1_3,
        }),
        filters: [
          connectionManager({
            statPrefix: LISTENER.agents,
            routeName: ROUTE.agents,
            codecType: HttpConnectionManager_CodecType.HTTP1,
            // Between requests only: an upgraded connection is one active request for its whole life.
            idleTimeoutS: 30,
            // The default of 5 minutes would end a quiet tunnel; keep-alive is the tunnel's own.
            streamIdleTimeoutS: 0,
            upgradeConfigs: [{ upgradeType: TUNNEL_UPGRADE }],
            accessLogPath: gateway.accessLogPath,
            // A line when the tunnel is up, besides the one at its end, which may be weeks later. `type` tells them apart.
            accessLogOptions: { flushLogOnTunnelSuccessfullyEstablished: true },
            httpFilters: [extAuthz(), router()],
          }),
        ],
      },
    ],
  };
}
