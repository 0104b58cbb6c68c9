import { compileSelector } from './selector.js';
import type { LabelTest } from './selector.js';
import type { DesiredState, ScrapeGrant, Template, Tenant } from './desired-state.js';
import { scrapables } from './sites.js';
import type { Target } from './target.js';

/**
 * Who may scrape what. The whole rule, and the only place that holds it:
 *
 *   tenant T may scrape target X of agent A  ⇔  A.tenants includes T  AND  some grant of T matches (A, X)
 *                                               AND  no deny of T does.
 *
 * The first part is the ceiling that the operator sets per site, which nothing that an agent registers can widen; the second
 * is what the tenant was given, the third what was taken from that: deny beats allow. ext_authz decides by it and http_sd lists by it, so that a listed target is a scrapable one.
 */
export interface ScrapeRights {
  /** The agents that serve this tenant; a site with several is one (`sites.ts`). */
  readonly agents: ReadonlySet<string>;
  /** The rule that lets the tenant scrape this target, as the audit line names it (`tenants/team-a/scrape[0]`), or undefined. */
  ruleFor(agent: string, target: Target): string | undefined;
  /** The rule that takes away what a grant gives (`tenants/team-a/deny[0]`); undefined where none does. For the audit line. */
  denyFor(agent: string, target: Target): string | undefined;
  /**
   * Whether any grant could match a target of this agent (of this name, where one is given) if it registered: tells "not there
   * yet" from "never yours".
   */
  couldReach(agent: string, targetName?: string): boolean;
}

interface CompiledGrant {
  readonly rule: string;
  readonly agents: ReadonlySet<string> | undefined;
  readonly targets: ReadonlySet<string> | undefined;
  readonly labelsMatch: LabelTest | undefined;
}

/** The rights of every tenant, by the tenant's name. Costs O(tenants + agents), whatever the number of targets. */
export function compileRights(state: DesiredState): ReadonlyMap<string, ScrapeRights> {
  const agentsOf = new Map<string, Set<string>>(state.tenants.map((tenant) => [tenant.name, new Set()]));
  for (const agent of scrapables(state)) for (const tenant of agent.tenants) agentsOf.get(tenant)?.add(agent.name);
  return new Map(state.tenants.map((tenant) => [tenant.name, tenantRights(tenant, agentsOf.get(tenant.name) ?? new Set())]));
}

function tenantRights(tenant: Tenant, agents: ReadonlySet<string>): ScrapeRights {
  const grants = compileGrants(tenant.scrape, `tenants/${tenant.name}/scrape`);
  const denies = compileGrants(tenant.deny ?? [], `tenants/${tenant.name}/deny`);
  const denyFor = (agent: string, target: Target): string | undefined => firstMatch(denies, agent, target);
  return {
    agents,
    ruleFor: (agent, target) => (agents.has(agent) && denyFor(agent, target) === undefined ? firstMatch(grants, agent, target) : undefined),
    denyFor: (agent, target) => (agents.has(agent) ? denyFor(agent, target) : undefined),
    couldReach: (agent, targetName) => agents.has(agent) && grants.some((grant) => namesMatch(grant, agent, targetName)),
  };
}

/** Whether any of some grants matches, apart from any tenant: a credential's scope. */
export function compileScope(scope: readonly ScrapeGrant[]): (agent: string, target: Target) => boolean {
  const grants = compileGrants(scope, 'scope');
  return (agent, target) => firstMatch(grants, agent, target) !== undefined;
}

function compileGrants(grants: readonly ScrapeGrant[], place: string): readonly CompiledGrant[] {
  return grants.map((grant, index) => compileGrant(grant, grant.rule ?? `${place}[${index}]`));
}

/** The rule of the first grant that matches. */
function firstMatch(grants: readonly CompiledGrant[], agent: string, target: Target): string | undefined {
  if (grants.length === 0) return undefined;
  // Ours last: a registration cannot pass for another agent or target by labels of these names.
  const labels = { ...target.labels, agent, target: target.name };
  return grants.find((grant) => namesMatch(grant, agent, target.name) && (grant.labelsMatch?.(labels) ?? true))?.rule;
}

function compileGrant(grant: ScrapeGrant, rule: string): CompiledGrant {
  return {
    rule,
    agents: grant.agents && new Set(grant.agents),
    targets: grant.targets && new Set(grant.targets),
    labelsMatch: grant.selector && compileSelector(grant.selector),
  };
}

function namesMatch(grant: CompiledGrant, agent: string, targetName: string | undefined): boolean {
  if (grant.agents !== undefined && !grant.agents.has(agent)) return false;
  return grant.targets === undefined || targetName === undefined || grant.targets.has(targetName);
}

/** A template is no new kind of right: it is a grant in the list of each of its tenants, named after it. */
export function withTemplateGrants(tenants: readonly Tenant[], templates: readonly Template[]): readonly Tenant[] {
  if (templates.length === 0) return tenants;
  const grants = new Map<string, ScrapeGrant[]>();
  for (const { name, selector, tenants: names } of templates) {
    for (const tenant of names) grants.set(tenant, [...(grants.get(tenant) ?? []), { rule: `templates/${name}`, agents: undefined, targets: undefined, selector }]);
  }
  return tenants.map((tenant) => {
    const given = grants.get(tenant.name);
    return given === undefined ? tenant : { ...tenant, scrape: [...tenant.scrape, ...given] };
  });
}
