/**
 * From an object to jobs like those of the agent's own file, one for each endpoint: a `kubernetes_sd` with rules. So all that holds for
 * jobs holds for objects: names, the allow-list, the last good list. Pure; the Secrets that an object refers to are asked for through
 * `find`, and one that has not been read yet makes the object wait.
 */
import { certificatesInfo, keyBelongsTo } from '../../../lib/certificate.js';
import type { DiscoveryJob, KubernetesDiscovery, MetricFilter, MonitorDiscovery, MonitorKind, TargetFetch, TargetTls } from '../../../model/agent-settings.js';
import type { RelabelConfig } from '../../../model/relabel-config.js';
import { compileRelabel } from '../../../relabel/relabel.js';
import type { MonitorObject, Texts } from '../kubernetes/objects.js';
import { readMonitorSpec } from './monitor.js';
import type { Credentials, Monitor, MonitorEndpoint, MonitorTls, TextRef } from './monitor.js';
import { endpointRules } from './rules.js';
import type { MonitorRole } from './rules.js';
import { selectorText } from './selector.js';

/** What the agent's file says, and the namespaces in which targets may be; undefined = all. */
export interface MonitorTerms extends Omit<MonitorDiscovery, 'targetNamespaces'> {
  readonly targetNamespaces: readonly string[] | undefined;
}

export type Translation =
  | { readonly kind: 'jobs'; readonly jobs: readonly DiscoveryJob[] }
  /** For the object's author and for the agent's operator. */
  | { readonly kind: 'refused'; readonly faults: readonly string[] }
  /** Something that it refers to is being read. */
  | { readonly kind: 'pending' };

/** What is known of a Secret, a ConfigMap, or a file (whose text has the key ''); undefined = it does not exist. */
export type Asset = Texts | { readonly failed: string } | 'pending' | undefined;
/** Of a file `name` is the path, and the namespace is empty. */
export type FindAsset = (kind: TextRef['kind'], namespace: string, name: string) => Asset;

export function translateMonitor(kind: MonitorKind, object: MonitorObject, terms: MonitorTerms, find: FindAsset): Translation {
  const monitor = readMonitorSpec(kind, object);
  if (!monitor.ok) return { kind: 'refused', faults: monitor.error };
  const assets = new Assets(monitor.value.namespace, terms, find);
  const source = sourceOf(monitor.value, terms, assets.faults);
  const jobs = monitor.value.endpoints.map((endpoint, index) => jobOf(monitor.value, endpoint, { index, source, terms, assets }));
  if (assets.faults.length > 0) return { kind: 'refused', faults: assets.faults };
  return assets.isPending ? { kind: 'pending' } : { kind: 'jobs', jobs };
}

/** Texts that the object refers to, and what was wrong. */
class Assets {
  readonly faults: string[] = [];
  isPending = false;
  readonly #namespace: string;
  readonly #terms: Pick<MonitorTerms, 'secrets' | 'files'>;
  readonly #find: FindAsset;

  constructor(namespace: string, terms: Pick<MonitorTerms, 'secrets' | 'files'>, find: FindAsset) {
    this.#namespace = namespace;
    this.#terms = terms;
    this.#find = find;
  }

  text(ref: TextRef, place: string): string | undefined {
    const complain = (message: string): undefined => void this.faults.push(`${place}: ${message}`);
    if (ref.kind === 'file') {
      if (!this.#terms.files.includes(ref.path)) return complain('is a file of the agent, which is not listed in its `files`');
      return this.#textAt(this.#find('file', '', ref.path), { what: 'file', key: '' }, complain);
    }
    const what = `${ref.kind === 'secret' ? 'Secret' : 'ConfigMap'} ${ref.name}`;
    if (!this.#terms.secrets) return complain(`the agent's file lets no object refer to a ${what} (\`secrets: true\`)`);
    return this.#textAt(this.#find(ref.kind, this.#namespace, ref.name), { what, key: ref.key }, complain);
  }

  #textAt(asset: Asset, { what, key }: { readonly what: string; readonly key: string }, complain: (message: string) => undefined): string | undefined {
    if (asset === undefined) return complain(`the ${what} does not exist`);
    if (asset === 'pending') return void (this.isPending = true);
    if ('failed' in asset) return complain(`the ${what} cannot be read: ${asset.failed}`);
    const text = Object.hasOwn(asset.texts, key) ? asset.texts[key] : undefined;
    return text ?? complain(`the ${what} has no key ${key}`);
  }
}

function roleOf({ kind, role }: Monitor, terms: MonitorTerms): MonitorRole {
  return kind === 'PodMonitor' ? 'pod' : (role ?? terms.serviceRole);
}

function sourceOf(monitor: Monitor, terms: MonitorTerms, faults: string[]): KubernetesDiscovery {
  const role = roleOf(monitor, terms);
  const allowed = terms.targetNamespaces;
  const namespaces = monitor.namespaces?.filter((each) => allowed?.includes(each) ?? true) ?? allowed ?? [];
  if (namespaces.length === 0 && (monitor.namespaces ?? allowed) !== undefined) faults.push("spec.namespaceSelector: names no namespace in which the agent's file lets targets be (`targetNamespaces`)");
  const label = selectorText(monitor.selector);
  const selected: readonly KubernetesDiscovery['selectors'][number]['role'][] = role === 'pod' ? ['pod'] : [role, 'service'];
  return {
    kind: 'kubernetes',
    access: terms.access,
    role,
    namespaces,
    ownNamespace: false,
    selectors: monitor.selectsByRole && label !== '' ? selected.map((each) => ({ role: each, label, field: '' })) : [],
    attach: { node: monitor.attachesNode, namespace: false, deployment: false, job: false, cronjob: false },
  };
}

interface JobContext {
  readonly index: number;
  readonly source: KubernetesDiscovery;
  readonly terms: MonitorTerms;
  readonly assets: Assets;
}

function jobOf(monitor: Monitor, endpoint: MonitorEndpoint, { index, source, terms, assets }: JobContext): DiscoveryJob {
  const { kind, namespace, name } = monitor;
  const enforced: readonly RelabelConfig[] = terms.enforcedNamespaceLabel === undefined ? [] : [{ target_label: terms.enforcedNamespaceLabel, replacement: namespace }];
  const ours = endpointRules(monitor, endpoint, roleOf(monitor, terms));
  const relabelConfigs = [...ours, ...endpoint.relabelings, ...enforced, ...terms.relabelConfigs];
  checkRules(ours, `${endpoint.place}: port, labels and selector, as rules, `, assets.faults);
  checkRules(endpoint.relabelings, `${endpoint.place}.relabelings`, assets.faults);
  checkRules(endpoint.metricRelabelings, `${endpoint.place}.metricRelabelings`, assets.faults);
  checkMetricRules(endpoint, relabelConfigs, assets.faults);
  return {
    name: `${kind === 'PodMonitor' ? 'podMonitor' : 'serviceMonitor'}/${namespace}/${name}/${index}`,
    sources: [source],
    scheme: endpoint.scheme,
    metricsPath: endpoint.path,
    params: endpoint.params,
    relabelConfigs,
    passesJob: true,
    maxTargets: terms.maxTargets,
    paths: [],
    fetch: fetchOf(monitor, endpoint, terms, assets),
  };
}

function checkRules(rules: readonly RelabelConfig[], place: string, faults: string[]): void {
  const compiled = compileRelabel(rules);
  if (!compiled.ok) faults.push(...compiled.error.map(({ place: at, message }) => `${place}${at}: ${message}`));
}

/**
 * At the site a sample has the labels that the target exposes. A rule that reads what Prometheus would have put over them, or beside
 * them, would do something else here, and might drop everything.
 */
function checkMetricRules({ place, metricRelabelings, honorLabels }: MonitorEndpoint, rules: readonly RelabelConfig[], faults: string[]): void {
  const unseen = new Set(['job', 'instance', ...rules.flatMap(({ target_label: label }) => (label === undefined || label.startsWith('__') ? [] : [label]))]);
  const read = honorLabels ? [] : metricRelabelings.flatMap(({ source_labels: labels = [] }) => labels.filter((label) => unseen.has(label)));
  for (const label of new Set(read)) faults.push(`${place}.metricRelabelings: reads the target's label ${label}, which samples do not have yet where the agent filters; do this in Prometheus`);
}

function fetchOf(monitor: Monitor, endpoint: MonitorEndpoint, terms: MonitorTerms, assets: Assets): TargetFetch {
  const filters = endpoint.metricRelabelings.length > 0 || monitor.sampleLimit !== undefined;
  const filter: MetricFilter = { relabelConfigs: endpoint.metricRelabelings, sampleLimit: monitor.sampleLimit, ...(monitor.readsClassic && { readsClassic: true }) };
  const limits = [monitor.bodyLimitBytes, terms.maxBodyBytes].filter((each) => each !== undefined);
  const authorization = authorizationOf(endpoint.credentials, endpoint.place, assets);
  return {
    ...(filters && { filter }),
    timeoutMs: endpoint.timeoutMs,
    maxBodyBytes: limits.length === 0 ? undefined : Math.min(...limits),
    tls: tlsOf(endpoint.tls, endpoint.place, assets),
    headers: authorization === undefined ? {} : { authorization },
  };
}

/** RFC 9110 §5.5: what a header can carry. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

function authorizationOf(credentials: Credentials | undefined, place: string, assets: Assets): string | undefined {
  if (credentials === undefined) return undefined;
  if (credentials.kind === 'basic') {
    const [user, password] = [assets.text(credentials.user, `${place}.basicAuth.username`), assets.text(credentials.password, `${place}.basicAuth.password`)];
    return user === undefined || password === undefined ? undefined : `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  }
  const token = assets.text(credentials.token, `${place}.authorization`)?.trim();
  const value = token === undefined ? undefined : `${credentials.scheme} ${token}`;
  if (value === undefined || FIELD_VALUE.test(value)) return value;
  assets.faults.push(`${place}.authorization: has a character that no header can carry`);
  return undefined;
}

const PLAIN_TLS: TargetTls = { caPem: undefined, client: undefined, serverName: undefined, insecureSkipVerify: false };

function tlsOf(tls: MonitorTls | undefined, endpoint: string, assets: Assets): TargetTls {
  if (tls === undefined) return PLAIN_TLS;
  const place = `${endpoint}.tlsConfig`;
  const caPem = tls.ca && assets.text(tls.ca, `${place}.ca`);
  const certificatePem = tls.cert && assets.text(tls.cert, `${place}.cert`);
  const keyPem = tls.key && assets.text(tls.key, `${place}.keySecret`);
  const cas = caPem === undefined ? undefined : certificatesInfo(caPem);
  if (cas !== undefined && (!cas.ok || cas.value.length === 0)) assets.faults.push(`${place}.ca: holds no certificate that can be read`);
  const pair = certificatePem === undefined || keyPem === undefined ? undefined : { certificatePem, keyPem };
  const belongs = pair && keyBelongsTo(pair.certificatePem, pair.keyPem);
  if (belongs !== undefined && !(belongs.ok && belongs.value)) assets.faults.push(`${place}: ${belongs.ok ? 'the key belongs to another certificate' : `cert or key ${belongs.error}`}`);
  return { caPem, client: pair, serverName: tls.serverName, insecureSkipVerify: tls.insecureSkipVerify };
}
