import type { TenantExport } from '../model/desired-state.js';
import { readMetricPattern } from '../promql/enforce/metric-pattern.js';
import { compilePolicy } from '../promql/enforce/policy.js';
import type { Draft } from './draft.js';
import type { ExportFile, ExportTermsFile, TenantFile } from './gateway-file.js';
import { createClaims, named, unknownName } from './references.js';
import type { Known } from './references.js';
import { checkRelabel } from './relabel.js';
import { parseSize } from './units.js';
import type { Path } from './yaml-source.js';

/** A tenant's exports. What the file contradicts itself in is a fault here; what the tenant may read is decided by its query grants. */

interface Context {
  readonly tenant: TenantFile;
  readonly file: Known;
}

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;
const MIN_SPOOL_BYTES = 1024 * 1024;

export async function compileExports(draft: Draft, place: Path, { tenant, file }: Context): Promise<TenantExport[]> {
  const claim = createClaims(draft);
  return draft.list(place, () => tenant.exports ?? [], (entry, entryPlace) => {
    claim(entry.name, [...entryPlace, 'name'], (first) => `the export name "${entry.name}" is taken by ${first}`);
    checkReferences(draft, entryPlace, entry, { tenant, file });
    return compileExport(draft, entryPlace, entry);
  });
}

function checkReferences(draft: Draft, place: Path, entry: ExportFile, { tenant, file }: Context): void {
  const backends = named(file.backends);
  const backend = backends?.get(entry.backend);
  if (backends !== undefined && backend === undefined) draft.fault([...place, 'backend'], unknownName('backend', entry.backend, [...backends.keys()]));
  if (backend?.union === 'extra_filters') draft.fault([...place, 'backend'], `"${entry.backend}" has \`union: extra_filters\`; its remote read, if it has one, cannot be restricted`);
  const granted = tenant.query?.some((grant) => grant.backends === undefined || grant.backends.includes(entry.backend)) === true;
  if (backend !== undefined && !granted) draft.fault([...place, 'backend'], `the tenant may query nothing of "${entry.backend}", so nothing can be exported from it; add a grant to \`query\``);
  const destinations = named(file.exportDestinations);
  const destination = destinations?.get(entry.destination);
  if (destinations !== undefined && destination === undefined) draft.fault([...place, 'destination'], unknownName('export destination', entry.destination, [...destinations.keys()]));
  const enforced = destination?.tenantLabel;
  for (const key of ['extraLabels', 'groupingLabels'] as const) {
    if (enforced !== undefined && Object.hasOwn(entry[key], enforced)) draft.fault([...place, key, enforced], `is set to the tenant's name by the destination "${entry.destination}"`);
  }
  if (destination?.kind === 'remote_write' && entry.job !== undefined) draft.fault([...place, 'job'], 'is for destinations of kind `pushgateway`');
}

/** Where objects of the cluster may have things sent. */
export function checkExportTerms(draft: Draft, place: Path, { backend, destinations }: ExportTermsFile, file: Known): void {
  const backends = named(file.backends);
  if (backends !== undefined && !backends.has(backend)) draft.fault([...place, 'backend'], unknownName('backend', backend, [...backends.keys()]));
  const known = named(file.exportDestinations);
  for (const [index, name] of destinations.entries()) {
    if (known !== undefined && !known.has(name)) draft.fault([...place, 'destinations', index], unknownName('export destination', name, [...known.keys()]));
  }
}

function compileExport(draft: Draft, place: Path, entry: ExportFile): TenantExport | undefined {
  const { name, backend, destination, metrics, metricRelabelings, extraLabels, honorLabels, exemplars, job, groupingLabels, queue } = entry;
  checkRelabel(draft, [...place, 'metricRelabelings'], metricRelabelings);
  for (const label of Object.keys(extraLabels)) if (label.startsWith('__')) draft.fault([...place, 'extraLabels', label], 'begins with two underscores, which are reserved');
  for (const [index, pattern] of (metrics ?? []).entries()) {
    const compiled = pattern === '.*' ? undefined : compilePolicy([{ metric: readMetricPattern(pattern), labels: [] }]);
    for (const { message } of compiled?.ok === false ? compiled.error : []) draft.fault([...place, 'metrics', index], message);
  }
  const intervalMs = draft.durationMs([...place, 'interval'], entry.interval, { minMs: SECOND_MS, maxMs: DAY_MS });
  const catchUpMs = draft.durationMs([...place, 'catchUp'], entry.catchUp, { minMs: 5 * MINUTE_MS, maxMs: 7 * DAY_MS });
  const spoolBytes = parseSize(entry.spoolSize);
  if (spoolBytes !== undefined && spoolBytes < MIN_SPOOL_BYTES) draft.fault([...place, 'spoolSize'], 'must be at least 1MiB');
  const settings = compileQueue(draft, [...place, 'queue'], queue);
  if (intervalMs === undefined || catchUpMs === undefined || spoolBytes === undefined || settings === undefined) return undefined;
  const group = { job: job ?? name, labels: groupingLabels };
  return { name, backend, destination, metrics, intervalMs, relabel: metricRelabelings, extraLabels, honorLabels, exemplars, catchUpMs, spoolBytes, queue: settings, group };
}

function compileQueue(draft: Draft, place: Path, queue: ExportFile['queue']): TenantExport['queue'] | undefined {
  const minBackoffMs = draft.durationMs([...place, 'min_backoff'], queue.min_backoff, { minMs: 1, maxMs: 5 * MINUTE_MS });
  const maxBackoffMs = draft.durationMs([...place, 'max_backoff'], queue.max_backoff, { minMs: minBackoffMs ?? 1, maxMs: 60 * MINUTE_MS });
  const ageMs = draft.durationMs([...place, 'sample_age_limit'], queue.sample_age_limit, { minMs: 0, maxMs: 365 * DAY_MS });
  if (queue.min_shards > queue.max_shards) draft.fault([...place, 'min_shards'], 'must not be more than max_shards');
  if (minBackoffMs === undefined || maxBackoffMs === undefined || ageMs === undefined) return undefined;
  return {
    minShards: queue.min_shards,
    maxShards: queue.max_shards,
    maxSamplesPerSend: queue.max_samples_per_send,
    minBackoffMs,
    maxBackoffMs,
    retryOnRateLimit: queue.retry_on_http_429,
    sampleAgeLimitMs: ageMs === 0 ? undefined : ageMs,
  };
}
