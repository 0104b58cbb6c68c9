import type { DesiredState, ScrapeGrant, Tenant } from '../model/desired-state.js';
import { compileSelector, formatSelector } from '../model/selector.js';
import { scrapables, sitesByMember } from '../model/sites.js';
import type { Target } from '../model/target.js';

/**
 * Why a tenant may or may not scrape a target: the same rule as `model/grants.ts`, told step by step. It is for operators on the
 * gateway's own machine: it says what a refusal to the client must not.
 */
export interface Explanation {
  readonly allowed: boolean;
  /** Lines for a person, in the order in which the rule asks. */
  readonly steps: readonly Step[];
}

export interface Step {
  /** `decides`: this is the rule that decided; `no`: it does not match, `why` says where it parts. */
  readonly outcome: 'ok' | 'no' | 'decides';
  /** As the audit line names it. */
  readonly rule: string;
  readonly why: string;
}

export interface Subject {
  readonly tenant: string;
  readonly agent: string;
  /** Undefined: the agent has registered no target of this name. */
  readonly target: Target | undefined;
  readonly targetName: string;
}

export function explainScrape(state: DesiredState, subject: Subject): Explanation {
  const tenant = state.tenants.find(({ name }) => name === subject.tenant);
  const agent = scrapables(state).find(({ name }) => name === subject.agent);
  const site = sitesByMember(state).get(subject.agent);
  const refuse = (...steps: readonly Step[]): Explanation => ({ allowed: false, steps });
  if (tenant === undefined) return refuse({ outcome: 'decides', rule: `tenants/${subject.tenant}`, why: 'no tenant has this name' });
  if (site !== undefined) return refuse({ outcome: 'decides', rule: `agents/${subject.agent}`, why: `is a member of the site ${site.name}; targets are asked for by that name` });
  if (agent === undefined) return refuse({ outcome: 'decides', rule: `agents/${subject.agent}`, why: 'no agent has this name' });
  const rule = `agents/${agent.name}`;
  if (!agent.tenants.includes(tenant.name)) {
    return refuse({ outcome: 'decides', rule, why: `the agent serves ${agent.tenants.join(', ')}, not this tenant; no grant reaches beyond that` });
  }
  const serves: Step = { outcome: 'ok', rule, why: 'the agent serves this tenant' };
  if (subject.target === undefined) {
    return refuse(serves, { outcome: 'decides', rule: `${rule}/${subject.targetName}`, why: 'the agent has registered no target of this name' });
  }
  return explainRules(tenant, subject.agent, subject.target, serves);
}

function explainRules(tenant: Tenant, agent: string, target: Target, serves: Step): Explanation {
  const denies = judge(tenant.deny ?? [], `tenants/${tenant.name}/deny`, agent, target);
  const grants = judge(tenant.scrape, `tenants/${tenant.name}/scrape`, agent, target);
  const denied = denies.some(({ outcome }) => outcome === 'decides');
  const granted = grants.some(({ outcome }) => outcome === 'decides');
  if (denied) return { allowed: false, steps: [serves, ...denies] };
  const nothing: Step[] = granted ? [] : [{ outcome: 'decides', rule: `tenants/${tenant.name}`, why: 'no grant matches' }];
  return { allowed: granted, steps: [serves, ...denies, ...grants, ...nothing] };
}

/** Each rule of a list up to the first that matches. */
function judge(rules: readonly ScrapeGrant[], place: string, agent: string, target: Target): Step[] {
  const steps: Step[] = [];
  for (const [index, grant] of rules.entries()) {
    const why = whyNot(grant, agent, target);
    steps.push({ outcome: why === undefined ? 'decides' : 'no', rule: grant.rule ?? `${place}[${index}]`, why: why ?? 'matches' });
    if (why === undefined) break;
  }
  return steps;
}

/** The first part of a grant that does not match; undefined where all do. */
function whyNot({ agents, targets, selector }: ScrapeGrant, agent: string, target: Target): string | undefined {
  if (agents !== undefined && !agents.includes(agent)) return `is for the agents ${agents.join(', ')}`;
  if (targets !== undefined && !targets.includes(target.name)) return `is for the targets ${targets.join(', ')}`;
  if (selector === undefined) return undefined;
  const labels: Readonly<Record<string, string>> = { ...target.labels, agent, target: target.name };
  if (compileSelector(selector)(labels)) return undefined;
  const missed = selector.filter((matcher) => !compileSelector([matcher])(labels));
  return `${formatSelector(missed)} does not match ${missed.map(({ label }) => `${label}=${JSON.stringify(labels[label] ?? '')}`).join(', ')}`;
}
