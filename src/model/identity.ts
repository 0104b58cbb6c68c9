/**
 * The names that certificates of our own making carry, as URI SANs. Other names can be configured; these are the defaults.
 */
const AGENT_PREFIX = 'spiffe://scrapeway/agent/';
const TENANT_PREFIX = 'spiffe://scrapeway/tenant/';

/** The URI that names an agent in its certificate. */
export function agentUri(name: string): string {
  return AGENT_PREFIX + name;
}

/** The URI that names a tenant in its clients' certificates. */
export function tenantUri(name: string): string {
  return TENANT_PREFIX + name;
}

/** The agent's name in a URI of `agentUri`'s form; undefined for any other URI. */
export function agentNameOf(uri: string): string | undefined {
  return uri.startsWith(AGENT_PREFIX) && uri.length > AGENT_PREFIX.length ? uri.slice(AGENT_PREFIX.length) : undefined;
}
