import { BalancedDispatcher } from '../balanced/dispatcher.js';
import type { WayTo } from '../behind/behind.js';
import { backendCluster } from '../model/backend-cluster.js';
import type { WayToBackend } from '../query/upstream.js';

/** To a backend with URLs by Envoy, which has its servers as a cluster; to one behind an agent by the agent's tunnel. */
export function wayToBackend(runtimeDir: string, wayBehind: WayTo): WayToBackend {
  return (backend) => {
    const { agent, timeoutMs } = backend;
    if (agent !== undefined) return wayBehind(agent, timeoutMs);
    const { cluster, urls } = backendCluster(backend);
    return new BalancedDispatcher({ runtimeDir, cluster, hasServers: urls.length > 0 });
  };
}
