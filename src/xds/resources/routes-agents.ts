/**
 * The doors of the agents' listener: `GET /tunnel` with the right `Upgrade`, and an agent's next certificate.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { RouteConfigurationSchema } from '../../gen/envoy/config/route/v3/route_pb.js';
import type { GatewaySpec } from '../../model/desired-state.js';
import { askingAs } from './http-filters.js';
import { CLUSTER, RENEW_PATH, ROUTE, STAMPED, TUNNEL_PATH, TUNNEL_UPGRADE } from './names.js';
import { seconds } from './pack.js';
import { asking, byAgent, ends, exactPath, going, has, prefix } from './routes.js';
import type { Action, Match } from './routes.js';

const toTunnel: Action = {
  clusterSpecifier: { case: 'cluster', value: CLUSTER.tunnel },
  // A tunnel is one request for its whole life. The route's idle timeout overrides the listener's, so it is said here too.
  timeout: seconds(0),
  idleTimeout: seconds(0),
  // The same header as for the hub; it comes from the certificate, by way of ext_authz.
  hashPolicy: byAgent,
};

/** The header `upgrade` is matched as well: a plain GET must not reach the tunnel socket. */
const upgrading: Match = {
  ...exactPath(TUNNEL_PATH),
  headers: [
    {
      name: 'upgrade',
      headerMatchSpecifier: {
        case: 'stringMatch',
        value: { matchPattern: { case: 'exact', value: TUNNEL_UPGRADE }, ignoreCase: true },
      },
    },
  ],
};

const toApi: Action = { clusterSpecifier: { case: 'cluster', value: CLUSTER.api }, timeout: seconds(30) };

export function agentRoutes({ joins = false }: Pick<GatewaySpec, 'joins'> = {}): MessageInitShape<typeof RouteConfigurationSchema> {
  return {
    name: ROUTE.agents,
    virtualHosts: [
      {
        name: 'agents',
        domains: ['*'],
        typedPerFilterConfig: askingAs('agent'),
        routes: [
          going(upgrading, STAMPED.agent, toTunnel),
          asking({ ...exactPath(TUNNEL_PATH), headers: [has('upgrade')] }),
          ends(exactPath(TUNNEL_PATH), 426, `scrapeway: Upgrade: ${TUNNEL_UPGRADE} expected\n`),
          ...(joins ? [going(exactPath(RENEW_PATH), STAMPED.agent, toApi), asking(exactPath(RENEW_PATH), 'renew')] : []),
          ends(prefix('/'), 404),
        ],
      },
    ],
  };
}
