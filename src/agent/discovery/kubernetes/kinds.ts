/** The kinds of objects that discovery watches: where the API server has them, and what is kept of one. */
import { ENDPOINTS, ENDPOINT_SLICE, INGRESS, JOB, NAMESPACE, NODE, POD, REPLICA_SET, SERVICE } from '../../../kube/kinds.js';
import type { Kind } from '../../../kube/kinds.js';
import { readEndpoints, readEndpointSlice, readIngress, readMeta, readNode, readPod, readService } from './objects.js';
import type { Endpoints, EndpointSlice, Ingress, Meta, Node, Pod, Service } from './objects.js';

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
}

export type KindName = keyof KindObjects;

export const KINDS: { readonly [K in KindName]: { readonly kind: Kind; readonly read: (object: unknown) => KindObjects[K] } } = {
  node: { kind: NODE, read: readNode },
  pod: { kind: POD, read: readPod },
  service: { kind: SERVICE, read: readService },
  endpoints: { kind: ENDPOINTS, read: readEndpoints },
  endpointslice: { kind: ENDPOINT_SLICE, read: readEndpointSlice },
  ingress: { kind: INGRESS, read: readIngress },
  namespace: { kind: NAMESPACE, read: readMeta },
  replicaset: { kind: REPLICA_SET, read: readMeta },
  job: { kind: JOB, read: readMeta },
};
