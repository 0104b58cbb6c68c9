/**
 * Objects of a cluster as discovery needs them: read once when they arrive, so that nothing else of them stays in memory, and no
 * other module has to doubt what the API server sent. A field that is absent is what Go takes for it, since that is how Prometheus sees it.
 */
import { get, listAt, textAt, textsAt } from '../../../kube/values.js';

export interface Meta {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly controller: { readonly kind: string; readonly name: string } | undefined;
}

export interface Pod {
  readonly meta: Meta;
  readonly ip: string;
  readonly hostIp: string;
  readonly nodeName: string;
  readonly phase: string;
  readonly ready: string;
  /** Those that start first come last, as Prometheus has them. */
  readonly containers: readonly Container[];
}

export interface Container {
  readonly name: string;
  readonly image: string;
  /** Empty until it has run. */
  readonly id: string;
  readonly isInit: boolean;
  readonly ports: readonly { readonly name: string; readonly number: number; readonly protocol: string }[];
}

export interface Service {
  readonly meta: Meta;
  readonly type: string;
  readonly clusterIp: string;
  readonly externalName: string;
  /** Joined by commas. */
  readonly loadBalancerIps: string;
  readonly ipFamilyPolicy: string;
  readonly primaryFamily: string | undefined;
  readonly ports: readonly { readonly name: string; readonly number: number; readonly protocol: string }[];
}

export interface Endpoints {
  readonly meta: Meta;
  readonly subsets: readonly {
    readonly ports: readonly { readonly name: string; readonly number: number; readonly protocol: string }[];
    readonly addresses: readonly EndpointAddress[];
  }[];
}

export interface EndpointAddress {
  readonly ip: string;
  readonly hostname: string;
  readonly nodeName: string | undefined;
  readonly isReady: boolean;
  readonly target: ObjectRef | undefined;
}

export interface ObjectRef {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

export interface EndpointSlice {
  readonly meta: Meta;
  readonly addressType: string;
  readonly ports: readonly { readonly name: string | undefined; readonly number: number | undefined; readonly protocol: string | undefined; readonly appProtocol: string | undefined }[];
  readonly endpoints: readonly {
    readonly addresses: readonly string[];
    readonly conditions: Readonly<Record<'ready' | 'serving' | 'terminating', boolean | undefined>>;
    readonly hostname: string | undefined;
    readonly nodeName: string | undefined;
    readonly zone: string | undefined;
    readonly topology: Readonly<Record<string, string>>;
    readonly target: ObjectRef | undefined;
  }[];
}

export interface Node {
  readonly meta: Meta;
  readonly providerId: string;
  readonly kubeletPort: number;
  readonly addresses: readonly { readonly type: string; readonly address: string }[];
  readonly conditions: readonly { readonly type: string; readonly status: string }[];
}

export interface Ingress {
  readonly meta: Meta;
  readonly className: string | undefined;
  readonly tlsHosts: readonly string[];
  /** `paths`: undefined = the rule has none. */
  readonly rules: readonly { readonly host: string; readonly paths: readonly string[] | undefined }[];
}

/** A PodMonitor or a ServiceMonitor; its spec is judged by whoever translates it. */
export interface MonitorObject {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** RFC 3339. */
  readonly created: string;
  readonly spec: unknown;
}

/** A Secret or a ConfigMap that something refers to: the text at each key. */
export interface Texts {
  readonly texts: Readonly<Record<string, string>>;
}

function numberAt(value: unknown, ...keys: readonly (string | number)[]): number | undefined {
  const found = get(value, ...keys);
  return typeof found === 'number' ? found : undefined;
}

function booleanAt(value: unknown, ...keys: readonly (string | number)[]): boolean | undefined {
  const found = get(value, ...keys);
  return typeof found === 'boolean' ? found : undefined;
}

function metaOf(object: unknown): Meta {
  const meta = get(object, 'metadata');
  const owner = listAt(meta, 'ownerReferences').find((each) => get(each, 'controller') === true);
  return {
    namespace: textAt(meta, 'namespace') ?? '',
    name: textAt(meta, 'name') ?? '',
    uid: textAt(meta, 'uid') ?? '',
    labels: textsAt(meta, 'labels'),
    annotations: textsAt(meta, 'annotations'),
    controller: owner === undefined ? undefined : { kind: textAt(owner, 'kind') ?? '', name: textAt(owner, 'name') ?? '' },
  };
}

function refOf(ref: unknown): ObjectRef | undefined {
  return ref === undefined || ref === null ? undefined : { kind: textAt(ref, 'kind') ?? '', namespace: textAt(ref, 'namespace') ?? '', name: textAt(ref, 'name') ?? '' };
}

function portsOf(ports: readonly unknown[], key: string): { readonly name: string; readonly number: number; readonly protocol: string }[] {
  return ports.map((port) => ({ name: textAt(port, 'name') ?? '', number: numberAt(port, key) ?? 0, protocol: textAt(port, 'protocol') ?? '' }));
}

/** For kinds of which only the owner, the labels and the annotations are asked for. */
export function readMeta(object: unknown): { readonly meta: Meta } {
  return { meta: metaOf(object) };
}

export function readPod(object: unknown): Pod {
  const containers = (specs: string, statuses: string, isInit: boolean): readonly Container[] =>
    listAt(object, 'spec', specs).map((each) => {
      const name = textAt(each, 'name') ?? '';
      const status = listAt(object, 'status', statuses).find((one) => textAt(one, 'name') === name);
      return { name, image: textAt(each, 'image') ?? '', id: textAt(status, 'containerID') ?? '', isInit, ports: portsOf(listAt(each, 'ports'), 'containerPort') };
    });
  const condition = listAt(object, 'status', 'conditions').find((each) => textAt(each, 'type') === 'Ready');
  return {
    meta: metaOf(object),
    ip: textAt(object, 'status', 'podIP') ?? '',
    hostIp: textAt(object, 'status', 'hostIP') ?? '',
    nodeName: textAt(object, 'spec', 'nodeName') ?? '',
    phase: textAt(object, 'status', 'phase') ?? '',
    ready: condition === undefined ? 'unknown' : (textAt(condition, 'status') ?? '').toLowerCase(),
    containers: [...containers('containers', 'containerStatuses', false), ...containers('initContainers', 'initContainerStatuses', true)],
  };
}

export function readService(object: unknown): Service {
  const ips = listAt(object, 'status', 'loadBalancer', 'ingress').flatMap((each) => textAt(each, 'ip') || []);
  return {
    meta: metaOf(object),
    type: textAt(object, 'spec', 'type') ?? '',
    clusterIp: textAt(object, 'spec', 'clusterIP') ?? '',
    externalName: textAt(object, 'spec', 'externalName') ?? '',
    loadBalancerIps: ips.length > 0 ? ips.join(',') : (textAt(object, 'spec', 'loadBalancerIP') ?? ''),
    ipFamilyPolicy: textAt(object, 'spec', 'ipFamilyPolicy') ?? '',
    primaryFamily: textAt(object, 'spec', 'ipFamilies', 0),
    ports: portsOf(listAt(object, 'spec', 'ports'), 'port'),
  };
}

export function readEndpoints(object: unknown): Endpoints {
  const addresses = (subset: unknown, key: string, isReady: boolean): readonly EndpointAddress[] =>
    listAt(subset, key).map((each) => ({ ip: textAt(each, 'ip') ?? '', hostname: textAt(each, 'hostname') ?? '', nodeName: textAt(each, 'nodeName'), isReady, target: refOf(get(each, 'targetRef')) }));
  return {
    meta: metaOf(object),
    subsets: listAt(object, 'subsets').map((subset) => ({
      ports: portsOf(listAt(subset, 'ports'), 'port'),
      addresses: [...addresses(subset, 'addresses', true), ...addresses(subset, 'notReadyAddresses', false)],
    })),
  };
}

export function readEndpointSlice(object: unknown): EndpointSlice {
  return {
    meta: metaOf(object),
    addressType: textAt(object, 'addressType') ?? '',
    ports: listAt(object, 'ports').map((port) => ({ name: textAt(port, 'name'), number: numberAt(port, 'port'), protocol: textAt(port, 'protocol'), appProtocol: textAt(port, 'appProtocol') })),
    endpoints: listAt(object, 'endpoints').map((each) => ({
      addresses: listAt(each, 'addresses').filter((address) => typeof address === 'string'),
      conditions: { ready: booleanAt(each, 'conditions', 'ready'), serving: booleanAt(each, 'conditions', 'serving'), terminating: booleanAt(each, 'conditions', 'terminating') },
      hostname: textAt(each, 'hostname'),
      nodeName: textAt(each, 'nodeName'),
      zone: textAt(each, 'zone'),
      topology: textsAt(each, 'deprecatedTopology'),
      target: refOf(get(each, 'targetRef')),
    })),
  };
}

export function readNode(object: unknown): Node {
  return {
    meta: metaOf(object),
    providerId: textAt(object, 'spec', 'providerID') ?? '',
    kubeletPort: numberAt(object, 'status', 'daemonEndpoints', 'kubeletEndpoint', 'Port') ?? 0,
    addresses: listAt(object, 'status', 'addresses').map((each) => ({ type: textAt(each, 'type') ?? '', address: textAt(each, 'address') ?? '' })),
    conditions: listAt(object, 'status', 'conditions').map((each) => ({ type: textAt(each, 'type') ?? '', status: textAt(each, 'status') ?? '' })),
  };
}

export function readIngress(object: unknown): Ingress {
  return {
    meta: metaOf(object),
    className: textAt(object, 'spec', 'ingressClassName'),
    tlsHosts: listAt(object, 'spec', 'tls').flatMap((each) => listAt(each, 'hosts').filter((host) => typeof host === 'string')),
    rules: listAt(object, 'spec', 'rules').map((rule) => ({
      host: textAt(rule, 'host') ?? '',
      paths: get(rule, 'http') === undefined ? undefined : listAt(rule, 'http', 'paths').map((each) => textAt(each, 'path') ?? ''),
    })),
  };
}

export function readMonitor(object: unknown): MonitorObject {
  const { namespace, name, uid } = metaOf(object);
  return { namespace, name, uid, created: textAt(object, 'metadata', 'creationTimestamp') ?? '', spec: get(object, 'spec') };
}

export function readSecret(object: unknown): Texts {
  return { texts: decoded(textsAt(object, 'data')) };
}

export function readConfigMap(object: unknown): Texts {
  return { texts: { ...decoded(textsAt(object, 'binaryData')), ...textsAt(object, 'data') } };
}

function decoded(data: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]));
}
