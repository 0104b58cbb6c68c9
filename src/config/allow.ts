import ipaddr from 'ipaddr.js';
import type { AllowRule, PortRange } from '../model/agent-settings.js';
import type { AgentFile } from './agent-file.js';
import type { Draft } from './draft.js';
import type { Path } from './yaml-source.js';

/** The agent's `allow`: where discovered targets may be. Undefined where the file has none, which is not an empty list. */
export async function compileAllow(draft: Draft, file: AgentFile): Promise<readonly AllowRule[] | undefined> {
  const rules = await draft.list(['allow'], () => file.allow ?? [], ({ cidr, host, ports }, place): AllowRule | undefined => {
    const ranges = ports.flatMap((port, index) => compilePorts(draft, [...place, 'ports', index], port));
    if (host !== undefined) return { match: { host }, ports: ranges };
    if (cidr === undefined) return undefined;
    if (!ipaddr.isValidCIDR(cidr)) draft.fault([...place, 'cidr'], 'must be a network such as 10.0.0.0/8 or fd00::/8');
    return { match: { cidr }, ports: ranges };
  });
  return draft.part(['allow'], () => file.allow) === undefined ? undefined : rules;
}

function compilePorts(draft: Draft, place: Path, ports: number | string): PortRange[] {
  const [first = 0, last = first] = String(ports).split('-').map(Number);
  if (first >= 1 && first <= last && last <= 65_535) return [{ first, last }];
  draft.fault(place, 'must be a port, or two such as 9000-9999, from 1 to 65535');
  return [];
}
