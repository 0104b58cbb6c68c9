/** One target for each port of each container, and one for a container without ports, whose port is for relabelling to add. Pure. */
import type { Labels } from '../../../relabel/relabel.js';
import { attachedNodeLabels, hostPort, labelSet, namespaceLabels, podLabels } from './labels.js';
import type { Lookup, MetaLabels } from './labels.js';
import type { Container, Pod } from './objects.js';

export function podTargets(pod: Pod, lookup: Lookup): readonly Labels[] {
  // it is starting, or was evicted
  if (pod.ip === '') return [];
  // with nodes at hand, a selector of nodes is one of their pods
  if (lookup.attach.node && lookup.find('node', `/${pod.nodeName}`) === undefined) return [];
  const group = { ...podLabels(pod, lookup), namespace: pod.meta.namespace, ...attachedNodeLabels(pod.nodeName, lookup), ...namespaceLabels(pod.meta, lookup) };
  return pod.containers.flatMap((container) => {
    const own = { ...containerLabels(container), pod_container_id: container.id };
    if (container.ports.length === 0) return [labelSet(pod.ip, group, own)];
    return container.ports.map((port) => labelSet(hostPort(pod.ip, port.number), group, { ...own, ...portLabels(port) }));
  });
}

function containerLabels({ name, image, isInit }: Container): MetaLabels {
  return { pod_container_name: name, pod_container_image: image, pod_container_init: String(isInit) };
}

function portLabels({ name, number, protocol }: Container['ports'][number]): MetaLabels {
  return { pod_container_port_name: name, pod_container_port_number: String(number), pod_container_port_protocol: protocol };
}

/**
 * Of the container behind an endpoint's port. Of several the last wins, as in Prometheus, and its protocol is the port's own unless
 * `protocol` says otherwise.
 */
export function endpointContainerLabels({ containers }: Pod, number: number, protocol?: string): MetaLabels {
  const found = containers.flatMap((container) => {
    const port = container.ports.find((each) => each.number === number);
    return port === undefined ? [] : [{ ...containerLabels(container), ...portLabels({ ...port, protocol: protocol ?? port.protocol }) }];
  });
  return found.at(-1) ?? {};
}

/** Ports of pods behind endpoints that the endpoints do not have themselves: targets too, without what is the endpoint's own. */
export function uncoveredPorts(seen: ReadonlyMap<Pod, ReadonlySet<number>>, group: MetaLabels, lookup: Lookup): readonly Labels[] {
  return [...seen].flatMap(([pod, covered]) => {
    if (pod.ip === '') return [];
    const labels = podLabels(pod, lookup);
    return pod.containers.flatMap((container) =>
      container.ports.filter(({ number }) => !covered.has(number)).map((port) => labelSet(hostPort(pod.ip, port.number), group, { ...labels, ...containerLabels(container), ...portLabels(port) })),
    );
  });
}
