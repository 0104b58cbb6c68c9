/**
 * The doors of the scrape listener. The gateway's own names have paths of ours; any other authority is meant for a target.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { RouteConfigurationSchema } from '../../gen/envoy/config/route/v3/route_pb.js';
import type { DesiredState } from '../../model/desired-state.js';
import { askingAs, askingNothing, tenantRates } from './http-filters.js';
import { verifying, verifyingNothing } from './jwt-authn.js';
import { CLUSTER, JOIN_PATH, ROUTE, STAMPED } from './names.js';
import { seconds } from './pack.js';
import { asking, byAgent, connectRequest, ends, exactPath, going, prefix } from './routes.js';
import type { Action, Route } from './routes.js';

/** Used only if the answer carries no x-envoy-upstream-rq-timeout-ms, which overrides it. */
function toHub(state: DesiredState): Action {
  return {
    clusterSpecifier: { case: 'cluster', value: CLUSTER.hub },
    timeout: seconds(state.gateway.limits.maxScrapeTimeoutMs / 1000),
    hashPolicy: byAgent,
  };
}

/**
 * CONNECT has no deadline in Envoy but its quietness: `timeout` would begin when the client ends its side, and cut the target's. The
 * hub bounds the time to the 200. Above the 5 minutes for which Prometheus keeps an idle connection (ADR 12).
 */
const CONNECT_IDLE_S = 360;

/** No `connect_config`: the hub gets the CONNECT itself, with what ext_authz stamped. */
const throughHub: Action = {
  clusterSpecifier: { case: 'cluster', value: CLUSTER.hub },
  timeout: seconds(0),
  idleTimeout: seconds(CONNECT_IDLE_S),
  hashPolicy: byAgent,
};

/**
 * The authority of a CONNECT is that of a target, even where it is a name of ours too: `localhost:9100` at the agent's site. So both
 * virtual hosts have this door, and in both the token is in Proxy-Authorization.
 */
function connectRoutes({ gateway: { issuers = [] } }: DesiredState): Route[] {
  return [going(connectRequest, STAMPED.agent, throughHub), asking(connectRequest, 'connect', verifying(issuers, 'proxy'))];
}

const toApi: Action = { clusterSpecifier: { case: 'cluster', value: CLUSTER.api }, timeout: seconds(60) };

/** The query and push services have limits of their own, which give a reason; this is above them. */
const toDoor: Action = { clusterSpecifier: { case: 'cluster', value: CLUSTER.doors }, timeout: seconds(600) };

/** What a tenant's exports have collected: of what it may query, so it is the same door. */
const COLLECTED_PATH = '/collected-metrics';
/** By name, and as a Prometheus of its own (for whom there is one backend only). */
const QUERY_PREFIXES = ['/query/', '/api/v1/'];

function ownRoutes(state: DesiredState): Route[] {
  return [
    // Health: answered by Envoy. Exact path, own names only: ext_authz may be off, because nothing can move a request from
    // another route to this one or from this one to another.
    ends(exactPath('/-/healthy'), 200, 'ok\n', { ...askingNothing(), ...verifyingNothing(state.gateway.issuers ?? []) }),
    going(prefix('/scrape/'), STAMPED.agent, toHub(state)),
    going(exactPath('/sd'), STAMPED.tenant, toApi),
    ...QUERY_PREFIXES.map((path) => going(prefix(path), STAMPED.tenant, toDoor)),
    going(exactPath(COLLECTED_PATH), STAMPED.tenant, toApi),
    going(prefix('/push/'), STAMPED.tenant, toDoor),
    asking(prefix('/scrape/'), 'path'),
    asking(exactPath('/sd'), 'sd'),
    ...QUERY_PREFIXES.map((path) => asking(prefix(path), 'query')),
    asking(exactPath(COLLECTED_PATH), 'query'),
    asking(prefix('/push/'), 'push'),
    ...(state.gateway.joins === true ? [going(exactPath(JOIN_PATH), STAMPED.join, toApi), asking(exactPath(JOIN_PATH), 'join')] : []),
    ...connectRoutes(state),
    // Everything else is asked too (door `none`, from the virtual host): a request without any route skips ext_authz
    // (envoy.md §12.5), and 404 against 401 would show the outside which paths exist.
    ends(prefix('/'), 404),
  ];
}

function proxyRoutes(state: DesiredState): Route[] {
  return [
    ...connectRoutes(state),
    going(prefix('/'), STAMPED.agent, toHub(state)),
    asking(prefix('/')),
  ];
}

export function scrapeRoutes(state: DesiredState): MessageInitShape<typeof RouteConfigurationSchema> {
  const issuers = state.gateway.issuers ?? [];
  return {
    name: ROUTE.scrape,
    typedPerFilterConfig: tenantRates(state),
    virtualHosts: [
      { name: 'own', domains: ownDomains(state.gateway.names), typedPerFilterConfig: { ...askingAs('none'), ...verifying(issuers, 'own') }, routes: ownRoutes(state) },
      { name: 'proxy', domains: ['*'], typedPerFilterConfig: { ...askingAs('proxy'), ...verifying(issuers, 'proxy') }, routes: proxyRoutes(state) },
    ],
  };
}

/** Each name with and without a port. Sorted and without doubles: Envoy refuses a domain that stands twice. */
function ownDomains(names: readonly string[]): string[] {
  return [...new Set(names)].sort().flatMap((name) => [name, `${name}:*`]);
}
