import { isDeepStrictEqual } from 'node:util';
import { err, ok } from '../lib/result.js';
import type { Fault, Result } from '../lib/result.js';
import type { RelabelConfig } from '../model/relabel-config.js';
import { compileRelabel } from '../relabel/relabel.js';
import { parseGoDuration } from './go-duration.js';
import { get, listAt, textAt, textsAt } from '../kube/values.js';

/**
 * `spec.remoteWrite` of a MetricAccess (facts/metricaccess.md §1.2) → what it asks for. Whether it may have it is not decided here.
 *
 * A field that is there is either meant or a fault: nobody is told "exporting" while half of what they wrote is ignored.
 */
export interface RemoteWriteRequest {
  readonly intervalMs: number;
  readonly target: ExportTarget;
  readonly extraLabels: Readonly<Record<string, string>>;
  readonly honorLabels: boolean;
  readonly relabel: readonly RelabelConfig[];
}

export type ExportTarget =
  | { readonly kind: 'prometheus'; readonly service: ServiceRef; readonly replicas: { readonly statefulSet: string; readonly count: number } | undefined }
  | { readonly kind: 'pushgateway'; readonly service: ServiceRef; readonly job: string }
  | { readonly kind: 'remote_write'; readonly url: URL; readonly headers: Readonly<Record<string, string>>; readonly basicAuth: BasicAuth | undefined };

/** `passwordSecret` is of the object's own namespace: it has no other to name. */
export interface BasicAuth {
  readonly user: string;
  readonly passwordSecret: { readonly name: string; readonly key: string };
}

export interface ServiceRef {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

const DEFAULT_INTERVAL_MS = 30_000;
/** "5s to hours". */
const MIN_INTERVAL_MS = 5_000;
const MAX_INTERVAL_MS = 24 * 3_600_000;
const MAX_REPLICAS = 100;
const DNS_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** It goes into a path and a selector of the API server. */
const SECRET_NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
const LABEL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Type of a target → the key of the block that describes it. */
const BLOCKS = { prometheus: 'prometheus', pushgateway: 'pushgateway', remote_write: 'remoteWrite' } as const;
type TargetType = keyof typeof BLOCKS;

/** All faults at once; places are those of the object. */
export function readRemoteWrite(remoteWrite: unknown, namespace: string): Result<RemoteWriteRequest> {
  const faults: Fault[] = [];
  const fault = (place: string, message: string): undefined => void faults.push({ place: `spec.remoteWrite.${place}`, message });
  const target = readTarget(remoteWrite, namespace, fault);
  const intervalMs = readInterval(get(remoteWrite, 'interval'));
  if (intervalMs === undefined) fault('interval', 'must be a duration from 5s to 24h, such as 30s');
  const extraLabels = textsAt(remoteWrite, 'extraLabels');
  for (const name of Object.keys(extraLabels)) if (!LABEL_NAME.test(name) || name.startsWith('__')) fault(`extraLabels.${name}`, 'is not a label that may be set');
  const relabel = listAt(remoteWrite, 'metricRelabelings').map(relabelConfig);
  const compiled = compileRelabel(relabel);
  for (const { place, message } of compiled.ok ? [] : compiled.error) fault(`metricRelabelings${place}`, message);
  if (target === undefined || intervalMs === undefined || faults.length > 0) return err(faults);
  return ok({ intervalMs, target, extraLabels, honorLabels: get(remoteWrite, 'honorLabels') === true, relabel });
}

type Complain = (place: string, message: string) => undefined;

function readInterval(value: unknown): number | undefined {
  if (value === undefined) return DEFAULT_INTERVAL_MS;
  const ms = typeof value === 'string' ? parseGoDuration(value) : undefined;
  return ms !== undefined && ms >= MIN_INTERVAL_MS && ms <= MAX_INTERVAL_MS ? ms : undefined;
}

function readTarget(remoteWrite: unknown, namespace: string, fault: Complain): ExportTarget | undefined {
  const type = textAt(remoteWrite, 'target', 'type') ?? '';
  if (!isTargetType(type)) return fault('target.type', `must be ${Object.keys(BLOCKS).join(', ')}`);
  const key = BLOCKS[type];
  for (const other of Object.values(BLOCKS)) {
    if (other !== key && blockAt(remoteWrite, other).some((block) => block !== undefined)) fault(other, `does not go with the type ${type}`);
  }
  // Both places are documented.
  const [beside, inside] = blockAt(remoteWrite, key);
  if (beside !== undefined && inside !== undefined && !isDeepStrictEqual(beside, inside)) return fault(`target.${key}`, `says something else than remoteWrite.${key}`);
  const block = beside ?? inside;
  if (block === undefined) return fault(key, `is missing: the type is ${type}`);
  switch (type) {
    case 'prometheus':
      return readPrometheus(block, namespace, fault);
    case 'pushgateway':
      return readPushgateway(block, namespace, fault);
    case 'remote_write':
      return readUrl(block, fault);
  }
}

function isTargetType(type: string): type is TargetType {
  return Object.hasOwn(BLOCKS, type);
}

function blockAt(remoteWrite: unknown, key: string): readonly [beside: unknown, inside: unknown] {
  return [get(remoteWrite, key) ?? undefined, get(remoteWrite, 'target', key) ?? undefined];
}

function readPrometheus(block: unknown, namespace: string, fault: Complain): ExportTarget | undefined {
  const service = readService(block, { namespace: textAt(block, 'targetNamespace') || namespace, port: 9090 }, (place, message) => fault(`prometheus.${place}`, message));
  const count = Number(get(block, 'replicas') ?? 0);
  const statefulSet = textAt(block, 'statefulSetName') ?? '';
  if (!Number.isInteger(count) || count < 0 || count > MAX_REPLICAS) return fault('prometheus.replicas', `must be ${MAX_REPLICAS} at most`);
  if (service === undefined || count === 0 || statefulSet === '') return service && { kind: 'prometheus', service, replicas: undefined };
  if (!DNS_LABEL.test(statefulSet)) return fault('prometheus.statefulSetName', 'is not a name');
  return { kind: 'prometheus', service, replicas: { statefulSet, count } };
}

function readPushgateway(block: unknown, namespace: string, fault: Complain): ExportTarget | undefined {
  const service = readService(block, { namespace, port: 9091 }, (place, message) => fault(`pushgateway.${place}`, message));
  const job = textAt(block, 'jobName') ?? '';
  if (job === '') return fault('pushgateway.jobName', 'is missing');
  return service && { kind: 'pushgateway', service, job };
}

function readService(block: unknown, defaults: { readonly namespace: string; readonly port: number }, fault: Complain): ServiceRef | undefined {
  const name = textAt(block, 'serviceName') ?? '';
  const port = Number(get(block, 'servicePort') ?? defaults.port);
  if (!DNS_LABEL.test(name)) return fault('serviceName', 'is not the name of a Service');
  if (!DNS_LABEL.test(defaults.namespace)) return fault('targetNamespace', 'is not the name of a namespace');
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return fault('servicePort', 'is not a port');
  return { namespace: defaults.namespace, name, port };
}

function readUrl(block: unknown, fault: Complain): ExportTarget | undefined {
  const text = textAt(block, 'url') ?? '';
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) return fault('remoteWrite.url', 'is not an http or https URL');
  if (url.username !== '' || url.password !== '') return fault('remoteWrite.url', 'must have no credentials in it: everybody may read this object');
  const basicAuth = get(block, 'basicAuth') === undefined ? undefined : readBasicAuth(get(block, 'basicAuth'));
  if (basicAuth === 'bad') return fault('remoteWrite.basicAuth', 'needs username, without a colon, and passwordSecret with name and key');
  return { kind: 'remote_write', url, headers: textsAt(block, 'headers'), basicAuth };
}

function readBasicAuth(block: unknown): BasicAuth | 'bad' {
  const [user, name, key] = [textAt(block, 'username'), textAt(block, 'passwordSecret', 'name'), textAt(block, 'passwordSecret', 'key')];
  const sound = user !== undefined && !user.includes(':') && name !== undefined && SECRET_NAME.test(name) && key !== undefined;
  return sound ? { user, passwordSecret: { name, key } } : 'bad';
}

function relabelConfig(rule: unknown): RelabelConfig {
  const text = (to: string, from: string): Readonly<Record<string, string>> => {
    const value = textAt(rule, from);
    return value === undefined ? {} : { [to]: value };
  };
  const sources = listAt(rule, 'sourceLabels').filter((each) => typeof each === 'string');
  return {
    ...(sources.length > 0 && { source_labels: sources }),
    ...text('separator', 'separator'),
    ...text('regex', 'regex'),
    ...text('target_label', 'targetLabel'),
    ...text('replacement', 'replacement'),
    ...text('action', 'action'),
  };
}
