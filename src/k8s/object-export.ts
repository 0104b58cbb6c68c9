import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { ExportDestination, ExportTerms, TenantExport } from '../model/desired-state.js';
import type { ObjectRef } from './metric-access.js';
import type { ExportTarget, RemoteWriteRequest, ServiceRef } from './remote-write.js';

/**
 * What an object asks to have exported, under an admin's terms → an export of the tenant, as if it stood in the file.
 *
 * An object names a destination, it never makes one: either the admin's list has just these URLs, or it is a Service of the object's own
 * namespace and the terms allow those. Headers are the admin's alone, since one may say whose data it is; so are credentials, unless the
 * admin has none there and lets the object bring its own: a Secret of its own namespace.
 */
export interface ExportGround {
  readonly terms: ExportTerms;
  /** Those of the terms that there are. */
  readonly destinations: readonly ExportDestination[];
  readonly clusterDomain: string;
}

export interface ObjectExport {
  readonly spec: TenantExport;
  readonly destination: ExportDestination;
}

export interface NoExport {
  readonly reason: 'Invalid' | 'NotAllowed' | 'NothingAllowed' | 'SecretMissing' | 'TooMany';
  readonly message: string;
}

/** The text at a key of a Secret of the object's own namespace. Undefined: no admin lets Secrets be read. */
export type ReadOwnSecret = (name: string, key: string) => Result<string, string>;

/** As the schema has them for exports of the file; what waits on disk is less, since nobody asked the admin. */
const CATCH_UP_MS = 2 * 3_600_000;
const SPOOL_BYTES = 256 * 1024 * 1024;
const QUEUE = { minShards: 1, maxShards: 50, maxSamplesPerSend: 2000, minBackoffMs: 30, maxBackoffMs: 5_000, retryOnRateLimit: true, sampleAgeLimitMs: undefined };
const TIMEOUT_MS = 30_000;

/** `namespace/name`: the names of the file have no slash, so they are never the same. */
export function exportNameOf({ namespace, name }: ObjectRef): string {
  return `${namespace}/${name}`;
}

export function objectExport(object: ObjectRef, request: RemoteWriteRequest, { tenant, metrics, ground, ownSecret }: { readonly tenant: string; readonly metrics: readonly string[]; readonly ground: ExportGround; readonly ownSecret: ReadOwnSecret | undefined }): Result<ObjectExport, NoExport> {
  const found = destinationFor(object, request.target, { ground, ownSecret });
  if (!found.ok) return found;
  const name = exportNameOf(object);
  const destination = { ...found.value, name };
  const enforced = destination.tenantLabel;
  const given = enforced === undefined ? undefined : request.extraLabels[enforced];
  if (given !== undefined && given !== tenant) return err({ reason: 'Invalid', message: `spec.remoteWrite.extraLabels.${enforced ?? ''}: is set to the tenant's name by the destination` });
  const { intervalMs, relabel, extraLabels, honorLabels, target } = request;
  const group = target.kind === 'pushgateway' ? { job: target.job, labels: {} } : undefined;
  const spec = { name, backend: ground.terms.backend, destination: name, metrics, intervalMs, relabel, extraLabels, honorLabels, exemplars: true, catchUpMs: CATCH_UP_MS, spoolBytes: SPOOL_BYTES, queue: QUEUE, group };
  return ok({ spec, destination });
}

interface Means {
  readonly ground: ExportGround;
  readonly ownSecret: ReadOwnSecret | undefined;
}

function notAllowed(message: string): Result<never, NoExport> {
  return err({ reason: 'NotAllowed', message });
}

function destinationFor(object: ObjectRef, target: ExportTarget, { ground, ownSecret }: Means): Result<ExportDestination, NoExport> {
  const urls = urlsOf(target, ground.clusterDomain);
  const kind = target.kind === 'pushgateway' ? 'pushgateway' : 'remote_write';
  const listed = ground.destinations.find((each) => each.kind === kind && sameUrls(each.urls, urls));
  if (listed !== undefined) return asAdminHasIt(target, listed, ownSecret);
  if (target.kind === 'remote_write' || !ground.terms.ownServices) return notAllowed(`${urls[0] ?? ''} is no destination that an admin allows this namespace (metricAccess.exports.destinations)`);
  if (target.service.namespace !== object.namespace) return notAllowed(`the namespace ${target.service.namespace} is not the object's own`);
  return ok({ name: '', kind, urls, version: '2', headers: {}, oauth2: undefined, caPem: undefined, client: undefined, proxy: undefined, timeoutMs: TIMEOUT_MS, tenantLabel: undefined, isGuarded: true });
}

function urlsOf(target: ExportTarget, clusterDomain: string): readonly string[] {
  const host = ({ name, namespace }: ServiceRef, pod = ''): string => `${pod}${name}.${namespace}.svc.${clusterDomain}`;
  switch (target.kind) {
    case 'prometheus': {
      const { service, replicas } = target;
      const pods = replicas === undefined ? [''] : Array.from({ length: replicas.count }, (_, index) => `${replicas.statefulSet}-${index}.`);
      return pods.map((pod) => `http://${host(service, pod)}:${service.port}/api/v1/write`);
    }
    case 'pushgateway':
      return [`http://${host(target.service)}:${target.service.port}`];
    case 'remote_write':
      return [target.url.href];
  }
}

function sameUrls(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((url, index) => normal(url) === normal(b[index] ?? ''));
}

function normal(url: string): string {
  return URL.canParse(url) ? new URL(url).href : url;
}

/** What the object says of headers and credentials must be what the admin says; where the admin has no credentials, its own are sent. */
function asAdminHasIt(target: ExportTarget, listed: ExportDestination, ownSecret: ReadOwnSecret | undefined): Result<ExportDestination, NoExport> {
  if (target.kind !== 'remote_write') return ok(listed);
  const { basicAuth } = target;
  const headers = new Map(Object.entries(listed.headers).map(([name, value]) => [name.toLowerCase(), value]));
  const other = Object.entries(target.headers).find(([name, value]) => headers.get(name.toLowerCase()) !== value);
  if (other !== undefined) return notAllowed(`the header ${other[0].slice(0, 100)} is the admin's to set, at the export destination ${listed.name}`);
  if (basicAuth === undefined || userOf(headers.get('authorization')) === basicAuth.user) return ok(listed);
  if (headers.has('authorization') || listed.oauth2 !== undefined) return notAllowed(`the credentials are the admin's to set, at the export destination ${listed.name}`);
  if (ownSecret === undefined) return notAllowed(`the credentials are the admin's to set, at the export destination ${listed.name}; Secrets of this namespace are not read (kubernetes.metricAccess.secrets)`);
  const { user, passwordSecret: { name, key } } = basicAuth;
  const password = ownSecret(name, key);
  const problem = password.ok ? (password.value.trimEnd() === '' ? 'is empty' : undefined) : password.error;
  if (!password.ok || problem !== undefined) return err({ reason: 'SecretMissing', message: `the Secret ${name} with the key ${key}: ${problem ?? ''}` });
  const authorization = `Basic ${Buffer.from(`${user}:${password.value.replace(/\r?\n$/, '')}`).toString('base64')}`;
  return ok({ ...listed, headers: { ...listed.headers, authorization } });
}

function userOf(authorization: string | undefined): string | undefined {
  const [scheme, encoded = ''] = authorization?.split(' ') ?? [];
  return scheme === 'Basic' ? Buffer.from(encoded, 'base64').toString('utf8').split(':')[0] : undefined;
}
