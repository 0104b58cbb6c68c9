import { parseSelector } from '../model/selector.js';
import { agentUri } from '../model/identity.js';
import type { Agent, CredentialTerms, ScrapeGrant, Tenant, TenantLimits } from '../model/desired-state.js';
import type { Selector } from '../model/selector.js';
import { compileQueryGrant, compileQueryLimits } from './backends.js';
import { compilePush } from './push-targets.js';
import { claimCredential, compileCredential, compileExpiry, compileSan } from './credentials.js';
import type { Draft } from './draft.js';
import type { AgentEntryFile, CredentialFile, GatewayFile, GrantFile, SiteFile, TenantFile } from './gateway-file.js';
import { checkExportTerms, compileExports } from './exports.js';
import { createClaims, named, unknownName } from './references.js';
import type { Claim, Known } from './references.js';
import { parseSize } from './units.js';
import { formatPath } from './yaml-source.js';
import type { Path } from './yaml-source.js';

/**
 * Tenants and agents of the gateway's file: each entry on its own first, then what must hold between them (names once,
 * credentials once, references to what there is).
 */

const DAY_MS = 86_400_000;
const MAX_DRY_RUN_MS = 31 * DAY_MS;

export async function compileTenants(draft: Draft, file: Pick<GatewayFile, 'tenants'> & Known): Promise<Tenant[]> {
  const claim = createClaims(draft);
  const tenants = await draft.list(['tenants'], () => file.tenants, (tenant, place) => compileTenant(draft, place, { tenant, file, claim }));
  await draft.list(['tenants'], () => file.tenants, (tenant, place) => checkGrants(draft, file, { tenant, place }));
  return tenants;
}

export async function compileAgents(draft: Draft, file: Pick<GatewayFile, 'agents'> & Known): Promise<Agent[]> {
  const claim = createClaims(draft);
  return draft.list(['agents'], () => file.agents, (agent, place) => compileAgent(draft, place, { agent, file, claim }));
}

async function compileTenant(draft: Draft, place: Path, { tenant: own, file, claim }: { readonly tenant: TenantFile; readonly file: Known; readonly claim: Claim }): Promise<Tenant> {
  claim(`name ${own.name}`, [...place, 'name'], (first) => `the tenant name "${own.name}" is taken by ${first}`);
  const credentials = await draft.list([...place, 'credentials'], () => own.credentials, async (entry, entryPlace) => {
    const proof = await compileCredential(draft, entryPlace, entry);
    const credential = proof && { ...proof, ...compileTerms(draft, entryPlace, entry) };
    if (credential !== undefined) claimCredential(claim, entryPlace, credential);
    return credential;
  });
  const scrape = await draft.list([...place, 'scrape'], () => own.scrape, (grant, grantPlace) => compileGrant(draft, grantPlace, grant));
  const deny = await draft.list([...place, 'deny'], () => own.deny, (grant, grantPlace) => compileGrant(draft, grantPlace, grant));
  const query = own.query && (await draft.list([...place, 'query'], () => own.query ?? [], (grant, grantPlace) => compileQueryGrant(draft, grantPlace, { grant, file })));
  const queryDryRunUntilMs = compileDryRun(draft, [...place, 'queryDryRun'], own.queryDryRun?.until);
  const metricAccess = own.metricAccess && (await compileMetricAccess(draft, [...place, 'metricAccess'], { access: own.metricAccess, file }));
  const exports = own.exports && (await compileExports(draft, [...place, 'exports'], { tenant: own, file }));
  return { name: own.name, credentials, scrape, deny, ...(metricAccess && { metricAccess }), ...(exports && { exports }), ...(query && { query }), ...(queryDryRunUntilMs !== undefined && { queryDryRunUntilMs }), ...(own.push && { push: compilePush(draft, [...place, 'push'], { names: own.push, file }) }), limits: compileLimits(draft, [...place, 'limits'], own.limits) };
}

/** The tenant sees everything meanwhile: nobody must forget it, so it is never far away. One that is over is no fault. */
function compileDryRun(draft: Draft, place: Path, until: string | undefined): number | undefined {
  if (until === undefined) return undefined;
  const untilMs = Date.parse(until);
  if (Number.isNaN(untilMs)) draft.fault([...place, 'until'], 'there is no such time');
  else if (untilMs - draft.nowMs > MAX_DRY_RUN_MS) draft.fault([...place, 'until'], `more than ${MAX_DRY_RUN_MS / DAY_MS} days away; the tenant's rules do not hold until then`);
  return untilMs;
}

async function compileMetricAccess(draft: Draft, place: Path, { access, file }: { readonly access: NonNullable<TenantFile['metricAccess']>; readonly file: Known }): Promise<NonNullable<Tenant['metricAccess']>> {
  const within = await draft.list([...place, 'within'], () => access.within, (grant, grantPlace) => compileQueryGrant(draft, grantPlace, { grant, file }));
  if (access.exports !== undefined) checkExportTerms(draft, [...place, 'exports'], access.exports, file);
  return { namespaces: access.namespaces, within, exports: access.exports };
}

function compileLimits(draft: Draft, place: Path, { requestsPerSecond, burst = requestsPerSecond, maxConcurrentScrapes, maxBodySize, query }: TenantFile['limits']): TenantLimits {
  const maxBodyBytes = maxBodySize === undefined ? undefined : parseSize(maxBodySize);
  return { requestsPerSecond, burst, maxConcurrentScrapes, maxBodyBytes, ...(query && { query: compileQueryLimits(draft, [...place, 'query'], query) }) };
}

/** What a credential may be used for, and until when. */
function compileTerms(draft: Draft, place: Path, { expires, scope, issuer, certificate }: CredentialFile): CredentialTerms & { readonly issuer?: string } {
  if (issuer !== undefined && certificate === undefined) draft.fault([...place, 'issuer'], 'is for `certificate` only');
  return {
    expiresMs: compileExpiry(draft, place, expires),
    scope: scope?.map((grant, index) => compileGrant(draft, [...place, 'scope', index], grant)),
    ...(issuer !== undefined && { issuer }),
  };
}

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
async function checkGrants(draft: Draft, file: Known, { tenant, place }: { readonly tenant: TenantFile; readonly place: Path }): Promise<void> {
  const agents = named(file.agents);
  const sites = named(file.sites);
  if (agents === undefined || sites === undefined) return;
  const siteOf = (agent: string): SiteFile | undefined => file.sites?.find((site) => Array.isArray(site.agents) && site.agents.includes(agent));
  const served = (name: string): readonly string[] | undefined => (agents.get(name) ?? agents.get(sites.get(name)?.agents?.[0] ?? ''))?.tenants;
  for (const list of ['scrape', 'deny'] as const) {
    for (const [index, grant] of tenant[list].entries()) {
      await draft.list([...place, list, index, 'agents'], () => grant.agents ?? [], (name, namePlace) => {
        const site = siteOf(name);
        if (site !== undefined) return draft.fault(namePlace, `the agent "${name}" is scraped as the site "${site.name}"; name that instead`);
        if (list === 'deny') return;
        const tenants = served(name);
        if (!agents.has(name) && !sites.has(name)) draft.fault(namePlace, unknownName('agent', name, [...agents.keys(), ...sites.keys()]));
        else if (Array.isArray(tenants) && !tenants.includes(tenant.name)) draft.fault(namePlace, `the agent "${name}" does not serve this tenant; add "${tenant.name}" to its tenants`);
      });
    }
  }
}

async function compileAgent(draft: Draft, place: Path, { agent, file, claim }: { readonly agent: AgentEntryFile; readonly file: Known; readonly claim: Claim }): Promise<Agent> {
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
