import { readMetricPattern } from '../promql/enforce/metric-pattern.js';
import { compilePolicy } from '../promql/enforce/policy.js';
import type { Backend, BackendDiscovery, PushTarget, QueryGrant, QueryLimits } from '../model/desired-state.js';
import { readCas } from './certificates.js';
import type { Draft } from './draft.js';
import type { BackendFile, DiscoverFile, GatewayFile, PushTargetFile, QueryGrantFile, QueryLimitsFile } from './gateway-file.js';
import { checkHeaders, compileAuthorization } from './outgoing.js';
import { createClaims, named, unknownName } from './references.js';
import type { Known } from './references.js';
import { parseSize } from './units.js';
import type { Path } from './yaml-source.js';

/** Servers behind the query and push doors, and what tenants may see or do there. */
export async function compileBackends(draft: Draft, file: Pick<GatewayFile, 'backends'>): Promise<Backend[]> {
  const claim = createClaims(draft);
  return draft.list(['backends'], () => file.backends, (backend, place) => {
    claim(backend.name, [...place, 'name'], (first) => `the backend name "${backend.name}" is taken by ${first}`);
    return compileBackend(draft, place, backend);
  });
}

async function compileBackend(draft: Draft, place: Path, file: BackendFile): Promise<Backend | undefined> {
  const authorization = await compileAuthorization(draft, place, file);
  checkHeaders(draft, place, file.headers);
  const caPem = file.caFile === undefined ? undefined : await readCas(draft, [{ file: file.caFile, place: [...place, 'caFile'] }]);
  const url = file.url === undefined ? NOWHERE : baseUrl(draft, [...place, 'url'], file.url);
  if (file.discover !== undefined && file.replicas !== undefined) draft.fault([...place, 'replicas'], 'stands beside `discover`, which finds all of them');
  const discover = file.discover && compileDiscovery(file.discover);
  const replicas = (file.replicas ?? []).flatMap((replica, index) => baseUrl(draft, [...place, 'replicas', index], replica) ?? []);
  const timeoutMs = draft.durationMs([...place, 'timeout'], file.timeout, { minMs: 1000, maxMs: 600_000 });
  if (url === undefined || timeoutMs === undefined) return undefined;
  return { name: file.name, url, replicas, caPem, headers: { ...file.headers, ...(authorization !== undefined && { authorization }) }, timeoutMs, union: file.union, api: file.api, ...(discover && { discover }) };
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

/** Without the slash at its end: API paths begin with one. */
function baseUrl(draft: Draft, place: Path, text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null) draft.fault(place, 'must be a URL such as http://prometheus:9090');
  else if (url.username !== '' || url.password !== '') draft.fault(place, 'must hold no credentials; use `basic` or `bearerTokenFile`');
  return url === null ? undefined : `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

/** What a tenant may query; a pattern that cannot be read is a fault, never everything and never silently nothing. */
export function compileQueryGrant(draft: Draft, place: Path, { grant, file }: { readonly grant: QueryGrantFile; readonly file: Known }): QueryGrant {
  const known = named(file.backends);
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

export async function compilePushTargets(draft: Draft, file: GatewayFile): Promise<PushTarget[]> {
  const claim = createClaims(draft);
  return draft.list(['pushTargets'], () => file.pushTargets, (target, place) => {
    claim(target.name, [...place, 'name'], (first) => `the push target name "${target.name}" is taken by ${first}`);
    return compilePushTarget(draft, place, target);
  });
}

async function compilePushTarget(draft: Draft, place: Path, file: PushTargetFile): Promise<PushTarget | undefined> {
  const { name, kind, tenantLabel, onConflict } = file;
  const authorization = await compileAuthorization(draft, place, file);
  checkHeaders(draft, place, file.headers);
  const caPem = file.caFile === undefined ? undefined : await readCas(draft, [{ file: file.caFile, place: [...place, 'caFile'] }]);
  const url = baseUrl(draft, [...place, 'url'], file.url);
  const timeoutMs = draft.durationMs([...place, 'timeout'], file.timeout, { minMs: 1000, maxMs: 600_000 });
  const maxBodyBytes = parseSize(file.maxBodySize);
  if (url === undefined || timeoutMs === undefined || maxBodyBytes === undefined) return undefined;
  return { name, kind, url, tenantLabel, onConflict, headers: { ...file.headers, ...(authorization !== undefined && { authorization }) }, caPem, timeoutMs, maxBodyBytes };
}

/** The targets that a tenant may push to. */
export function compilePush(draft: Draft, place: Path, { names, file }: { readonly names: readonly string[]; readonly file: Known }): readonly string[] {
  const known = named(file.pushTargets);
  for (const [index, name] of names.entries()) {
    if (known?.has(name) === false) draft.fault([...place, index], unknownName('push target', name, [...known.keys()]));
  }
  return names;
}
