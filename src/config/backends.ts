import { readMetricPattern } from '../promql/enforce/metric-pattern.js';
import { compilePolicy } from '../promql/enforce/policy.js';
import { NO_ENDPOINT, prefixOf } from '../model/backend-cluster.js';
import { mimirTenants } from '../model/mimir.js';
import type { Backend, BackendDiscovery, BackendGroup, HealthCheck, PushTarget, QueryGrant, QueryLimits } from '../model/desired-state.js';
import { compileAgentService } from './behind.js';
import { readCas } from './certificates.js';
import type { Draft } from './draft.js';
import type { BackendFile, DiscoverFile, GatewayFile, PushTargetFile, QueryGrantFile, QueryLimitsFile } from './gateway-file.js';
import { checkHeaders, compileAuthorization } from './outgoing.js';
import { createClaims, named, unknownName } from './references.js';
import type { Known } from './references.js';
import { parseSize } from './units.js';
import type { Path } from './yaml-source.js';

/** Servers behind the query and push doors, and what tenants may see or do there. */
export async function compileBackends(draft: Draft, file: Pick<GatewayFile, 'backends'> & Known): Promise<Backend[]> {
  const claim = createClaims(draft);
  return draft.list(['backends'], () => file.backends, (backend, place) => {
    claim(backend.name, [...place, 'name'], (first) => `the backend name "${backend.name}" is taken by ${first}`);
    return compileBackend(draft, place, { file: backend, known: file });
  });
}

/** Several backends as one, under a name of the same kind. */
export async function compileBackendGroups(draft: Draft, file: Pick<GatewayFile, 'backendGroups'> & Known): Promise<BackendGroup[]> {
  const known = named(file.backends);
  const taken = new Set(known?.keys());
  return draft.list(['backendGroups'], () => file.backendGroups, (group, place) => {
    if (taken.has(group.name)) draft.fault([...place, 'name'], `the name "${group.name}" is taken by another backend or group`);
    taken.add(group.name);
    for (const [at, member] of group.members.entries()) {
      if (known?.has(member) === false) draft.fault([...place, 'members', at], unknownName('backend', member, [...known.keys()]));
      if (known?.get(member)?.api === 'alertmanager') draft.fault([...place, 'members', at], `"${member}" is an Alertmanager, and groups are of Prometheus servers`);
    }
    return group;
  });
}

async function compileBackend(draft: Draft, place: Path, { file, known }: { readonly file: BackendFile; readonly known: Known }): Promise<Backend | undefined> {
  const authorization = await compileAuthorization(draft, place, file);
  checkHeaders(draft, place, file.headers);
  if (file.union === 'policy_header' && mimirTenants(file).length === 0) draft.fault([...place, 'union'], '`policy_header` needs the header `X-Scope-OrgID` in `headers`, since each rule is sent for one of the tenants in it');
  const caPem = file.caFile === undefined ? undefined : await readCas(draft, [{ file: file.caFile, place: [...place, 'caFile'] }]);
  const behind = file.agent && compileAgentService(draft, place, file.agent, { known, notBeside: { replicas: file.replicas, caFile: file.caFile, healthCheck: file.healthCheck } });
  const url = behind?.url ?? (file.url === undefined ? NO_ENDPOINT : baseUrl(draft, [...place, 'url'], file.url));
  if (file.discover !== undefined && file.replicas !== undefined) draft.fault([...place, 'replicas'], 'stands beside `discover`, which finds all of them');
  const discover = file.discover && compileDiscovery(file.discover);
  const replicas = (file.replicas ?? []).flatMap((replica, index) => {
    const base = baseUrl(draft, [...place, 'replicas', index], replica);
    checkPrefix(draft, [...place, 'replicas', index], base, url);
    return base ?? [];
  });
  const healthCheck = file.healthCheck && compileHealthCheck(draft, [...place, 'healthCheck'], file.healthCheck);
  const timeoutMs = draft.durationMs([...place, 'timeout'], file.timeout, { minMs: 1000, maxMs: 600_000 });
  if (url === undefined || timeoutMs === undefined) return undefined;
  return { name: file.name, url, ...(behind && { agent: behind.agent }), replicas, caPem, headers: { ...file.headers, ...(authorization !== undefined && { authorization }) }, timeoutMs, union: file.union, api: file.api, ...(healthCheck && { healthCheck }), ...(discover && { discover }) };
}

/** Who asks writes the path, whichever server Envoy chooses. */
function checkPrefix(draft: Draft, place: Path, replica: string | undefined, url: string | undefined): void {
  if (replica === undefined || url === undefined || prefixOf(replica) === prefixOf(url)) return;
  draft.fault(place, `must have the path of \`url\` ("${prefixOf(url) || '/'}"): one question is asked of any of them`);
}

function compileHealthCheck(draft: Draft, place: Path, { path, interval, timeout }: NonNullable<BackendFile['healthCheck']>): HealthCheck {
  const within = { minMs: 100, maxMs: 60_000 };
  return {
    path,
    intervalMs: interval === undefined ? undefined : draft.durationMs([...place, 'interval'], interval, within),
    timeoutMs: timeout === undefined ? undefined : draft.durationMs([...place, 'timeout'], timeout, within),
  };
}

function compileDiscovery({ resource, namespaces, labels, annotations, port, scheme, path = '' }: DiscoverFile): BackendDiscovery {
  return {
    resource,
    namespaces: namespaces.includes('*') ? undefined : namespaces,
    labels,
    annotations,
    port: port === undefined ? undefined : String(port),
    scheme,
    pathPrefix: path.replace(/\/+$/, ''),
  };
}

/** Without the slash at its end: API paths begin with one. */
export function baseUrl(draft: Draft, place: Path, text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null) draft.fault(place, 'must be a URL such as http://prometheus:9090');
  else if (url.username !== '' || url.password !== '') draft.fault(place, 'must hold no credentials; use `basic` or `bearerTokenFile`');
  return url === null ? undefined : `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

/** What a tenant may query; a pattern that cannot be read is a fault, never everything and never silently nothing. */
export function compileQueryGrant(draft: Draft, place: Path, { grant, file }: { readonly grant: QueryGrantFile; readonly file: Known }): QueryGrant {
  // Where a list is not there, nothing is known of its names.
  const known = file.backends && named([...file.backends, ...(file.backendGroups ?? [])]);
  for (const [index, name] of (grant.backends ?? []).entries()) {
    if (known?.has(name) === false) draft.fault([...place, 'backends', index], unknownName('backend', name, [...known.keys()]));
  }
  const labels = Object.entries(grant.labels).map(([name, value]) => ({ name, op: '=' as const, value }));
  for (const [index, pattern] of grant.metrics.entries()) {
    const compiled = compilePolicy([{ metric: readMetricPattern(pattern), labels }]);
    for (const { message } of compiled.ok ? [] : compiled.error) draft.fault([...place, 'metrics', index], message);
  }
  return { backends: grant.backends, metrics: grant.metrics, labels: grant.labels };
}

export function compileQueryLimits(draft: Draft, place: Path, file: QueryLimitsFile): QueryLimits {
  const { maxQueryLength, maxRange, timeout, maxResponseSize, ...counts } = file;
  const maxResponseBytes = maxResponseSize === undefined ? undefined : parseSize(maxResponseSize);
  return {
    ...counts,
    ...(maxQueryLength !== undefined && { maxQueryChars: maxQueryLength }),
    ...(maxRange !== undefined && { maxRangeMs: draft.durationMs([...place, 'maxRange'], maxRange, { minMs: 1000, maxMs: MAX_RANGE_MS }) }),
    ...(timeout !== undefined && { timeoutMs: draft.durationMs([...place, 'timeout'], timeout, { minMs: 100, maxMs: 600_000 }) }),
    ...(maxResponseBytes !== undefined && { maxResponseBytes }),
  };
}

const MAX_RANGE_MS = 10 * 365 * 86_400_000;

export async function compilePushTargets(draft: Draft, file: Pick<GatewayFile, 'pushTargets'>): Promise<PushTarget[]> {
  const claim = createClaims(draft);
  return draft.list(['pushTargets'], () => file.pushTargets, (target, place) => {
    claim(target.name, [...place, 'name'], (first) => `the push target name "${target.name}" is taken by ${first}`);
    return compilePushTarget(draft, place, { file: target, known: file });
  });
}

async function compilePushTarget(draft: Draft, place: Path, { file, known }: { readonly file: PushTargetFile; readonly known: Known }): Promise<PushTarget | undefined> {
  const { name, kind, tenantLabel, onConflict } = file;
  const authorization = await compileAuthorization(draft, place, file);
  checkHeaders(draft, place, file.headers);
  const caPem = file.caFile === undefined ? undefined : await readCas(draft, [{ file: file.caFile, place: [...place, 'caFile'] }]);
  const behind = file.agent && compileAgentService(draft, place, { ...WRITE_PATHS[kind], ...file.agent }, { known, notBeside: { caFile: file.caFile } });
  const url = behind?.url ?? baseUrl(draft, [...place, 'url'], file.url ?? '');
  const timeoutMs = draft.durationMs([...place, 'timeout'], file.timeout, { minMs: 1000, maxMs: 600_000 });
  const maxBodyBytes = parseSize(file.maxBodySize);
  const groupTtl = compileGroupTtl(draft, place, file);
  if (url === undefined || timeoutMs === undefined || maxBodyBytes === undefined) return undefined;
  return { name, kind, url, ...(behind && { agent: behind.agent }), tenantLabel, groupTtl, onConflict, headers: { ...file.headers, ...(authorization !== undefined && { authorization }) }, caPem, timeoutMs, maxBodyBytes };
}

/** Where a server takes what is written to it, unless something else is said. */
export const WRITE_PATHS = { remote_write: { path: '/api/v1/write' }, pushgateway: {} } as const;

const MIN_GROUP_TTL_MS = 10_000;
const MAX_GROUP_TTL_MS = 365 * 24 * 3_600_000;

function compileGroupTtl(draft: Draft, place: Path, { kind, groupTtl, tenantGroupTtl }: PushTargetFile): PushTarget['groupTtl'] {
  const bounds = { minMs: MIN_GROUP_TTL_MS, maxMs: MAX_GROUP_TTL_MS };
  const ms = groupTtl === undefined ? undefined : draft.durationMs([...place, 'groupTtl'], groupTtl, bounds);
  const byTenant = Object.entries(tenantGroupTtl).flatMap(([tenant, text]) => {
    const own = draft.durationMs([...place, 'tenantGroupTtl', tenant], text, bounds);
    return own === undefined ? [] : [[tenant, own] as const];
  });
  if (ms === undefined && byTenant.length === 0) return undefined;
  if (kind !== 'pushgateway') draft.fault([...place, groupTtl === undefined ? 'tenantGroupTtl' : 'groupTtl'], 'is for the kind `pushgateway`: series of remote write end by themselves');
  return { ms, byTenant: Object.fromEntries(byTenant) };
}

/** The targets that a tenant may push to. */
export function compilePush(draft: Draft, place: Path, { names, file }: { readonly names: readonly string[]; readonly file: Known }): readonly string[] {
  const known = named(file.pushTargets);
  for (const [index, name] of names.entries()) {
    if (known?.has(name) === false) draft.fault([...place, index], unknownName('push target', name, [...known.keys()]));
  }
  return names;
}
