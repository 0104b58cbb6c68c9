/**
 * The `relabel_configs` of one endpoint of a monitor: rule by rule those that prometheus-operator writes for it
 * (pkg/prometheus/promcfg.go, one shard), so that its targets are what they are there. Only the first is ours: the name of the target.
 */
import type { RelabelConfig } from '../../../model/relabel-config.js';
import { sanitise } from '../kubernetes/labels.js';
import { TARGET_NAME_LABEL } from '../label-sets.js';
import type { Monitor, MonitorEndpoint } from './monitor.js';
import { selectorRules } from './selector.js';

export type MonitorRole = 'pod' | 'endpoints' | 'endpointslice';

const META = '__meta_kubernetes_';

/** `shop/web-0:9100` → `shop-web-0-9100`, where there is a pod; a rule of the object may say otherwise. */
const NAME: RelabelConfig = { source_labels: [`${META}namespace`, `${META}pod_name`, '__address__'], regex: '(.+);(.+);.*:(\\d+)', target_label: TARGET_NAME_LABEL, replacement: '$1/$2/$3' };
const JOB_NAME: RelabelConfig = { source_labels: ['job'], target_label: '__tmp_prometheus_job_name' };
const RUNNING: RelabelConfig = { action: 'drop', source_labels: [`${META}pod_phase`], regex: '(Failed|Succeeded)' };

/** Before the endpoint's own `relabelings`. */
export function endpointRules(monitor: Monitor, endpoint: MonitorEndpoint, role: MonitorRole): readonly RelabelConfig[] {
  const rules = role === 'pod' ? podRules(monitor, endpoint) : serviceRules(monitor, endpoint, role);
  return [NAME, JOB_NAME, ...rules];
}

function podRules(monitor: Monitor, endpoint: MonitorEndpoint): readonly RelabelConfig[] {
  return [
    ...(endpoint.filterRunning ? [RUNNING] : []),
    ...(monitor.selectsByRole ? [] : selectorRules('pod', monitor.selector)),
    ...podPort(endpoint),
    copy('namespace', 'namespace'),
    copy('pod_container_name', 'container'),
    copy('pod_name', 'pod'),
    ...monitor.podTargetLabels.map((label) => copyLabel('pod', label, sanitise(label))),
    { target_label: 'job', replacement: `${monitor.namespace}/${monitor.name}` },
    ...jobLabel('pod', monitor),
    ...endpointLabel(endpoint),
  ];
}

function serviceRules(monitor: Monitor, endpoint: MonitorEndpoint, role: 'endpoints' | 'endpointslice'): readonly RelabelConfig[] {
  const of = role === 'endpoints' ? 'endpoint' : 'endpointslice';
  const behind = (kind: string, label: string): RelabelConfig => ({
    source_labels: [`${META}${of}_address_target_kind`, `${META}${of}_address_target_name`],
    separator: ';',
    regex: `${kind};(.*)`,
    replacement: '${1}',
    target_label: label,
  });
  return [
    ...(monitor.selectsByRole ? [] : selectorRules('service', monitor.selector)),
    ...(endpoint.port === '' ? containerPort(endpoint.targetPort) : [keep(`${of}_port_name`, endpoint.port)]),
    behind('Node', 'node'),
    behind('Pod', 'pod'),
    copy('namespace', 'namespace'),
    copy('service_name', 'service'),
    copy('pod_name', 'pod'),
    copy('pod_container_name', 'container'),
    ...(endpoint.filterRunning ? [RUNNING] : []),
    ...monitor.targetLabels.map((label) => copyLabel('service', label, sanitise(label))),
    ...monitor.podTargetLabels.map((label) => copyLabel('pod', label, sanitise(label))),
    { ...copy('service_name', 'job'), replacement: '${1}' },
    ...jobLabel('service', monitor),
    ...endpointLabel(endpoint),
  ];
}

function podPort({ port, portNumber, targetPort }: MonitorEndpoint): readonly RelabelConfig[] {
  if (port !== '') return [keep('pod_container_port_name', port)];
  return portNumber === 0 ? containerPort(targetPort) : [keep('pod_container_port_number', String(portNumber))];
}

function containerPort(targetPort: string | number | undefined): readonly RelabelConfig[] {
  if (targetPort === undefined || targetPort === '' || targetPort === 0) return [];
  return [typeof targetPort === 'string' ? keep('pod_container_port_name', targetPort) : keep('pod_container_port_number', String(targetPort))];
}

function endpointLabel({ port, targetPort = '' }: MonitorEndpoint): readonly RelabelConfig[] {
  const name = port === '' ? String(targetPort) : port;
  return name === '' ? [] : [{ target_label: 'endpoint', replacement: name }];
}

function jobLabel(object: 'pod' | 'service', monitor: Monitor): readonly RelabelConfig[] {
  return monitor.jobLabel === '' ? [] : [copyLabel(object, monitor.jobLabel, 'job')];
}

function keep(meta: string, regex: string): RelabelConfig {
  return { action: 'keep', source_labels: [`${META}${meta}`], regex };
}

function copy(meta: string, label: string): RelabelConfig {
  return { source_labels: [`${META}${meta}`], target_label: label };
}

/** A label of the object becomes one of the target, unless it is empty. */
function copyLabel(object: 'pod' | 'service', key: string, label: string): RelabelConfig {
  return { source_labels: [`${META}${object}_label_${sanitise(key)}`], target_label: label, regex: '(.+)', replacement: '${1}' };
}
