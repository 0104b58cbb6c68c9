import { parseSelector } from '../model/selector.js';
import { agentUri } from '../model/identity.js';
import type { Agent, Credential, ScrapeGrant, Tenant } from '../model/desired-state.js';
import type { Selector } from '../model/selector.js';
import { compileCredential, compileSan, credentialKey } from './credentials.js';
import type { Draft } from './draft.js';
import type { AgentEntryFile, GatewayFile, GrantFile, TenantFile } from './gateway-file.js';
import { suggest } from './suggest.js';
import { formatPath } from './yaml-source.js';
import type { Path } from './yaml-source.js';

/**
 * Tenants and agents of the gateway's file: each entry on its own first, then what must hold between them (names once,
 * credentials once, references to what there is).
 */

export async function compileTenants(draft: Draft, file: GatewayFile): Promise<Tenant[]> {
  const claim = createClaims(draft);
  const tenants = await draft.list(['tenants'], () => file.tenants, (tenant, place) => compileTenant(draft, place, tenant, claim));
  await draft.list(['tenants'], () => file.tenants, (tenant, place) => checkGrants(draft, file, { tenant, place }));
  return tenants;
}

export async function compileAgents(draft: Draft, file: GatewayFile): Promise<Agent[]> {
  const claim = createClaims(draft);
  return draft.list(['agents'], () => file.agents, (agent, place) => compileAgent(draft, place, { agent, file, claim }));
}

/** Reports the second and every further use of something that must be unique, naming the place of the first. True for the first. */
type Claim = (what: string, place: Path, message: (first: string) => string) => boolean;

function createClaims(draft: Draft): Claim {
  const owners = new Map<string, string>();
  return (what, place, message) => {
    const first = owners.get(what);
    if (first === undefined) owners.set(what, formatPath(place));
    else draft.fault(place, message(first));
    return first === undefined;
  };
}

async function compileTenant(draft: Draft, place: Path, file: TenantFile, claim: Claim): Promise<Tenant> {
  claim(`name ${file.name}`, [...place, 'name'], (first) => `the tenant name "${file.name}" is taken by ${first}`);
  const credentials = await draft.list([...place, 'credentials'], () => file.credentials, async (entry, entryPlace) => {
    const credential = await compileCredential(draft, entryPlace, entry);
    if (credential !== undefined) claim(credentialKey(credential), entryPlace, (first) => `${CLAIMED[credential.kind]} stands at ${first} already; a request could not be told apart`);
    return credential;
  });
  const scrape = await draft.list([...place, 'scrape'], () => file.scrape, (grant, grantPlace) => compileGrant(draft, grantPlace, grant));
  const { requestsPerSecond, burst = requestsPerSecond } = file.limits;
  return { name: file.name, credentials, scrape, limits: { requestsPerSecond, burst } };
}

const CLAIMED: Readonly<Record<Credential['kind'], string>> = {
  certificate: 'this name in a certificate',
  basic: 'this user',
  bearer: 'this token',
};

function compileGrant(draft: Draft, place: Path, { agents, targets, selector }: GrantFile): ScrapeGrant {
  return { agents, targets, selector: selector === undefined ? undefined : compileSelectorText(draft, [...place, 'selector'], selector) };
}

function compileSelectorText(draft: Draft, place: Path, text: string): Selector | undefined {
  const parsed = parseSelector(text, formatPath(place));
  if (parsed.ok) return parsed.value;
  for (const { message } of parsed.error) draft.fault(place, message);
  return undefined;
}

/** A grant on an agent that does not serve the tenant could never match: the file contradicts itself. */
async function checkGrants(draft: Draft, file: GatewayFile, { tenant, place }: { readonly tenant: TenantFile; readonly place: Path }): Promise<void> {
  const agents = named(file.agents);
  if (agents === undefined) return;
  for (const [index, grant] of tenant.scrape.entries()) {
    await draft.list([...place, 'scrape', index, 'agents'], () => grant.agents ?? [], (name, namePlace) => {
      const agent = agents.get(name);
      if (agent === undefined) draft.fault(namePlace, unknownName('agent', name, [...agents.keys()]));
      else if (Array.isArray(agent.tenants) && !agent.tenants.includes(tenant.name)) draft.fault(namePlace, `the agent "${name}" does not serve this tenant; add "${tenant.name}" to its tenants`);
    });
  }
}

async function compileAgent(draft: Draft, place: Path, { agent, file, claim }: { readonly agent: AgentEntryFile; readonly file: GatewayFile; readonly claim: Claim }): Promise<Agent> {
  const { name, tenants, maxTargets } = agent;
  const isFirst = claim(`name ${name}`, [...place, 'name'], (first) => `the agent name "${name}" is taken by ${first}`);
  const san = agent.certificate === undefined ? ({ type: 'uri', value: agentUri(name) } as const) : compileSan(agent.certificate);
  // A name that is taken has its default certificate taken too: one mistake, told once.
  if (isFirst || agent.certificate !== undefined) claim(`${san.type} ${san.value}`, [...place, agent.certificate === undefined ? 'name' : 'certificate'], (first) => `the name in its certificate is that of ${first} already; the two could not be told apart`);
  const known = named(file.tenants);
  await draft.list([...place, 'tenants'], () => tenants, (tenant, tenantPlace) => {
    if (known !== undefined && !known.has(tenant)) draft.fault(tenantPlace, unknownName('tenant', tenant, [...known.keys()]));
  });
  return { name, san, tenants, maxTargets };
}

function unknownName(kind: string, name: string, known: readonly string[]): string {
  const meant = suggest(name, known);
  return `no ${kind} has the name "${name}"${meant === undefined ? '' : `; did you mean "${meant}"?`}`;
}

/** For looking names up only: undefined where the list, or the name of an entry, is itself a fault, and a miss would prove nothing. */
function named<T extends { readonly name: string }>(items: readonly (T | null)[]): ReadonlyMap<string, T> | undefined {
  if (!Array.isArray(items)) return undefined;
  const found = new Map<string, T>();
  for (const item of items) {
    if (typeof item?.name !== 'string') return undefined;
    found.set(item.name, item);
  }
  return found;
}
