/**
 * Label sets as Prometheus's Kubernetes discovery builds them: labels of the group below those of the target, every name under one
 * prefix. What reads other objects does it through `Lookup`, so that its result can be remembered for as long as they are the same.
 */
import type { AttachMetadata } from '../../../model/agent-settings.js';
import type { Labels } from '../../../relabel/relabel.js';
import type { KindName, KindObjects } from './kinds.js';
import type { Meta, Pod, Service } from './objects.js';

/** Without the prefix `__meta_kubernetes_`. */
export type MetaLabels = Readonly<Record<string, string>>;

/** Objects of whatever kind, undefined where there is none or where its kind is not watched. */
export interface Lookup {
  readonly attach: AttachMetadata;
  /** `namespace/name`, with nothing before the slash for what is in no namespace. */
  find<K extends KindName>(kind: K, key: string): KindObjects[K] | undefined;
}

const PREFIX = '__meta_kubernetes_';

/** Labels of the target win over those of its group, empty ones included. */
export function labelSet(address: string, group: MetaLabels, own: MetaLabels): Labels {
  const meta = Object.entries({ ...group, ...own }).map(([name, value]) => [`${PREFIX}${name}`, value] as const);
  return new Map([...meta, ['__address__', address]]);
}

/** One underscore for each character, not for each of its bytes. */
export function sanitise(name: string): string {
  return name.replace(/[^a-zA-Z0-9_]/gu, '_');
}

/** An IPv6 address gets brackets. */
export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function marks(resource: string, { labels, annotations }: Meta): MetaLabels {
  const marked = (kind: 'label' | 'annotation', values: Readonly<Record<string, string>>): readonly (readonly [string, string])[] =>
    Object.entries(values).flatMap(([key, value]) => [
      [`${resource}_${kind}_${sanitise(key)}`, value],
      [`${resource}_${kind}present_${sanitise(key)}`, 'true'],
    ] as const);
  return Object.fromEntries([...marked('label', labels), ...marked('annotation', annotations)]);
}

/** The name, the labels and the annotations of an object. */
export function metaLabels(resource: string, meta: Meta): MetaLabels {
  return { [`${resource}_name`]: meta.name, ...marks(resource, meta) };
}

export function namespaceLabels({ namespace }: Meta, lookup: Lookup): MetaLabels {
  const found = lookup.attach.namespace ? lookup.find('namespace', `/${namespace}`) : undefined;
  return found === undefined ? {} : marks('namespace', found.meta);
}

/** None where no name is given. */
export function attachedNodeLabels(name: string | undefined, lookup: Lookup): MetaLabels {
  const found = lookup.attach.node && name !== undefined ? lookup.find('node', `/${name}`) : undefined;
  return found === undefined ? {} : metaLabels('node', found.meta);
}

export function podLabels(pod: Pod, lookup: Lookup): MetaLabels {
  const { meta } = pod;
  return {
    pod_ip: pod.ip,
    pod_ready: pod.ready,
    pod_phase: pod.phase,
    pod_node_name: pod.nodeName,
    pod_host_ip: pod.hostIp,
    pod_uid: meta.uid,
    ...metaLabels('pod', meta),
    ...controllerLabels(meta, lookup),
  };
}

function controllerLabels({ namespace, controller }: Meta, lookup: Lookup): MetaLabels {
  if (controller === undefined) return {};
  const { attach } = lookup;
  const { kind, name } = controller;
  const own = { ...(kind !== '' && { pod_controller_kind: kind }), ...(name !== '' && { pod_controller_name: name }) };
  if (kind === 'ReplicaSet') {
    const owner = attach.deployment ? lookup.find('replicaset', `${namespace}/${name}`)?.meta.controller : undefined;
    return { ...own, ...(owner?.kind === 'Deployment' && { pod_deployment_name: owner.name }) };
  }
  if (kind === 'Job') {
    const owner = attach.cronjob ? lookup.find('job', `${namespace}/${name}`)?.meta.controller : undefined;
    return { ...own, ...(attach.job && { pod_job_name: name }), ...(owner?.kind === 'CronJob' && { pod_cronjob_name: owner.name }) };
  }
  return own;
}

/** Of the service that endpoints belong to. */
export function serviceLabels({ meta }: Service): MetaLabels {
  return { namespace: meta.namespace, ...metaLabels('service', meta) };
}
