import type { MonitorDiscovery } from '../model/agent-settings.js';
import type { AgentFile } from './agent-file.js';
import type { Draft } from './draft.js';
import { compileCluster } from './kubernetes-discovery.js';
import { checkRelabel } from './relabel.js';
import { formatPath } from './yaml-source.js';

/** The agent's `monitors`: whose PodMonitor and ServiceMonitor objects count, and what these may have of the agent. */
export async function compileMonitors(draft: Draft, file: AgentFile, maxBodyBytes: number | undefined): Promise<readonly MonitorDiscovery[]> {
  const first = new Map<string, string>();
  return draft.list(['monitors'], () => file.monitors, async (each, place): Promise<MonitorDiscovery | undefined> => {
    const taken = first.get(each.name);
    if (taken !== undefined) draft.fault([...place, 'name'], `the name "${each.name}" is taken by ${taken}`);
    first.set(each.name, taken ?? formatPath(place));
    checkRelabel(draft, [...place, 'relabel_configs'], each.relabel_configs);
    const access = await compileCluster(draft, place, each);
    const { name, kinds, namespaces, selector, targetNamespaces, secrets, enforcedNamespaceLabel, relabel_configs: relabelConfigs, maxObjects, maxTargets } = each;
    return access && {
      name,
      access,
      kinds,
      namespaces: namespaces.names,
      ownNamespace: namespaces.own_namespace,
      selector,
      targetNamespaces,
      secrets,
      files: each.files.map((path) => draft.resolve(path)),
      serviceRole: each.serviceDiscoveryRole === 'Endpoints' ? 'endpoints' : 'endpointslice',
      enforcedNamespaceLabel,
      relabelConfigs,
      maxObjects,
      maxTargets,
      maxBodyBytes,
    };
  });
}
