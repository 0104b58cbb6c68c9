import type { Admin } from './admin.js';

/**
 * A server that hangs has taken questions and says nothing. Its health check fails and Envoy asks it no more, but leaves it what it has
 * (`close_connections_on_host_health_failure` does not reach connections of HTTP). Envoy's admin page says how many those are.
 */

/** How many requests servers of the cluster have that failed their health check, while another is well. 0 also where Envoy does not say. */
export async function requestsOfLost(admin: Admin, cluster: string): Promise<number> {
  const filter = encodeURIComponent(`^${cluster.replaceAll(/[^\w/-]/g, (each) => `\\x{${each.codePointAt(0)?.toString(16)}}`)}$`);
  const page = await admin.page(`/clusters?format=json&filter=${filter}`);
  try {
    return page === undefined ? 0 : countLost(JSON.parse(page));
  } catch {
    return 0;
  }
}

/** Of Envoy's `/clusters?format=json`. */
export function countLost(page: unknown): number {
  const hosts = listAt(page, 'cluster_statuses').flatMap((cluster) => listAt(cluster, 'host_statuses'));
  const lost = hosts.filter(isLost);
  // Nobody else could be asked: perhaps its check is only slow.
  if (lost.length === hosts.length) return 0;
  return lost.flatMap((host) => listAt(host, 'stats')).reduce<number>((sum, stat) => sum + (at(stat, 'name') === 'rq_active' ? Number(at(stat, 'value') ?? 0) : 0), 0);
}

function isLost(host: unknown): boolean {
  return at(at(host, 'health_status'), 'failed_active_health_check') === true;
}

function at(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

function listAt(value: unknown, key: string): readonly unknown[] {
  const list = at(value, key);
  return Array.isArray(list) ? list : [];
}
