/**
 * The agent's last word on what may be reached from its site (DESIGN §2.7). The gateway can narrow it and never widen it: a
 * scrape names a target of the agent's own file, or nothing.
 */
import { BlockList, isIP } from 'node:net';
import type { TargetSpec } from '../model/agent-settings.js';

/** Whether this path, as it will be sent to the target, is one that the target's owner opened. The query takes no part. */
export function isPathAllowed(spec: TargetSpec, pathAndQuery: string): boolean {
  const path = pathAndQuery.split('?', 1)[0] ?? '';
  // the HTTP client would take an absolute URL for the path, and a `*` rule would let it
  if (!path.startsWith('/')) return false;
  // Envoy has normalised already; an agent does not rely on it. A dot segment or an encoded one may climb out of a prefix.
  if (/\/\.{1,2}(?:\/|$)|%2e|%2f|%5c|\\|\/\//i.test(path)) return spec.allowedPaths.includes(path);
  return spec.allowedPaths.some((rule) => (rule.endsWith('*') ? path.startsWith(rule.slice(0, -1)) : path === rule));
}

/** Where cloud metadata services live: nobody's exporter, and the first thing that a stolen gateway would ask for. */
const METADATA = new BlockList();
METADATA.addSubnet('169.254.0.0', 16, 'ipv4');
METADATA.addSubnet('fe80::', 10, 'ipv6');
METADATA.addAddress('fd00:ec2::254', 'ipv6');
METADATA.addAddress('100.100.100.200', 'ipv4');

/**
 * Whether a name may resolve to this address. Link-local and metadata addresses are refused, unless the file names the address
 * itself (then there is no resolution and this is not asked). IPv4-mapped IPv6 is seen through.
 */
export function isResolvedAddressAllowed(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && !METADATA.check(address, family === 4 ? 'ipv4' : 'ipv6');
}
