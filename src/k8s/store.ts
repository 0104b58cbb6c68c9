import type { Fault, Result } from '../lib/result.js';
import type { Agent, Backend, DesiredState, ExportDestination, QueryGrant, Tenant } from '../model/desired-state.js';
import type { ExportReport } from '../model/export-report.js';
import { METRIC_ACCESS } from '../kube/kinds.js';
import type { Kind } from '../kube/kinds.js';
import { byAge } from './kube-object.js';
import type { KubeObject } from './kube-object.js';
import type { ObjectExport } from './object-export.js';
import { metricAccessStatus, objectStatus } from './status.js';
import type { StatusPatch } from './status.js';
import type { MetricAccessTerms, Translate } from './translate.js';

/**
 * File ∪ objects → the state that is wanted, and what is to be said of each object. Pure.
 *
 * The file comes first, then objects by age: whoever claims a name or a credential that is taken is refused alone. A reference to what
 * is not there gives nothing, and is told as a warning, so that the order in which objects come and go does not matter.
 */
export interface StoreInput {
  readonly file: DesiredState;
  readonly objects: readonly OwnObject[];
  /** `undefined`: MetricAccess is not read. */
  readonly accesses: { readonly objects: readonly KubeObject[]; readonly withoutTerms: 'deny' | 'own-namespace' } | undefined;
  /** The endpoints of a backend that are there now. */
  readonly resolve: (backend: Backend) => Backend;
  /** What an entry of the file claims for itself. */
  readonly claimsOf: ClaimsOf;
  /** Whether the service accounts of a namespace are the tenant of its name. The file's own tenants have that already. */
  readonly tenantFromNamespace: boolean;
  readonly clusterDomain?: string;
  /** What became of exports so far. */
  readonly reportOf?: (tenant: string, name: string) => ExportReport | undefined;
}

export interface ClaimsOf {
  tenant(tenant: Tenant): readonly string[];
  agent(agent: Agent): readonly string[];
  backend(backend: Backend): readonly string[];
}

/** A Tenant, an Agent or a Backend, compiled as an entry of the file would be. */
export interface OwnObject {
  readonly kind: Kind;
  readonly object: KubeObject;
  readonly compiled: Result<CompiledObject>;
}

export interface CompiledObject {
  readonly entry: Entry;
  readonly claims: readonly string[];
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

export type Entry =
  | { readonly kind: 'tenants'; readonly tenant: Tenant }
  | { readonly kind: 'agents'; readonly agent: Agent }
  | { readonly kind: 'backends'; readonly backend: Backend };

export interface StoreOutput {
  readonly state: DesiredState;
  /** What is to be said, for when there is somebody to write it. */
  readonly sayings: readonly Saying[];
}

export interface Saying {
  readonly kind: Kind;
  readonly object: KubeObject;
  /** Whether what becomes of an export is part of it, which changes while nothing else does. */
  readonly isReported: boolean;
  /** The same value where the same is to be said of the same object. */
  readonly verdict: object;
  /** Undefined where it stands there already. */
  readonly status: (nowMs: number) => StatusPatch | undefined;
}

/** The schema's default: a tenant that is only a namespace has no limits of its own. */
const NAMESPACE_LIMITS = { requestsPerSecond: 1000, burst: 1000 };

export function combine(input: StoreInput, translate: Translate): StoreOutput {
  const { file } = input;
  const { admitted, verdicts } = admit(input);
  const of = <K extends Entry['kind']>(kind: K): readonly Extract<Entry, { readonly kind: K }>[] => admitted.filter((entry): entry is Extract<Entry, { readonly kind: K }> => entry.kind === kind);
  const declared = [...file.tenants, ...of('tenants').map(({ tenant }) => tenant)];
  const agents = [...file.agents, ...of('agents').map(({ agent }) => agent)];
  const backends = [...(file.backends ?? []), ...of('backends').map(({ backend }) => backend)].map(input.resolve);
  const { tenants: known, translation, destinations } = withMetricAccess(declared, input, translate);
  const tenants = input.tenantFromNamespace ? withServiceAccounts(file, known) : known;
  const state: DesiredState = { ...file, tenants, agents, backends, ...(destinations.length > 0 && { exportDestinations: [...(file.exportDestinations ?? []), ...destinations] }) };
  const warn = dangling(state);
  const ofOwn = verdicts.map((verdict): Saying => {
    const { kind, object, entry, faults, warnings } = verdict;
    const all = [...warnings, ...(entry === undefined ? [] : warn(entry))];
    return { kind, object, verdict, isReported: false, status: (nowMs) => objectStatus({ inForce: entry !== undefined, faults, warnings: all, generation: object.generation }, object.status, nowMs) };
  });
  const ofAccess = translation.map(({ object, verdict }): Saying => ({ kind: METRIC_ACCESS, object, verdict, isReported: verdict.exported?.active === true, status: (nowMs) => metricAccessStatus(verdict, { previous: object.status, nowMs, report: verdict.exported?.active === true ? input.reportOf?.(verdict.exported.tenant, verdict.exported.name) : undefined }) }));
  return { state, sayings: [...ofOwn, ...ofAccess] };
}

interface ObjectVerdict {
  readonly kind: Kind;
  readonly object: KubeObject;
  /** Undefined: not in force. */
  readonly entry: Entry | undefined;
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

/** Who gets in, and why the others do not. */
function admit({ file, objects, claimsOf }: StoreInput): { readonly admitted: readonly Entry[]; readonly verdicts: readonly ObjectVerdict[] } {
  const taken = new Map<string, string>();
  const proxies = (file.frontProxies ?? []).map(({ san }) => `credential certificate ${san.type} ${san.value}`);
  // Grants name sites and agents alike.
  const sites = (file.sites ?? []).map(({ name }) => `agent ${name}`);
  const ofFile = [...file.tenants.flatMap((each) => claimsOf.tenant(each)), ...file.agents.flatMap((each) => claimsOf.agent(each)), ...(file.backends ?? []).flatMap((each) => claimsOf.backend(each)), ...proxies, ...sites];
  for (const claim of ofFile) taken.set(claim, "the gateway's file");
  const admitted: Entry[] = [];
  const verdicts = objects.toSorted((a, b) => byAge(a.object, b.object)).map(({ kind, object, compiled }): ObjectVerdict => {
    if (!compiled.ok) return { kind, object, entry: undefined, faults: compiled.error, warnings: [] };
    const { entry, claims, faults, warnings } = compiled.value;
    const lost = claims.flatMap((claim) => {
      const owner = taken.get(claim);
      // Of a credential nothing is quoted: it may say who somebody else's is.
      return owner === undefined ? [] : [{ place: claim.startsWith('credential ') ? 'spec.credentials' : 'metadata.name', message: `${claim.startsWith('credential ') ? 'one of them' : claim} is taken by ${owner}` }];
    });
    if (lost.length > 0) return { kind, object, entry: undefined, faults: lost, warnings };
    for (const claim of claims) taken.set(claim, `${kind.kind} ${object.ref.namespace}/${object.ref.name}`);
    admitted.push(entry);
    return { kind, object, entry, faults, warnings };
  });
  return { admitted, verdicts };
}

interface WithAccess {
  readonly tenants: readonly Tenant[];
  readonly destinations: readonly ExportDestination[];
  readonly translation: readonly { readonly object: KubeObject; readonly verdict: ReturnType<Translate>['verdicts'][number] }[];
}

function withMetricAccess(declared: readonly Tenant[], { accesses, file, clusterDomain = 'cluster.local' }: StoreInput, translate: Translate): WithAccess {
  if (accesses === undefined) return { tenants: declared, translation: [], destinations: [] };
  const objects = accesses.objects.toSorted(byAge);
  const terms = declared.flatMap((tenant): MetricAccessTerms[] => (tenant.metricAccess === undefined ? [] : [{ tenant: tenant.name, ...tenant.metricAccess }]));
  const ofNamespaces = accesses.withoutTerms === 'deny' ? [] : namespaceTenants(declared, terms, objects);
  const tenants = [...declared, ...ofNamespaces];
  const rules = { terms, withoutTerms: accesses.withoutTerms, tenants: new Set(tenants.map(({ name }) => name)), destinations: file.exportDestinations ?? [], clusterDomain };
  const { grants, verdicts, exports } = translate(objects.map(({ content }) => content), rules);
  return {
    tenants: tenants.map((tenant) => withExports(withGrants(tenant, grants.get(tenant.name)), exports.get(tenant.name))),
    destinations: [...exports.values()].flat().map(({ destination }) => destination),
    // One verdict each: every content is an object of a namespace, or it would not have been kept.
    translation: verdicts.flatMap((verdict, index) => {
      const object = objects[index];
      return object === undefined ? [] : [{ object, verdict }];
    }),
  };
}

function withGrants(tenant: Tenant, given: readonly QueryGrant[] | undefined): Tenant {
  return given === undefined ? tenant : { ...tenant, query: [...(tenant.query ?? []), ...given] };
}

function withExports(tenant: Tenant, given: readonly ObjectExport[] | undefined): Tenant {
  return given === undefined ? tenant : { ...tenant, exports: [...(tenant.exports ?? []), ...given.map(({ spec }) => spec)] };
}

/** Each namespace with an object, that is nobody's: a tenant without credentials, for front proxies and service accounts to speak for. */
function namespaceTenants(declared: readonly Tenant[], terms: readonly MetricAccessTerms[], objects: readonly KubeObject[]): readonly Tenant[] {
  const taken = new Set([...declared.map(({ name }) => name), ...terms.flatMap(({ namespaces }) => namespaces)]);
  const names = new Set(objects.map(({ ref }) => ref.namespace).filter((namespace) => !taken.has(namespace)));
  return [...names].toSorted().map((name) => ({ name, credentials: [], scrape: [], limits: NAMESPACE_LIMITS }));
}

/** Of tenants that list none of their own; a namespace that somebody lists is nobody else's. */
function withServiceAccounts({ tenants: ofFile }: DesiredState, all: readonly Tenant[]): readonly Tenant[] {
  const fromFile = new Set(ofFile.map(({ name }) => name));
  const listed = new Set(all.flatMap(({ credentials }) => credentials.flatMap((each) => (each.kind === 'service-account' ? [each.namespace] : []))));
  return all.map((tenant) =>
    fromFile.has(tenant.name) || listed.has(tenant.name) || tenant.credentials.some(({ kind }) => kind === 'service-account') ? tenant : { ...tenant, credentials: [...tenant.credentials, { kind: 'service-account', namespace: tenant.name, name: undefined }] },
  );
}

/** References to what is not there. */
function dangling({ tenants, agents, sites = [], backends = [], pushTargets = [], exportDestinations = [] }: DesiredState): (entry: Entry) => readonly Fault[] {
  const names = (items: readonly { readonly name: string }[]): ReadonlySet<string> => new Set(items.map(({ name }) => name));
  const [tenantNames, agentNames, backendNames, pushNames] = [names(tenants), names([...agents, ...sites]), names(backends), names(pushTargets)];
  const missing = (what: string, place: string, wanted: readonly string[], known: ReadonlySet<string>): readonly Fault[] =>
    wanted.filter((name) => !known.has(name)).map((name) => ({ place, message: `no ${what} has the name "${name}"` }));
  return (entry) => {
    switch (entry.kind) {
      case 'tenants': {
        const { scrape, query = [], push = [], metricAccess } = entry.tenant;
        return [
          ...scrape.flatMap((grant, index) => missing('agent', `spec.scrape[${index}].agents`, grant.agents ?? [], agentNames)),
          ...query.flatMap((grant, index) => missing('backend', `spec.query[${index}].backends`, grant.backends ?? [], backendNames)),
          ...(metricAccess?.within ?? []).flatMap((grant, index) => missing('backend', `spec.metricAccess.within[${index}].backends`, grant.backends ?? [], backendNames)),
          ...missing('backend', 'spec.metricAccess.exports.backend', metricAccess?.exports === undefined ? [] : [metricAccess.exports.backend], backendNames),
          ...missing('export destination', 'spec.metricAccess.exports.destinations', metricAccess?.exports?.destinations ?? [], names(exportDestinations)),
          ...missing('push target', 'spec.push', push, pushNames),
        ];
      }
      case 'agents':
        return missing('tenant', 'spec.tenants', entry.agent.tenants, tenantNames);
      case 'backends':
        return [];
    }
  };
}
