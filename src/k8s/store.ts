import type { Fault, Result } from '../lib/result.js';
import type { Backend, DesiredState, ExportDestination, QueryGrant, Tenant } from '../model/desired-state.js';
import { claimsOfState, CREDENTIAL_CLAIM } from '../model/entry.js';
import type { Entry, EntryKind } from '../model/entry.js';
import type { ExportReport } from '../model/export-report.js';
import { withTemplateGrants } from '../model/grants.js';
import { FRONT_PROXY, METRIC_ACCESS } from '../kube/kinds.js';
import type { Kind } from '../kube/kinds.js';
import { dangling } from './dangling.js';
import { byAge } from './kube-object.js';
import type { KubeObject } from './kube-object.js';
import type { ObjectExport } from './object-export.js';
import { metricAccessStatus, objectStatus } from './status.js';
import type { StatusPatch } from './status.js';
import type { LookAtSecret, MetricAccessTerms, Translate } from './translate.js';

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
  readonly accesses: { readonly objects: readonly KubeObject[]; readonly withoutTerms: 'deny' | 'own-namespace'; readonly look?: LookAtSecret | undefined } | undefined;
  /** The endpoints of a backend that are there now. */
  readonly resolve: (backend: Backend) => Backend;
  /** Whether the service accounts of a namespace are the tenant of its name. The file's own tenants have that already. */
  readonly tenantFromNamespace: boolean;
  readonly clusterDomain?: string;
  /** What became of exports so far. */
  readonly reportOf?: (tenant: string, name: string) => ExportReport | undefined;
}

/** An object of our own kinds, compiled as an entry of the file would be. */
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
  const { admitted, verdicts } = admit(input);
  const file = withEntries(input.file, admitted, input.resolve);
  const { tenants: known, translation, destinations } = withMetricAccess(file, input, translate);
  const tenants = input.tenantFromNamespace ? withServiceAccounts(input.file, known) : known;
  const state: DesiredState = { ...file, tenants, ...(destinations.length > 0 && { exportDestinations: [...(file.exportDestinations ?? []), ...destinations] }) };
  const warn = dangling(state);
  const ofOwn = verdicts.map((verdict): Saying => {
    const { kind, object, entry, conflict, faults, warnings } = verdict;
    const all = [...warnings, ...(entry === undefined ? [] : warn(entry))];
    return { kind, object, verdict, isReported: false, status: (nowMs) => objectStatus({ inForce: entry !== undefined, conflict, faults, warnings: all, generation: object.generation }, object.status, nowMs) };
  });
  const ofAccess = translation.map(({ object, verdict }): Saying => ({ kind: METRIC_ACCESS, object, verdict, isReported: verdict.exported?.active === true, status: (nowMs) => metricAccessStatus(verdict, { previous: object.status, nowMs, report: verdict.exported?.active === true ? input.reportOf?.(verdict.exported.tenant, verdict.exported.name) : undefined }) }));
  return { state, sayings: [...ofOwn, ...ofAccess] };
}

/** The file with the objects' entries behind its own. */
function withEntries(file: DesiredState, admitted: readonly Entry[], resolve: StoreInput['resolve']): DesiredState {
  const of = <K extends EntryKind>(kind: K): readonly EntryIn<K>[] => entriesOf(admitted, kind);
  const { gateway } = file;
  const [templates, issuers, revoked] = [of('templates').map(({ value }) => value), of('issuers').map(({ value }) => value), of('revoked').map(({ value }) => value)];
  const all: DesiredState = {
    ...file,
    gateway: {
      ...gateway,
      ...(issuers.length > 0 && { issuers: [...(gateway.issuers ?? []), ...issuers] }),
      ...(revoked.length > 0 && { revoked: { serials: [gateway.revoked, ...revoked].flatMap((each) => each?.serials ?? []), sans: [gateway.revoked, ...revoked].flatMap((each) => each?.sans ?? []) } }),
    },
    // The grants of the file's own templates are there already.
    tenants: withTemplateGrants([...file.tenants, ...of('tenants').map(({ value }) => value)], templates),
    agents: [...file.agents, ...of('agents').map(({ value }) => value)],
    templates: [...(file.templates ?? []), ...templates],
    backends: [...(file.backends ?? []), ...of('backends').map(({ value }) => value)].map(resolve),
    pushTargets: [...(file.pushTargets ?? []), ...of('pushTargets').map(({ value }) => value)],
    exportDestinations: [...(file.exportDestinations ?? []), ...of('exportDestinations').map(({ value }) => value)],
    frontProxies: [...(file.frontProxies ?? []), ...of('frontProxies').map(({ value }) => value)],
  };
  // What is made of others is there when all of them are: half a group would answer as if it were the whole.
  const missing = dangling(all);
  const whole = admitted.filter((entry) => missing(entry).length === 0);
  return { ...all, sites: [...(file.sites ?? []), ...entriesOf(whole, 'sites').map(({ value }) => value)], backendGroups: [...(file.backendGroups ?? []), ...entriesOf(whole, 'backendGroups').map(({ value }) => value)] };
}

type EntryIn<K extends EntryKind> = Extract<Entry, { readonly kind: K }>;

function entriesOf<K extends EntryKind>(entries: readonly Entry[], kind: K): readonly EntryIn<K>[] {
  return entries.filter((entry): entry is EntryIn<K> => entry.kind === kind);
}

interface ObjectVerdict {
  readonly kind: Kind;
  readonly object: KubeObject;
  /** Undefined: not in force. */
  readonly entry: Entry | undefined;
  /** Somebody else has what it claims. */
  readonly conflict: boolean;
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

/** Who gets in, and why the others do not. */
function admit({ file, objects }: StoreInput): { readonly admitted: readonly Entry[]; readonly verdicts: readonly ObjectVerdict[] } {
  const taken = new Map<string, string>();
  for (const claim of claimsOfState(file)) taken.set(claim, "the gateway's file");
  const admitted: Entry[] = [];
  const verdicts = objects.toSorted((a, b) => byAge(a.object, b.object)).map(({ kind, object, compiled }): ObjectVerdict => {
    if (!compiled.ok) return { kind, object, entry: undefined, conflict: false, faults: compiled.error, warnings: [] };
    const { entry, claims, faults, warnings } = compiled.value;
    const lost = claims.flatMap((claim) => {
      const owner = taken.get(claim);
      return owner === undefined ? [] : [claimLost(kind, claim, owner)];
    });
    if (lost.length > 0) return { kind, object, entry: undefined, conflict: true, faults: lost, warnings };
    for (const claim of claims) taken.set(claim, `${kind.kind} ${object.ref.namespace}/${object.ref.name}`);
    admitted.push(entry);
    return { kind, object, entry, conflict: false, faults, warnings };
  });
  return { admitted, verdicts };
}

/** Of a credential nothing is quoted: it may say who somebody else's is. */
function claimLost(kind: Kind, claim: string, owner: string): Fault {
  if (!claim.startsWith(CREDENTIAL_CLAIM)) return { place: 'metadata.name', message: `${claim} is taken by ${owner}` };
  return kind.plural === FRONT_PROXY.plural ? { place: 'spec.certificate', message: `is taken by ${owner}` } : { place: 'spec.credentials', message: `one of them is taken by ${owner}` };
}

interface WithAccess {
  readonly tenants: readonly Tenant[];
  readonly destinations: readonly ExportDestination[];
  readonly translation: readonly { readonly object: KubeObject; readonly verdict: ReturnType<Translate>['verdicts'][number] }[];
}

function withMetricAccess({ tenants: declared, exportDestinations = [] }: DesiredState, { accesses, clusterDomain = 'cluster.local' }: StoreInput, translate: Translate): WithAccess {
  if (accesses === undefined) return { tenants: declared, translation: [], destinations: [] };
  const objects = accesses.objects.toSorted(byAge);
  const terms = declared.flatMap((tenant): MetricAccessTerms[] => (tenant.metricAccess === undefined ? [] : [{ tenant: tenant.name, ...tenant.metricAccess }]));
  const ofNamespaces = accesses.withoutTerms === 'deny' ? [] : namespaceTenants(declared, terms, objects);
  const tenants = [...declared, ...ofNamespaces];
  const rules = { terms, withoutTerms: accesses.withoutTerms, tenants: new Set(tenants.map(({ name }) => name)), destinations: exportDestinations, clusterDomain, look: accesses.look };
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
