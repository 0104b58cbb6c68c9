import type { Agent, DesiredState, Issuer, Revoked, Site, Tenant } from '../../src/model/desired-state.js';
import type { Target } from '../../src/model/target.js';

/** Values of the model for tests that say only what they are about. */

export interface StateParts {
  readonly names?: readonly string[];
  readonly revoked?: Partial<Revoked>;
  readonly issuers?: readonly Issuer[];
  readonly tenants?: readonly (Partial<Tenant> & { readonly name: string })[];
  readonly agents?: readonly (Partial<Agent> & { readonly name: string })[];
  readonly sites?: readonly (Partial<Site> & Pick<Site, 'name' | 'agents'>)[];
}

/** By default a gateway `gw-0` with the name `gateway.example`, timeouts 10 s (at most 120 s) less 500 ms, no tenant, no agent. */
export function desiredState({ names = ['gateway.example'], tenants = [], agents = [], sites = [], revoked = {}, issuers = [] }: StateParts = {}): DesiredState {
  const listener = { host: '127.0.0.1', port: 0, certificateChainPem: '', privateKeyPem: '' };
  return {
    gateway: {
      id: 'gw-0',
      names,
      scrape: { ...listener, clientCaPem: undefined },
      agents: { ...listener, clientCaPem: '' },
      limits: { maxConnections: 1000, maxScrapeConnections: 500, defaultScrapeTimeoutMs: 10_000, maxScrapeTimeoutMs: 120_000, deadlineMarginMs: 500 },
      accessLogPath: '/dev/stdout',
      revoked: { serials: [], sans: [], ...revoked },
      issuers,
    },
    tenants: tenants.map((tenant) => ({
      credentials: [],
      scrape: [{ agents: undefined, targets: undefined, selector: undefined }],
      limits: { requestsPerSecond: 100, burst: 100 },
      ...tenant,
    })),
    agents: agents.map((agent) => ({ san: { type: 'uri', value: `spiffe://scrapeway/agent/${agent.name}` }, tenants: [], maxTargets: 1000, ...agent })),
    sites: sites.map((site) => ({ order: 'preference', hedge: undefined, ...site })),
  };
}

/** By default `http://127.0.0.1:9100/metrics` without labels. */
export function target(name: string, parts: Partial<Omit<Target, 'name'>> = {}): Target {
  return { name, scheme: 'http', host: '127.0.0.1', port: 9100, path: '/metrics', labels: {}, ...parts };
}
