import type { Client } from 'undici';

/**
 * A server that hangs has taken questions and says nothing. Its health check fails and Envoy asks it no more, but leaves it what it has
 * (`close_connections_on_host_health_failure` does not reach connections of HTTP). Envoy's admin page says how many those are.
 */

const MAX_PAGE_BYTES = 4 * 1024 * 1024;
const TIMEOUT_MS = 1_000;

/** How many requests servers of the cluster have that failed their health check, while another is well. 0 also where Envoy does not say. */
export async function requestsOfLost(admin: Client, cluster: string): Promise<number> {
  const filter = encodeURIComponent(`^${cluster.replaceAll(/[^\w/-]/g, (each) => `\\x{${each.codePointAt(0)?.toString(16)}}`)}$`);
  try {
    const { statusCode, body } = await admin.request({ method: 'GET', path: `/clusters?format=json&filter=${filter}`, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const page = await readAtMost(body, MAX_PAGE_BYTES);
    return statusCode === 200 ? countLost(JSON.parse(page)) : 0;
  } catch {
    return 0;
  }
}

async function readAtMost(body: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += part.length;
    if (bytes > maxBytes) throw new Error('a page without an end');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
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
