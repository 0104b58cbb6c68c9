import type { PushTarget } from '../model/desired-state.js';
import { compileAgentService } from './behind.js';
import { readCas } from './certificates.js';
import type { Draft } from './draft.js';
import type { GatewayFile, PushTargetFile } from './gateway-file.js';
import { baseUrl, checkHeaders, compileAuthorization } from './outgoing.js';
import { createClaims, named, unknownName } from './references.js';
import type { Known } from './references.js';
import { parseSize } from './units.js';
import type { Path } from './yaml-source.js';

/** Servers behind the push door, the gateway's or that of a site's agent. Apart from backends, so that an agent reads no PromQL. */

export async function compilePushTargets(draft: Draft, file: Pick<GatewayFile, 'pushTargets'>): Promise<PushTarget[]> {
  const claim = createClaims(draft);
  return draft.list(['pushTargets'], () => file.pushTargets, (target, place) => {
    claim(target.name, [...place, 'name'], (first) => `the push target name "${target.name}" is taken by ${first}`);
    return compilePushTarget(draft, place, { file: target, known: file });
  });
}

export async function compilePushTarget(draft: Draft, place: Path, { file, known }: { readonly file: PushTargetFile; readonly known: Known }): Promise<PushTarget | undefined> {
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
