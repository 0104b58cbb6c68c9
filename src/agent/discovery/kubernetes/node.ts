/** One target for each node, its kubelet; a node without an address is none. Pure. */
import type { Labels } from '../../../relabel/relabel.js';
import { hostPort, labelSet, metaLabels, sanitise } from './labels.js';
import type { Node } from './objects.js';

/** The first of these that a node has is its address. */
const ADDRESS_ORDER = ['InternalIP', 'InternalDNS', 'ExternalIP', 'ExternalDNS', 'LegacyHostIP', 'Hostname'];

export function nodeTargets({ meta, providerId, kubeletPort, addresses, conditions }: Node): readonly Labels[] {
  const byType = new Map(addresses.toReversed().map(({ type, address }) => [type, address]));
  const address = ADDRESS_ORDER.map((type) => byType.get(type)).find((each) => each !== undefined);
  if (address === undefined) return [];
  const group = {
    node_provider_id: providerId,
    ...Object.fromEntries(conditions.map(({ type, status }) => [`node_condition_${sanitise(type.toLowerCase())}`, status.toLowerCase()])),
    ...metaLabels('node', meta),
  };
  const own = Object.fromEntries([...byType].map(([type, each]) => [`node_address_${sanitise(type)}`, each]));
  return [new Map([...labelSet(hostPort(address, kubeletPort), group, own), ['instance', meta.name]])];
}
