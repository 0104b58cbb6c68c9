/** The kinds of objects that discovery watches: where the API server has them, and what is kept of one. */
import { CONFIG_MAP, ENDPOINTS, ENDPOINT_SLICE, INGRESS, JOB, NAMESPACE, NODE, POD, POD_MONITOR, REPLICA_SET, SECRET, SERVICE, SERVICE_MONITOR } from '../../../kube/kinds.js';
import type { Kind } from '../../../kube/kinds.js';
import { readConfigMap, readEndpoints, readEndpointSlice, readIngress, readMeta, readMonitor, readNode, readPod, readSecret, readService } from './objects.js';
import type { Endpoints, EndpointSlice, Ingress, Meta, MonitorObject, Node, Pod, Service, Texts } from './objects.js';

export interface KindObjects {
  readonly node: Node;
  readonly pod: Pod;
  readonly service: Service;
  readonly endpoints: Endpoints;
  readonly endpointslice: EndpointSlice;
  readonly ingress: Ingress;
  readonly namespace: { readonly meta: Meta };
  readonly replicaset: { readonly meta: Meta };
  readonly job: { readonly meta: Meta };
  readonly podmonitor: MonitorObject;
  readonly servicemonitor: MonitorObject;
  readonly secret: Texts;
  readonly configmap: Texts;
}

export type KindName = keyof KindObjects;

export const KINDS: { readonly [K in KindName]: { readonly kind: Kind; readonly read: (object: unknown) => KindObjects[K]; readonly mayBeAbsent?: boolean } } = {
  node: { kind: NODE, read: readNode },
  pod: { kind: POD, read: readPod },
  service: { kind: SERVICE, read: readService },
  endpoints: { kind: ENDPOINTS, read: readEndpoints },
  endpointslice: { kind: ENDPOINT_SLICE, read: readEndpointSlice },
  ingress: { kind: INGRESS, read: readIngress },
  namespace: { kind: NAMESPACE, read: readMeta },
  replicaset: { kind: REPLICA_SET, read: readMeta },
  job: { kind: JOB, read: readMeta },
  podmonitor: { kind: POD_MONITOR, read: readMonitor, mayBeAbsent: true },
  servicemonitor: { kind: SERVICE_MONITOR, read: readMonitor, mayBeAbsent: true },
  secret: { kind: SECRET, read: readSecret },
  configmap: { kind: CONFIG_MAP, read: readConfigMap },
};
