/** One target for each address and port of an Endpoints object, and one for each further port of the pods behind it. Pure. */
import type { Labels } from '../../../relabel/relabel.js';
import { attachedNodeLabels, hostPort, labelSet, metaLabels, namespaceLabels, podLabels, serviceLabels } from './labels.js';
import type { Lookup, MetaLabels } from './labels.js';
import type { EndpointAddress, Endpoints, ObjectRef, Pod } from './objects.js';
import { endpointContainerLabels, uncoveredPorts } from './pod.js';

export function endpointsTargets({ meta, subsets }: Endpoints, lookup: Lookup): readonly Labels[] {
  const service = lookup.find('service', `${meta.namespace}/${meta.name}`);
  const group = { namespace: meta.namespace, ...(service && serviceLabels(service)), ...metaLabels('endpoints', meta), ...namespaceLabels(meta, lookup) };
  const seen = new Map<Pod, Set<number>>();
  const targets = subsets.flatMap(({ ports, addresses }) =>
    ports.flatMap((port) =>
      addresses.map((address) => {
        const pod = podBehind(address.target, lookup);
        if (pod !== undefined) cover(seen, pod, port.number);
        return labelSet(hostPort(address.ip, port.number), group, {
          endpoint_port_name: port.name,
          endpoint_port_protocol: port.protocol,
          ...addressLabels(address, lookup),
          ...(pod && { ...podLabels(pod, lookup), ...endpointContainerLabels(pod, port.number, port.protocol) }),
        });
      }),
    ),
  );
  return [...targets, ...uncoveredPorts(seen, group, lookup)];
}

function addressLabels({ hostname, nodeName, isReady, target }: EndpointAddress, lookup: Lookup): MetaLabels {
  return {
    endpoint_ready: String(isReady),
    ...(target && { endpoint_address_target_kind: target.kind, endpoint_address_target_name: target.name }),
    ...(nodeName !== undefined && { endpoint_node_name: nodeName }),
    ...(hostname !== '' && { endpoint_hostname: hostname }),
    ...attachedNodeLabels(nodeName ?? (target?.kind === 'Node' ? target.name : undefined), lookup),
  };
}

/** The pod that an endpoint refers to. */
export function podBehind(ref: ObjectRef | undefined, lookup: Lookup): Pod | undefined {
  return ref?.kind === 'Pod' ? lookup.find('pod', `${ref.namespace}/${ref.name}`) : undefined;
}

/** Notes that the pod is there, and that the port, if there is one, has its target. */
export function cover(seen: Map<Pod, Set<number>>, pod: Pod, port: number | undefined): void {
  const covered = seen.get(pod) ?? new Set();
  seen.set(pod, covered);
  if (port !== undefined) covered.add(port);
}
