import type { Site } from '../model/desired-state.js';
import type { Draft } from './draft.js';
import type { GatewayFile, SiteFile } from './gateway-file.js';
import { createClaims, named, unknownName } from './references.js';
import type { Known } from './references.js';
import type { Path } from './yaml-source.js';

/**
 * Sites with several agents. A site's name stands wherever an agent's can, so the two share their names, and an agent is in one
 * site at most; who may scrape a site must not depend on who answers, so its members serve the same tenants.
 */

const MIN_HEDGE_MS = 10;
const MAX_HEDGE_MS = 60_000;

export async function compileSites(draft: Draft, file: Pick<GatewayFile, 'sites'> & Known): Promise<Site[]> {
  const claim = createClaims(draft);
  for (const [name] of named(file.agents) ?? []) claim(`name ${name}`, ['agents'], () => '');
  return draft.list(['sites'], () => file.sites, async (site, place) => {
    claim(`name ${site.name}`, [...place, 'name'], (first) => `the name "${site.name}" is taken by ${first}; a site is scraped by its name as an agent is`);
    const agents = await draft.list([...place, 'agents'], () => site.agents, (agent, agentPlace) => {
      claim(`member ${agent}`, agentPlace, (first) => `the agent "${agent}" is a member at ${first} already`);
      checkMember(draft, file, { site, agent, place: agentPlace });
      return agent;
    });
    const hedge = site.hedge === undefined || site.hedge === 'p95' ? site.hedge : draft.durationMs([...place, 'hedge'], site.hedge, { minMs: MIN_HEDGE_MS, maxMs: MAX_HEDGE_MS });
    return { name: site.name, agents, order: site.order, hedge };
  });
}

function checkMember(draft: Draft, file: Known, { site, agent, place }: { readonly site: SiteFile; readonly agent: string; readonly place: Path }): void {
  const agents = named(file.agents);
  if (agents === undefined) return;
  const member = agents.get(agent);
  const first = agents.get(site.agents[0] ?? '');
  if (member === undefined) return draft.fault(place, unknownName('agent', agent, [...agents.keys()]));
  if (first === undefined || sameSet(member.tenants, first.tenants)) return;
  draft.fault(place, `the agent "${agent}" serves other tenants than "${first.name}"; all members of a site must serve the same`);
}

function sameSet(one: unknown, other: unknown): boolean {
  // A list that is itself a fault is told where it stands.
  return !Array.isArray(one) || !Array.isArray(other) || JSON.stringify([...new Set(one)].toSorted()) === JSON.stringify([...new Set(other)].toSorted());
}
