import { parseSelector } from '../model/selector.js';
import { agentUri } from '../model/identity.js';
import type { Agent, Credential, CredentialTerms, ScrapeGrant, Tenant, TenantLimits } from '../model/desired-state.js';
import type { Selector } from '../model/selector.js';
import { compileCredential, compileSan, credentialKey } from './credentials.js';
import type { Draft } from './draft.js';
import type { AgentEntryFile, CredentialFile, GatewayFile, GrantFile, TenantFile } from './gateway-file.js';
import { suggest } from './suggest.js';
import { parseSize } from './units.js';
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

/** Reports the second and every further use of something that must be unique, naming the place of the first. */
type Claim = (what: string, place: Path, message: (first: string) => string) => void;

export function createClaims(draft: Draft): Claim {
  const owners = new Map<string, string>();
  return (what, place, message) => {
    const first = owners.get(what);
    if (first === undefined) owners.set(what, formatPath(place));
    else draft.fault(place, message(first));
  };
}

async function compileTenant(draft: Draft, place: Path, file: TenantFile, claim: Claim): Promise<Tenant> {
  claim(`name ${file.name}`, [...place, 'name'], (first) => `the tenant name "${file.name}" is taken by ${first}`);
  const credentials = await draft.list([...place, 'credentials'], () => file.credentials, async (entry, entryPlace) => {
    const proof = await compileCredential(draft, entryPlace, entry);
    const credential = proof && { ...proof, ...compileTerms(draft, entryPlace, entry) };
    if (credential !== undefined) claim(credentialKey(credential), entryPlace, (first) => `${CLAIMED[credential.kind]} stands at ${first} already; a request could not be told apart`);
    return credential;
  });
  const scrape = await draft.list([...place, 'scrape'], () => file.scrape, (grant, grantPlace) => compileGrant(draft, grantPlace, grant));
  const deny = await draft.list([...place, 'deny'], () => file.deny, (grant, grantPlace) => compileGrant(draft, grantPlace, grant));
  return { name: file.name, credentials, scrape, deny, limits: compileLimits(file.limits) };
}

function compileLimits({ requestsPerSecond, burst = requestsPerSecond, maxConcurrentScrapes, maxBodySize }: TenantFile['limits']): TenantLimits {
  return { requestsPerSecond, burst, maxConcurrentScrapes, maxBodyBytes: maxBodySize === undefined ? undefined : parseSize(maxBodySize) };
}

/** What a credential may be used for, and until when. */
function compileTerms(draft: Draft, place: Path, { expires, scope, issuer, certificate }: CredentialFile): CredentialTerms & { readonly issuer?: string } {
  const expiresMs = expires === undefined ? undefined : Date.parse(expires);
  if (expiresMs !== undefined && Number.isNaN(expiresMs)) draft.fault([...place, 'expires'], 'is not a time');
  else if (expiresMs !== undefined && expiresMs <= draft.nowMs) draft.warn([...place, 'expires'], 'has passed; the credential is not taken any more and can be removed');
  if (issuer !== undefined && certificate === undefined) draft.fault([...place, 'issuer'], 'is for `certificate` only');
  return {
    expiresMs,
    scope: scope?.map((grant, index) => compileGrant(draft, [...place, 'scope', index], grant)),
    ...(issuer !== undefined && { issuer }),
  };
}

const CLAIMED: Readonly<Record<Credential['kind'], string>> = {
  certificate: 'this name in a certificate',
  basic: 'this user',
  bearer: 'this token',
  jwt: 'this set of claims',
};

function compileGrant(draft: Draft, place: Path, { agents, targets, selector }: GrantFile): ScrapeGrant {
  return { agents, targets, selector: selector === undefined ? undefined : compileSelectorText(draft, [...place, 'selector'], selector) };
}

export function compileSelectorText(draft: Draft, place: Path, text: string): Selector | undefined {
  const parsed = parseSelector(text, formatPath(place));
  if (parsed.ok) return parsed.value;
  for (const { message } of parsed.error) draft.fault(place, message);
  return undefined;
}

/** A grant on an agent that does not serve the tenant could never match: the file contradicts itself. */
async function checkGrants(draft: Draft, file: GatewayFile, { tenant, place }: { readonly tenant: TenantFile; readonly place: Path }): Promise<void> {
  const agents = new Map(listed(file.agents).map((agent) => [agent.name, agent]));
  for (const [index, grant] of tenant.scrape.entries()) {
    await draft.list([...place, 'scrape', index, 'agents'], () => grant.agents ?? [], (name, namePlace) => {
      const agent = agents.get(name);
      if (agent === undefined) draft.fault(namePlace, unknownName('agent', name, [...agents.keys()]));
      else if (!listed(agent.tenants).includes(tenant.name)) draft.fault(namePlace, `the agent "${name}" does not serve this tenant; add "${tenant.name}" to its tenants`);
    });
  }
}

async function compileAgent(draft: Draft, place: Path, { agent, file, claim }: { readonly agent: AgentEntryFile; readonly file: GatewayFile; readonly claim: Claim }): Promise<Agent> {
  const { name, tenants, maxTargets } = agent;
  claim(`name ${name}`, [...place, 'name'], (first) => `the agent name "${name}" is taken by ${first}`);
  const san = agent.certificate === undefined ? ({ type: 'uri', value: agentUri(name) } as const) : compileSan(agent.certificate);
  claim(`${san.type} ${san.value}`, agent.certificate === undefined ? [...place, 'name'] : [...place, 'certificate'], (first) => `the name in its certificate is that of ${first} already; the two could not be told apart`);
  const known = listed(file.tenants).map((tenant) => tenant.name);
  await draft.list([...place, 'tenants'], () => tenants, (tenant, tenantPlace) => {
    if (!known.includes(tenant)) draft.fault(tenantPlace, unknownName('tenant', tenant, known));
  });
  return { name, san, tenants, maxTargets };
}

export function unknownName(kind: string, name: string, known: readonly string[]): string {
  const meant = suggest(name, known);
  return `no ${kind} has the name "${name}"${meant === undefined ? '' : `; did you mean "${meant}"?`}`;
}

/** For looking names up only: a list that the schema may have refused, entries that are no maps left out. */
export function listed<T>(items: readonly T[]): readonly T[] {
  return Array.isArray(items) ? items.filter((item) => item !== null && item !== undefined) : [];
}
