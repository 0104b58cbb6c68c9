import { readMetricPattern } from '../promql/enforce/metric-pattern.js';
import { compilePolicy } from '../promql/enforce/policy.js';
import { mimirTenants } from '../model/mimir.js';
import type { Backend, BackendDiscovery, BackendGroup, QueryGrant, QueryLimits } from '../model/desired-state.js';
import { compileAgentService } from './behind.js';
import { readCas } from './certificates.js';
import type { Draft } from './draft.js';
import type { BackendFile, DiscoverFile, GatewayFile, QueryGrantFile, QueryLimitsFile } from './gateway-file.js';
import { baseUrl, checkHeaders, compileAuthorization } from './outgoing.js';
import { createClaims, named, unknownName } from './references.js';
import type { Known } from './references.js';
import { parseSize } from './units.js';
import type { Path } from './yaml-source.js';

/** Servers behind the query door, and what tenants may see there. */
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
  const behind = file.agent && compileAgentService(draft, place, file.agent, { known, notBeside: { replicas: file.replicas, caFile: file.caFile } });
  const url = behind?.url ?? (file.url === undefined ? NOWHERE : baseUrl(draft, [...place, 'url'], file.url));
  if (file.discover !== undefined && file.replicas !== undefined) draft.fault([...place, 'replicas'], 'stands beside `discover`, which finds all of them');
  const discover = file.discover && compileDiscovery(file.discover);
  const replicas = (file.replicas ?? []).flatMap((replica, index) => baseUrl(draft, [...place, 'replicas', index], replica) ?? []);
  const timeoutMs = draft.durationMs([...place, 'timeout'], file.timeout, { minMs: 1000, maxMs: 600_000 });
  if (url === undefined || timeoutMs === undefined) return undefined;
  return { name: file.name, url, ...(behind && { agent: behind.agent }), replicas, caPem, headers: { ...file.headers, ...(authorization !== undefined && { authorization }) }, timeoutMs, union: file.union, features: file.features, api: file.api, ...(discover && { discover }) };
}

/** Of a backend whose endpoints are not found yet: a name that never resolves (RFC 2606 §2), so that queries are answered with 503. */
const NOWHERE = 'http://no-endpoint.invalid';

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
