/**
 * As `endpoints.ts`, of EndpointSlices, which know more: conditions, zones, and optional ports. Of a dual-stack service only the slices of
 * its first family count, or each pod would be scraped twice. Pure.
 */
import type { Labels } from '../../../relabel/relabel.js';
import { cover, podBehind } from './endpoints.js';
import { attachedNodeLabels, hostPort, labelSet, metaLabels, namespaceLabels, podLabels, sanitise, serviceLabels } from './labels.js';
import type { Lookup, MetaLabels } from './labels.js';
import type { EndpointSlice, Pod, Service } from './objects.js';
import { endpointContainerLabels, uncoveredPorts } from './pod.js';

type Endpoint = EndpointSlice['endpoints'][number];
type Port = EndpointSlice['ports'][number];

export function endpointSliceTargets(slice: EndpointSlice, lookup: Lookup): readonly Labels[] {
  const { meta, addressType, endpoints, ports } = slice;
  const owner = meta.labels['kubernetes.io/service-name'];
  const service = owner === undefined ? undefined : lookup.find('service', `${meta.namespace}/${owner}`);
  if (service !== undefined && isOfSecondFamily(slice, service)) return [];
  const group = {
    namespace: meta.namespace,
    endpointslice_address_type: addressType,
    ...metaLabels('endpointslice', meta),
    ...(service && serviceLabels(service)),
    ...namespaceLabels(meta, lookup),
  };
  const seen = new Map<Pod, Set<number>>();
  const targets = endpoints.flatMap((endpoint) => {
    const pod = podBehind(endpoint.target, lookup);
    const own = endpointLabels(endpoint, lookup);
    return ports.flatMap((port) =>
      endpoint.addresses.map((address) => {
        if (pod !== undefined) cover(seen, pod, port.number);
        return labelSet(port.number === undefined ? address : hostPort(address, port.number), group, {
          ...portLabels(port),
          ...own,
          ...(pod && { ...podLabels(pod, lookup), ...(port.number !== undefined && endpointContainerLabels(pod, port.number)) }),
        });
      }),
    );
  });
  return [...targets, ...uncoveredPorts(seen, group, lookup)];
}

function isOfSecondFamily({ addressType }: EndpointSlice, { ipFamilyPolicy, primaryFamily }: Service): boolean {
  return ['PreferDualStack', 'RequireDualStack'].includes(ipFamilyPolicy) && primaryFamily !== undefined && primaryFamily !== addressType;
}

function portLabels({ name, number, protocol, appProtocol }: Port): MetaLabels {
  return {
    ...(name !== undefined && { endpointslice_port_name: name }),
    ...(protocol !== undefined && { endpointslice_port_protocol: protocol }),
    ...(number !== undefined && { endpointslice_port: String(number) }),
    ...(appProtocol !== undefined && { endpointslice_port_app_protocol: appProtocol }),
  };
}

function endpointLabels({ conditions, hostname, target, nodeName, zone, topology }: Endpoint, lookup: Lookup): MetaLabels {
  const known = Object.entries(conditions).filter(([, value]) => value !== undefined);
  return {
    ...Object.fromEntries(known.map(([name, value]) => [`endpointslice_endpoint_conditions_${name}`, String(value)])),
    ...(hostname !== undefined && { endpointslice_endpoint_hostname: hostname }),
    ...(target && { endpointslice_address_target_kind: target.kind, endpointslice_address_target_name: target.name }),
    ...(nodeName !== undefined && { endpointslice_endpoint_node_name: nodeName }),
    ...(zone !== undefined && { endpointslice_endpoint_zone: zone }),
    ...Object.fromEntries(
      Object.entries(topology).flatMap(([key, value]) => [
        [`endpointslice_endpoint_topology_${sanitise(key)}`, value],
        [`endpointslice_endpoint_topology_present_${sanitise(key)}`, 'true'],
      ] as const),
    ),
    ...attachedNodeLabels(target?.kind === 'Node' ? target.name : nodeName, lookup),
  };
}
