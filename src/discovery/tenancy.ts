import { credentialId } from '../model/credential-id.js';
import type { DesiredState, Site, Template } from '../model/desired-state.js';
import { compileRights, compileScope } from '../model/grants.js';
import type { ScrapeRights } from '../model/grants.js';
import { siteOffer } from '../model/sites.js';
import { compileSelector } from '../model/selector.js';
import type { Target } from '../model/target.js';

/** What http_sd takes from the configuration, compiled: rights, scopes of credentials, templates. */
export interface Tenancy {
  rightsOf(tenant: string): ScrapeRights | undefined;
  /** Whether every one of these credentials (ids parted by spaces, as stamped) may be used for the target. */
  isCovered(credentials: string, agent: string, target: Target): boolean;
  hints(agent: string, target: Target): Readonly<Record<string, string>>;
  readonly sites: readonly Site[];
  /** The agents behind a name: the members of a site, else the agent itself. */
  agentsOf(name: string): readonly string[];
  /** What is listed under each name, from what each agent offers. */
  listed(offered: Offered): Offered;
}

type Offered = ReadonlyMap<string, readonly Target[]>;

type Scope = (agent: string, target: Target) => boolean;

export function compileTenancy(state: DesiredState): Tenancy {
  const rights = compileRights(state);
  const { sites = [] } = state;
  const members = new Map(sites.map(({ name, agents }) => [name, agents]));
  const scopes = new Map<string, Scope>();
  for (const credential of state.tenants.flatMap(({ credentials }) => credentials)) {
    if (credential.scope !== undefined) scopes.set(credentialId(credential), compileScope(credential.scope));
  }
  const hints = (state.templates ?? []).map(compileHint);
  return {
    rightsOf: (tenant) => rights.get(tenant),
    isCovered: (credentials, agent, target) => credentials.split(' ').every((id) => scopes.get(id)?.(agent, target) ?? true),
    sites,
    agentsOf: (name) => members.get(name) ?? [name],
    listed: (offered) => (sites.length === 0 ? offered : new Map([...offered, ...sites.map((site) => [site.name, listedAt(site, offered)] as const)])),
    hints: (agent, target) => hints.find(({ matches }) => matches(agent, target))?.labels ?? {},
  };
}

/** Once, whoever of the members offers it. */
function listedAt(site: Site, offered: Offered): readonly Target[] {
  return [...siteOffer(site, offered).values()].map(({ target }) => target);
}

/** facts/prometheus-scrape.md §3: these two labels override the scrape_config for one target. */
function compileHint({ selector, scrapeInterval, scrapeTimeout }: Template): { readonly matches: Scope; readonly labels: Readonly<Record<string, string>> } {
  const test = compileSelector(selector);
  return {
    matches: (agent, target) => test({ ...target.labels, agent, target: target.name }),
    labels: { ...(scrapeInterval !== undefined && { __scrape_interval__: scrapeInterval }), ...(scrapeTimeout !== undefined && { __scrape_timeout__: scrapeTimeout }) },
  };
}
