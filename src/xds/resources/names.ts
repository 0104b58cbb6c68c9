/**
 * The names by which resources, sockets and headers refer to each other: each is written once.
 */
import { TOKEN_METADATA } from '../../model/token-metadata.js';

export const LISTENER = { scrape: 'scrape', agents: 'agents', backends: 'backends' } as const;
export const ROUTE = { scrape: 'scrape', agents: 'agents' } as const;
export const CLUSTER = { hub: 'hub', tunnel: 'tunnel', authz: 'authz', api: 'api', doors: 'doors' } as const;
export const SECRET = {
  scrapeServer: 'scrape-server',
  agentsServer: 'agents-server',
  scrapeClientsCa: 'scrape-clients-ca',
  agentsCa: 'agents-ca',
  publicCas: 'public-cas',
} as const;

/** The CAs that the servers of a backend's cluster are held to. */
export const BACKEND_CA_PREFIX = 'ca/';

/** The cluster that an issuer's keys are fetched through. */
export const JWKS_CLUSTER_PREFIX = 'jwks-';

export const FILTER = {
  extAuthz: 'envoy.filters.http.ext_authz',
  jwtAuthn: TOKEN_METADATA.namespace,
  localRateLimit: 'envoy.filters.http.local_ratelimit',
  router: 'envoy.filters.http.router',
} as const;

/** Stamped by ext_authz, and by nothing else: whatever comes from outside under `x-scrapeway-` is removed first. */
export const STAMPED = { tenant: 'x-scrapeway-tenant', agent: 'x-scrapeway-agent', join: 'x-scrapeway-join' } as const;
export const STAMPED_PREFIX = 'x-scrapeway-';
export const PEER_ISSUER_HEADER = 'x-scrapeway-peer-issuer';
export const PEER_SERIAL_HEADER = 'x-scrapeway-peer-serial';

/** The protocol of the `Upgrade` by which agents open a tunnel (facts: tunnel handshake). */
export const TUNNEL_UPGRADE = 'scrapeway-tunnel';
export const TUNNEL_PATH = '/tunnel';
export const JOIN_PATH = '/agents/join';
export const RENEW_PATH = '/agents/renew';

/** What a request is for, told to ext_authz as a context extension. `none` = a path of ours that leads nowhere. */
export type Door = 'path' | 'sd' | 'query' | 'push' | 'proxy' | 'connect' | 'agent' | 'join' | 'renew' | 'none';
