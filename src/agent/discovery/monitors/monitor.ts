/**
 * A PodMonitor or a ServiceMonitor as we understand it, read from an object that anybody may have written. What prometheus-operator
 * refuses is refused here, and so is what an agent cannot do for it: half of what was meant is worse than a clear word.
 */
import { parseDuration } from '../../../lib/duration.js';
import { err, ok } from '../../../lib/result.js';
import type { Result } from '../../../lib/result.js';
import type { MonitorKind } from '../../../model/agent-settings.js';
import type { RelabelConfig } from '../../../model/relabel-config.js';
import type { MonitorObject } from '../kubernetes/objects.js';
import { readSelector } from './selector.js';
import type { LabelSelector } from './selector.js';
import { Spec } from './spec.js';

export interface Monitor {
  readonly kind: MonitorKind;
  readonly namespace: string;
  readonly name: string;
  readonly selector: LabelSelector;
  /** The API server chooses, not rules. */
  readonly selectsByRole: boolean;
  /** Undefined = all. */
  readonly namespaces: readonly string[] | undefined;
  readonly role: 'endpoints' | 'endpointslice' | undefined;
  readonly attachesNode: boolean;
  readonly jobLabel: string;
  readonly targetLabels: readonly string[];
  readonly podTargetLabels: readonly string[];
  readonly sampleLimit: number | undefined;
  readonly readsClassic: boolean;
  readonly bodyLimitBytes: number | undefined;
  readonly endpoints: readonly MonitorEndpoint[];
}

export interface MonitorEndpoint {
  /** For faults: `endpoints[0]`. */
  readonly place: string;
  readonly port: string;
  readonly portNumber: number;
  readonly targetPort: string | number | undefined;
  readonly path: string;
  readonly scheme: 'http' | 'https';
  readonly params: Readonly<Record<string, readonly string[]>>;
  readonly timeoutMs: number | undefined;
  readonly filterRunning: boolean;
  readonly honorLabels: boolean;
  readonly relabelings: readonly RelabelConfig[];
  readonly metricRelabelings: readonly RelabelConfig[];
  readonly credentials: Credentials | undefined;
  readonly tls: MonitorTls | undefined;
}

/** A key of a Secret or a ConfigMap of the object's namespace. */
export interface KeyRef {
  readonly kind: 'secret' | 'configmap';
  readonly name: string;
  readonly key: string;
}

/** Where a text stands that the object refers to; a file is one of the agent's own machine. */
export type TextRef = KeyRef | { readonly kind: 'file'; readonly path: string };

export type Credentials =
  | { readonly kind: 'basic'; readonly user: KeyRef; readonly password: KeyRef }
  | { readonly kind: 'token'; readonly scheme: string; readonly token: TextRef };

export interface MonitorTls {
  readonly ca: TextRef | undefined;
  readonly cert: TextRef | undefined;
  readonly key: TextRef | undefined;
  readonly serverName: string | undefined;
  readonly insecureSkipVerify: boolean;
}

/** Faults are for the object's author, each with its place. */
export function readMonitorSpec(kind: MonitorKind, { namespace, name, spec: raw }: MonitorObject): Result<Monitor, readonly string[]> {
  const spec = new Spec({ spec: raw }, '', []).child('spec');
  if (spec === undefined) return err(['spec: is missing']);
  const selector = readSelector(spec);
  const where = spec.child('namespaceSelector');
  const names = where?.texts('matchNames') ?? [];
  if (spec.has('scrapeClass')) spec.fault('scrapeClass', 'names what only a Prometheus of prometheus-operator has');
  const monitor: Monitor = {
    kind,
    namespace,
    name,
    selector,
    selectsByRole: oneOf(spec, 'selectorMechanism', ['RelabelConfig', 'RoleSelector']) === 'RoleSelector',
    namespaces: where?.flag('any') === true ? undefined : names.length > 0 ? names : [namespace],
    role: ROLES.get(oneOf(spec, 'serviceDiscoveryRole', [...ROLES.keys()]) ?? ''),
    attachesNode: spec.child('attachMetadata')?.flag('node') ?? false,
    jobLabel: spec.text('jobLabel') ?? '',
    targetLabels: spec.texts('targetLabels'),
    podTargetLabels: spec.texts('podTargetLabels'),
    sampleLimit: spec.whole('sampleLimit') || undefined,
    readsClassic: spec.flag('scrapeClassicHistograms') ?? false,
    bodyLimitBytes: readSize(spec, 'bodySizeLimit'),
    endpoints: spec.children(kind === 'PodMonitor' ? 'podMetricsEndpoints' : 'endpoints').map(readEndpoint),
  };
  return spec.faults.length > 0 ? err(spec.faults) : ok(monitor);
}

const ROLES: ReadonlyMap<string, 'endpoints' | 'endpointslice'> = new Map([['Endpoints', 'endpoints'], ['EndpointSlice', 'endpointslice']]);

function readEndpoint(spec: Spec): MonitorEndpoint {
  for (const key of ['oauth2', 'proxyUrl', 'proxyConnectHeader']) if (spec.has(key)) spec.fault(key, 'is not known to an agent');
  if (spec.flag('proxyFromEnvironment') === true) spec.fault('proxyFromEnvironment', 'is not known to an agent');
  const scheme = (oneOf(spec, 'scheme', ['http', 'https', 'HTTP', 'HTTPS']) ?? 'http').toLowerCase();
  return {
    place: spec.place,
    port: spec.text('port') ?? '',
    portNumber: spec.whole('portNumber') ?? 0,
    targetPort: spec.textOrNumber('targetPort'),
    path: spec.text('path') || '/metrics',
    scheme: scheme === 'https' ? 'https' : 'http',
    params: spec.lists('params'),
    timeoutMs: readTimeout(spec),
    filterRunning: spec.flag('filterRunning') ?? true,
    honorLabels: spec.flag('honorLabels') ?? false,
    relabelings: spec.children('relabelings').map(readRule),
    metricRelabelings: spec.children('metricRelabelings').map(readRule),
    credentials: readCredentials(spec),
    tls: readTls(spec.child('tlsConfig')),
  };
}

/** How often a target is asked is for whoever asks; that a time-out within it was meant can be checked. */
function readTimeout(spec: Spec): number | undefined {
  const duration = (key: string): number | undefined => {
    const text = spec.text(key) ?? '';
    const ms = text === '' || text === '0' ? 0 : parseDuration(text);
    if (ms === undefined) spec.fault(key, 'must be a duration such as 30s');
    return ms || undefined;
  };
  const [intervalMs, timeoutMs] = [duration('interval'), duration('scrapeTimeout')];
  if (intervalMs !== undefined && timeoutMs !== undefined && timeoutMs > intervalMs) spec.fault('scrapeTimeout', 'is longer than the interval');
  return timeoutMs;
}

function readRule(spec: Spec): RelabelConfig {
  const [separator, target, regex, modulus, replacement, action] = [spec.text('separator'), spec.text('targetLabel'), spec.text('regex'), spec.whole('modulus'), spec.text('replacement'), spec.text('action')];
  const sources = spec.texts('sourceLabels');
  // as the operator writes it: what is empty is left out, but for the separator and the replacement
  return {
    ...(sources.length > 0 && { source_labels: sources }),
    ...(separator !== undefined && { separator }),
    ...(target && { target_label: target }),
    ...(regex && { regex }),
    ...(modulus && { modulus }),
    ...(replacement !== undefined && { replacement }),
    ...(action && { action: action.toLowerCase() }),
  };
}

function readCredentials(spec: Spec): Credentials | undefined {
  const [basic, authorization] = [spec.child('basicAuth'), spec.child('authorization')];
  const bearer = spec.child('bearerTokenSecret');
  const token = bearer?.text('name') ? readKey(spec, 'bearerTokenSecret', 'secret') : readFileRef(spec, 'bearerTokenFile');
  if ([basic, authorization, token].filter((each) => each !== undefined).length > 1) spec.fault('', 'has more than one of basicAuth, authorization and a bearer token');
  if (token !== undefined) return { kind: 'token', scheme: 'Bearer', token };
  if (basic !== undefined) {
    const [user, password] = [readKey(basic, 'username', 'secret'), readKey(basic, 'password', 'secret')];
    return user && password && { kind: 'basic', user, password };
  }
  const scheme = (authorization?.text('type') ?? '').trim() || 'Bearer';
  if (scheme.toLowerCase() === 'basic') authorization?.fault('type', 'must not be Basic: that is basicAuth');
  const credentials = authorization?.has('credentials') === true ? readKey(authorization, 'credentials', 'secret') : undefined;
  return credentials && { kind: 'token', scheme, token: credentials };
}

function readFileRef(spec: Spec, key: string): TextRef | undefined {
  const path = spec.text(key) ?? '';
  return path === '' ? undefined : { kind: 'file', path };
}

function readTls(spec: Spec | undefined): MonitorTls | undefined {
  if (spec === undefined) return undefined;
  const ca = readTextRef(spec, 'ca');
  const cert = readTextRef(spec, 'cert');
  const key = spec.has('keySecret') ? readKey(spec, 'keySecret', 'secret') : readFileRef(spec, 'keyFile');
  if ((cert === undefined) !== (key === undefined)) spec.fault('', 'needs both certificate and key, or none');
  return { ca, cert, key, serverName: spec.text('serverName') || undefined, insecureSkipVerify: spec.flag('insecureSkipVerify') ?? false };
}

function readTextRef(spec: Spec, key: string): TextRef | undefined {
  const either = spec.child(key);
  const file = readFileRef(spec, `${key}File`);
  if ([either?.has('secret') === true, either?.has('configMap') === true, file !== undefined].filter(Boolean).length > 1) spec.fault(key, 'names more than one of a Secret, a ConfigMap and a file');
  if (either?.has('secret') === true) return readKey(either, 'secret', 'secret');
  return either?.has('configMap') === true ? readKey(either, 'configMap', 'configmap') : file;
}

const OBJECT_NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

function readKey(spec: Spec, at: string, kind: KeyRef['kind']): KeyRef | undefined {
  const ref = spec.child(at);
  const [name, key] = [ref?.text('name') ?? '', ref?.text('key') ?? ''];
  if (OBJECT_NAME.test(name) && key !== '') return { kind, name, key };
  spec.fault(at, 'must have a name and a key');
  return undefined;
}

function oneOf<T extends string>(spec: Spec, key: string, known: readonly T[]): T | undefined {
  const text = spec.text(key);
  const found = known.find((each) => each === text);
  if (text !== undefined && found === undefined) spec.fault(key, `must be one of ${known.join(', ')}`);
  return found;
}

const SIZE = /^(\d*\.?\d+)([KMGTPE]?)i?B$/;

/** As Prometheus reads sizes: `KB` and `KiB` both are 1,024 bytes. */
function readSize(spec: Spec, key: string): number | undefined {
  const text = spec.text(key) ?? '';
  if (text === '' || text === '0') return undefined;
  const [, number, unit = ''] = SIZE.exec(text) ?? [];
  if (number === undefined) spec.fault(key, 'must be a size such as 16MB');
  return number === undefined ? undefined : Math.floor(Number(number) * 1024 ** ' KMGTPE'.indexOf(unit || ' ')) || undefined;
}
