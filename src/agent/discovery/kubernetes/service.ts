/** One target for each port of a service, under the service's name: for a probe from outside rather than for a scrape. Pure. */
import type { Labels } from '../../../relabel/relabel.js';
import { hostPort, labelSet, namespaceLabels, serviceLabels } from './labels.js';
import type { Lookup } from './labels.js';
import type { Service } from './objects.js';

export function serviceTargets(service: Service, lookup: Lookup): readonly Labels[] {
  const { meta, type, clusterIp, externalName, loadBalancerIps } = service;
  const group = { ...serviceLabels(service), ...namespaceLabels(meta, lookup) };
  return service.ports.map(({ name, number, protocol }) =>
    labelSet(hostPort(`${meta.name}.${meta.namespace}.svc`, number), group, {
      service_port_name: name,
      service_port_number: String(number),
      service_port_protocol: protocol,
      service_type: type,
      ...(type === 'ExternalName' ? { service_external_name: externalName } : { service_cluster_ip: clusterIp }),
      ...(type === 'LoadBalancer' && { service_loadbalancer_ip: loadBalancerIps }),
    }),
  );
}
