/**
 * The agent's last word on what may be reached from its site (DESIGN §2.7). The gateway can narrow it and never widen it: a
 * scrape names a target of the agent, or nothing. Static targets are listed by being in the agent's file; discovered ones are held
 * to its `allow`, by the address that is dialled, for every connection.
 */
import { BlockList, isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { AllowRule, TargetSpec } from '../model/agent-settings.js';

/** Whether this path, as it will be sent to the target, is one that the target's owner opened. The query takes no part. */
export function isPathAllowed(spec: Pick<TargetSpec, 'allowedPaths'>, pathAndQuery: string): boolean {
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

/** What may be dialled for one target. */
export interface Reach {
  /** The target cannot be reached whatever its name leads to: its address or its port is not on the list. */
  readonly denied: boolean;
  /** Whether this address, which the target's name led to, may be dialled. */
  readonly isAddressAllowed: (address: string) => boolean;
}

export function reachOf({ target: { host, port }, discovered = false }: Pick<TargetSpec, 'target' | 'discovered'>, allow: readonly AllowRule[] | undefined): Reach {
  if (!discovered) return { denied: false, isAddressAllowed: isResolvedAddressAllowed };
  const rules = allow?.filter(({ ports }) => ports.length === 0 || ports.some(({ first, last }) => first <= port && port <= last));
  const isAddressAllowed = (address: string): boolean => isListed(host, address, rules);
  return { denied: rules?.length === 0 || (isIP(host) !== 0 && !isAddressAllowed(host)), isAddressAllowed };
}

/** Nobody's exporter unless the operator says so: a rule as wide as `0.0.0.0/0` does not say so, one within the range does. */
const NEEDS_OWN_RULE = [
  '127.0.0.0/8', '::1/128', '0.0.0.0/8', '::/128', '169.254.0.0/16', 'fe80::/10', 'fd00:ec2::254/128', '100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32',
].map((cidr) => ipaddr.parseCIDR(cidr));

type Network = ReturnType<typeof ipaddr.parseCIDR>;

function isListed(host: string, address: string, rules: readonly AllowRule[] | undefined): boolean {
  // an IPv4 address in IPv6's clothes is the IPv4 address
  const parsed = ipaddr.isValid(address) ? ipaddr.process(address) : undefined;
  if (parsed === undefined) return false;
  const networks = (rules ?? []).flatMap(({ match }) => ('cidr' in match ? [ipaddr.parseCIDR(match.cidr)] : [])).filter((network) => isWithin(parsed, network));
  const special = NEEDS_OWN_RULE.filter((range) => isWithin(parsed, range));
  if (special.length > 0) return networks.some(([base, bits]) => special.some((range) => isWithin(base, range) && bits >= range[1]));
  return rules === undefined || networks.length > 0 || (isIP(host) === 0 && rules.some(({ match }) => 'host' in match && isNamed(host, match.host)));
}

function isWithin(address: Network[0], [base, bits]: Network): boolean {
  return address.kind() === base.kind() && address.match(base, bits);
}

function isNamed(host: string, pattern: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  const wanted = pattern.toLowerCase();
  return wanted.startsWith('*.') ? name.endsWith(wanted.slice(1)) : name === wanted;
}
