import type { DiscoveryJob, DiscoverySource } from '../model/agent-settings.js';
import type { AgentFile, DiscoveryFile } from './agent-file.js';
import type { Draft } from './draft.js';
import { compileKubernetesDiscovery } from './kubernetes-discovery.js';
import { checkRelabel } from './relabel.js';
import { compileFetch } from './targets.js';
import { formatPath } from './yaml-source.js';
import type { Path } from './yaml-source.js';
import { parseHostPort } from './units.js';

/**
 * The agent's `discovery`: where targets are found, and what becomes of them. What is found is the agent's to judge; here it is
 * made sure that every rule is one that Prometheus would take.
 */
export async function compileDiscovery(draft: Draft, file: AgentFile, maxBodyBytes: number | undefined): Promise<readonly DiscoveryJob[]> {
  const first = new Map<string, string>();
  return draft.list(['discovery'], () => file.discovery, async (job, place) => {
    const taken = first.get(job.name);
    if (taken !== undefined) draft.fault([...place, 'name'], `the name "${job.name}" is taken by ${taken}`);
    first.set(job.name, taken ?? formatPath(place));
    const { name, scheme, metrics_path: metricsPath, params, maxTargets, paths } = job;
    checkRelabel(draft, [...place, 'relabel_configs'], job.relabel_configs);
    const sources = await compileSources(draft, place, job);
    if (job.file_sd_configs.length + job.dns_sd_configs.length + job.kubernetes_sd_configs.length === 0) draft.fault(place, 'finds nothing: it needs `file_sd_configs`, `dns_sd_configs` or `kubernetes_sd_configs`');
    const fetch = await compileFetch(draft, place, { file: job, maxBodyBytes });
    return {
      name,
      sources,
      scheme,
      metricsPath,
      params,
      relabelConfigs: job.relabel_configs,
      maxTargets,
      paths,
      fetch,
    };
  });
}

/** After a fault: keeps other checks going. */
const DEFAULT_REFRESH_MS = 30_000;

async function compileSources(draft: Draft, place: Path, job: DiscoveryFile): Promise<readonly DiscoverySource[]> {
  const files = job.file_sd_configs.map(({ files: names }): DiscoverySource => ({ kind: 'file', files: names.map((name) => draft.resolve(name)) }));
  const dns = job.dns_sd_configs.map((config, index): DiscoverySource => {
    const at = [...place, 'dns_sd_configs', index];
    if (config.port === undefined && config.type !== 'SRV') draft.fault(at, `needs a \`port\`: ${config.type} records have none`);
    for (const [each, server] of config.servers.entries()) if (parseHostPort(server) === undefined) draft.fault([...at, 'servers', each], 'must be ADDRESS:PORT such as 10.0.0.53:53');
    const refreshMs = draft.durationMs([...at, 'refresh_interval'], config.refresh_interval, { minMs: 1000, maxMs: 86_400_000 });
    return { kind: 'dns', names: config.names, recordType: config.type, port: config.port ?? 0, servers: config.servers, refreshMs: refreshMs ?? DEFAULT_REFRESH_MS };
  });
  const kubernetes = await Promise.all(job.kubernetes_sd_configs.map(async (config, index) => compileKubernetesDiscovery(draft, [...place, 'kubernetes_sd_configs', index], config)));
  return [...files, ...dns, ...kubernetes.flat()];
}
