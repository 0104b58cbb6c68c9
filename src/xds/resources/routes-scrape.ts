/**
 * The doors of the scrape listener. The gateway's own names have paths of ours; any other authority is meant for a target.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { RouteConfigurationSchema } from '../../gen/envoy/config/route/v3/route_pb.js';
import type { DesiredState } from '../../model/desired-state.js';
import { askingAs, askingNothing, tenantRates } from './http-filters.js';
import { verifying, verifyingNothing } from './jwt-authn.js';
import { CLUSTER, ROUTE, STAMPED } from './names.js';
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

const toApi: Action = { clusterSpecifier: { case: 'cluster', value: CLUSTER.api }, timeout: seconds(60) };

function ownRoutes(state: DesiredState): Route[] {
  return [
    // Health: answered by Envoy. Exact path, own names only: ext_authz may be off, because nothing can move a request from
    // another route to this one or from this one to another.
    ends(exactPath('/-/healthy'), 200, 'ok\n', { ...askingNothing(), ...verifyingNothing(state.gateway.issuers ?? []) }),
    going(prefix('/scrape/'), STAMPED.agent, toHub(state)),
    going(exactPath('/sd'), STAMPED.tenant, toApi),
    asking(prefix('/scrape/'), 'path'),
    asking(exactPath('/sd'), 'sd'),
    // Everything else is asked too (door `none`, from the virtual host): a request without any route skips ext_authz
    // (envoy.md §12.5), and 404 against 401 would show the outside which paths exist.
    ends(prefix('/'), 404),
  ];
}

function proxyRoutes(state: DesiredState): Route[] {
  return [
    // CONNECT only asks: nothing behind serves it yet, so there is no going route.
    asking(connectRequest, 'connect'),
    going(prefix('/'), STAMPED.agent, toHub(state)),
    asking(prefix('/')),
  ];
}

export function scrapeRoutes(state: DesiredState): MessageInitShape<typeof RouteConfigurationSchema> {
  const issuers = state.gateway.issuers ?? [];
  return {
    name: ROUTE.scrape,
    typedPerFilterConfig: tenantRates(state.tenants),
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
