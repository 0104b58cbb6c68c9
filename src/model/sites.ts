import { hash } from 'node:crypto';
import type { Agent, DesiredState, Site } from './desired-state.js';
import type { Target } from './target.js';

/**
 * Sites with several agents. The one idea (ADR 31): to whoever scrapes, a site *is* an agent; its members exist only where tunnels
 * are. So rights, paths, http_sd and the audit line know one name, and this is where the members' offers become one.
 */

/** What a request can name: an agent that stands for itself, or a site. */
export type Scrapable = Pick<Agent, 'name' | 'tenants'>;

/** A site serves the tenants that all of its members serve; the configuration sees to it that they agree. */
export function scrapables({ agents, sites = [] }: DesiredState): readonly Scrapable[] {
  const members = new Set(sites.flatMap((site) => site.agents));
  const tenantsOf = new Map(agents.map(({ name, tenants }) => [name, tenants]));
  const served = (site: Site): readonly string[] => (tenantsOf.get(site.agents[0] ?? '') ?? []).filter((tenant) => site.agents.every((agent) => tenantsOf.get(agent)?.includes(tenant)));
  return [...agents.filter(({ name }) => !members.has(name)), ...sites.map((site) => ({ name: site.name, tenants: served(site) }))];
}

/** Member → its site. */
export function sitesByMember({ sites = [] }: Pick<DesiredState, 'sites'>): ReadonlyMap<string, Site> {
  return new Map(sites.flatMap((site) => site.agents.map((agent) => [agent, site] as const)));
}

export interface Member {
  readonly agent: string;
  /** As this member has registered it. */
  readonly target: Target;
}

/** A target of a site. */
export interface SiteTarget {
  /** As it is listed: as the first member has it that has it, in the order of the configuration, whether or not it is connected. */
  readonly target: Target;
  /** Those that can answer for it, in the order in which they are asked. */
  readonly members: readonly Member[];
}

/** What a site offers, by target name. `offered`: what each agent has registered, as far as it is known. */
export function siteOffer(site: Site, offered: ReadonlyMap<string, readonly Target[]>): ReadonlyMap<string, SiteTarget> {
  const found = new Map<string, { readonly target: Target; readonly members: Member[] }>();
  for (const agent of site.agents) {
    for (const target of offered.get(agent) ?? []) {
      const known = found.get(target.name);
      if (known === undefined) found.set(target.name, { target, members: [{ agent, target }] });
      else if (standsIn(known.target, target)) known.members.push({ agent, target });
    }
  }
  if (site.order === 'spread') for (const [name, { members }] of found) members.sort((a, b) => (rank(a.agent, name) < rank(b.agent, name) ? -1 : 1));
  return found;
}

/** What is asked for is made of scheme and path; the address may well be another where members stand in different networks. */
function standsIn(listed: Target, other: Target): boolean {
  return listed.scheme === other.scheme && listed.path === other.path;
}

/** Stable, and independent for each target: a member that comes or goes moves only the targets that it gains or loses. */
function rank(agent: string, target: string): string {
  return hash('sha256', `${agent}/${target}`, 'hex');
}

/** Names of targets that members have registered differently, in whatever part: one name should be one thing. */
export function disagreements(site: Site, offered: ReadonlyMap<string, readonly Target[]>): readonly string[] {
  const listed = siteOffer(site, offered);
  const others = site.agents.flatMap((agent) => offered.get(agent) ?? []);
  const differ = others.filter((target) => fingerprint(target) !== fingerprint(listed.get(target.name)?.target ?? target));
  return [...new Set(differ.map(({ name }) => name))];
}

function fingerprint({ labels, ...rest }: Target): string {
  return JSON.stringify([Object.entries(rest).toSorted(), Object.entries(labels).toSorted()]);
}
