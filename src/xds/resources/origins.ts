/**
 * Where in the desired state a resource comes from: whoever reads that Envoy refused a listener wants to know which lines of
 * the configuration made it.
 */
import type { Kind } from '../resource-types.js';
import { BACKEND_CLUSTER_PREFIX } from '../../model/backend-cluster.js';
import { BACKEND_CA_PREFIX, CLUSTER, JWKS_CLUSTER_PREFIX, LISTENER, ROUTE, SECRET } from './names.js';

const ORIGINS: Readonly<Record<Kind, Readonly<Record<string, string>>>> = {
  listener: { [LISTENER.scrape]: 'gateway.scrape', [LISTENER.agents]: 'gateway.agents', [LISTENER.backends]: 'process' },
  route: { [ROUTE.scrape]: 'tenants', [ROUTE.agents]: 'gateway.agents' },
  secret: {
    [SECRET.scrapeServer]: 'gateway.scrape.certificateChainPem',
    [SECRET.agentsServer]: 'gateway.agents.certificateChainPem',
    [SECRET.scrapeClientsCa]: 'gateway.scrape.clientCaPem',
    [SECRET.agentsCa]: 'gateway.agents.clientCaPem',
    [SECRET.publicCas]: 'process',
  },
  cluster: { [CLUSTER.hub]: 'process', [CLUSTER.tunnel]: 'process', [CLUSTER.authz]: 'process', [CLUSTER.api]: 'process', [CLUSTER.doors]: 'process' },
  endpoint: { [CLUSTER.hub]: 'process', [CLUSTER.tunnel]: 'process', [CLUSTER.authz]: 'process' },
};

/** `gateway.scrape` for the listener `scrape`; undefined for a resource that does not come from a desired state. */
export function originOf(kind: Kind, name: string): string | undefined {
  if (kind === 'cluster' && name.startsWith(JWKS_CLUSTER_PREFIX)) return 'gateway.issuers';
  if (name.startsWith(kind === 'secret' ? BACKEND_CA_PREFIX : BACKEND_CLUSTER_PREFIX)) return 'backends';
  return ORIGINS[kind][name];
}
