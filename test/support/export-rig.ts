import { Registry } from 'prom-client';
import { createExporter } from '../../src/export/exporter.js';
import type { Exporter } from '../../src/export/exporter.js';
import type { ExportJob } from '../../src/export/job.js';
import { silentLogger } from '../../src/lib/logger.js';
import type { Logger } from '../../src/lib/logger.js';
import type { HandOver } from '../../src/model/hand-over.js';
import type { DesiredState, ExportDestination, QueryGrant, TenantExport } from '../../src/model/desired-state.js';
import { exportJobs } from '../../src/main/export-jobs.js';
import { desiredState } from './desired-state.js';
import { fetchJson } from './http.js';

/** Exports without the gateway around them, and what stands at both ends of them, compared. */

export interface ExportParts {
  readonly source: string;
  readonly urls: readonly string[];
  readonly query?: readonly QueryGrant[];
  readonly spec?: Partial<TenantExport>;
  readonly destination?: Partial<ExportDestination>;
}

/** One tenant `team-a` with one export `slice`, every second, of all that it may query: all with `job="app"`, unless said otherwise. */
export function exportState({ source, urls, query, spec = {}, destination = {} }: ExportParts): DesiredState {
  const queue = { minShards: 1, maxShards: 8, maxSamplesPerSend: 2000, minBackoffMs: 30, maxBackoffMs: 500, retryOnRateLimit: true, sampleAgeLimitMs: undefined };
  const one: TenantExport = {
    name: 'slice', backend: 'main', destination: 'out', metrics: undefined, intervalMs: 1000, relabel: [], extraLabels: {}, honorLabels: false, exemplars: true,
    catchUpMs: 3_600_000, spoolBytes: 64 * 1024 * 1024, queue, group: undefined, ...spec,
  };
  const out: ExportDestination = {
    name: 'out', kind: 'remote_write', urls, version: '2', headers: {}, oauth2: undefined, caPem: undefined, client: undefined, proxy: undefined, timeoutMs: 5000, tenantLabel: undefined, ...destination,
  };
  return {
    ...desiredState({ tenants: [{ name: 'team-a', query: query ?? [{ backends: undefined, metrics: ['{job="app"}'], labels: {} }], exports: [one] }] }),
    backends: [{ name: 'main', url: source, timeoutMs: 30_000 }],
    exportDestinations: [out],
  };
}

export function jobsOf(parts: ExportParts): readonly ExportJob[] {
  return exportJobs(exportState(parts), (tenant, name, why) => {
    throw new Error(`${tenant}/${name}: ${why}`);
  });
}

export interface ExportRig extends AsyncDisposable {
  readonly exporter: Exporter;
  readonly registry: Registry;
}

/** `left` is what a gateway before this one has left to it. */
export async function startExportRig(folder: string, jobs: readonly ExportJob[], { logger = silentLogger, left = {} }: { readonly logger?: Logger; readonly left?: HandOver } = {}): Promise<ExportRig> {
  const registry = new Registry();
  const exporter = createExporter({ folder, logger, registry });
  await exporter.setActive(true, left);
  await exporter.configure(jobs);
  return { exporter, registry, [Symbol.asyncDispose]: () => exporter.close() };
}

type Point = readonly [seconds: number, value: unknown];

interface Answer {
  readonly data: { readonly result: readonly { readonly metric: Readonly<Record<string, string>>; readonly values?: readonly Point[]; readonly histograms?: readonly Point[] }[] };
}

/** What a Prometheus has stored of a selector: for each series its points with their times, up to `untilMs`. */
export async function dump(url: string, selector: string, fromMs: number, untilMs: number): Promise<ReadonlyMap<string, readonly string[]>> {
  const range = Math.ceil((untilMs - fromMs) / 1000);
  const { data } = await fetchJson<Answer>({ url: `${url}/api/v1/query?query=${encodeURIComponent(`${selector}[${range}s]`)}&time=${untilMs / 1000}` });
  return new Map(
    data.result
      .map(({ metric, values = [], histograms = [] }) => {
        const labels = Object.entries(metric).toSorted().map(([name, value]) => `${name}=${value}`).join(',');
        return [labels, [...values, ...histograms].map(([seconds, value]) => `${Math.round(seconds * 1000)} ${JSON.stringify(value)}`)] as const;
      })
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}
