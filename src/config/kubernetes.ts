import type { KubernetesAccess } from '../model/kubernetes.js';
import type { Draft } from './draft.js';
import type { GatewayFile, KubernetesFile } from './gateway-file.js';
import { compileKubernetesAccess } from './kubernetes-access.js';

/** The cluster whose objects add to the file: how it is reached, and what is read there. */
export interface KubernetesSettings {
  readonly access: KubernetesAccess;
  /** Of our own kinds, their Secrets, and the Lease; undefined = the pod's own, or the context's. */
  readonly namespace: string | undefined;
  /** Whether our own kinds are read. */
  readonly objects: boolean;
  /** Where; undefined = in `namespace` alone, with `*` everywhere. */
  readonly objectNamespaces: readonly string[] | undefined;
  /** Undefined = not read. */
  readonly metricAccess: MetricAccessSettings | undefined;
  /** Whether statuses and Events are written, by the one who has the Lease. */
  readonly status: boolean;
  readonly leaseName: string;
  readonly clusterDomain: string;
  /** Whether service accounts of a namespace are the tenant of its name, where the tenant lists none of its own. */
  readonly tenantFromNamespace: boolean;
  /** How old what a cluster said before a restart may be; 0: nothing is remembered. */
  readonly rememberForMs: number;
}

const MAX_REMEMBER_MS = 30 * 86_400_000;

export interface MetricAccessSettings {
  /** Undefined = all. */
  readonly namespaces: readonly string[] | undefined;
  /** Of namespaces that no tenant's terms name. */
  readonly withoutTerms: 'deny' | 'own-namespace';
  /** Whether Secrets that objects name are read, of their own namespace. */
  readonly secrets: boolean;
}

/** Undefined without one, and after a fault. `access`: as token reviews have it, so that a fault in it is told once. */
export async function compileKubernetes(draft: Draft, file: KubernetesFile | undefined, access: KubernetesAccess | undefined): Promise<KubernetesSettings | undefined> {
  if (file === undefined) return undefined;
  const { namespace, objects, objectNamespaces, metricAccess, status, leaseName, clusterDomain, tokenReview } = file;
  const found = tokenReview === undefined ? await compileKubernetesAccess(draft, file) : access;
  const rememberForMs = draft.durationMs(['kubernetes', 'rememberFor'], file.rememberFor, { minMs: 0, maxMs: MAX_REMEMBER_MS });
  if (found === undefined || rememberForMs === undefined) return undefined;
  const settings = metricAccess && { namespaces: metricAccess.namespaces, withoutTerms: metricAccess.withoutTerms, secrets: metricAccess.secrets };
  return { access: found, namespace, objects, objectNamespaces, metricAccess: settings, status, leaseName, clusterDomain, tenantFromNamespace: tokenReview?.tenantFromNamespace ?? false, rememberForMs };
}

/** What makes sense with a cluster only. */
export function checkKubernetes(draft: Draft, file: GatewayFile): void {
  if (file.kubernetes !== undefined) return;
  draft.part(['tenants'], () => {
    if (file.tenants.length === 0) draft.fault(['tenants'], 'must not be empty, unless `kubernetes` reads tenants from a cluster');
    for (const [index, { metricAccess }] of file.tenants.entries()) if (metricAccess !== undefined) draft.fault(['tenants', index, 'metricAccess'], 'needs `kubernetes`: there are no MetricAccess objects without it');
  });
  draft.part(['listeners'], () => {
    for (const door of ['scrape', 'agents'] as const) for (const key of ['secret', 'clientCaSecrets'] as const) if (file.listeners[door].tls[key] !== undefined) draft.fault(['listeners', door, 'tls', key], 'needs `kubernetes`: there are no Secrets without it');
  });
  draft.part(['backends'], () => {
    for (const [index, { discover }] of file.backends.entries()) if (discover !== undefined) draft.fault(['backends', index, 'discover'], 'needs `kubernetes`: there is no cluster to look in');
  });
}
