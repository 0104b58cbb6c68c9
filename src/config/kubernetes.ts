import type { Draft } from './draft.js';
import type { GatewayFile, KubernetesFile } from './gateway-file.js';

/** The cluster whose objects add to the file: how it is reached, and what is read there. */
export interface KubernetesSettings {
  /** Absolute; undefined = as a pod, by its service account. */
  readonly kubeconfig: string | undefined;
  /** Undefined = the file's current one. */
  readonly context: string | undefined;
  /** Of Tenants, Agents, Backends, their Secrets, and the Lease; undefined = the pod's own, or the context's. */
  readonly namespace: string | undefined;
  /** Whether Tenants, Agents and Backends are read. */
  readonly objects: boolean;
  /** Undefined = not read. */
  readonly metricAccess: MetricAccessSettings | undefined;
  /** Whether statuses and Events are written, by the one who has the Lease. */
  readonly status: boolean;
  readonly leaseName: string;
  readonly clusterDomain: string;
}

export interface MetricAccessSettings {
  /** Undefined = all. */
  readonly namespaces: readonly string[] | undefined;
  /** Of namespaces that no tenant's terms name. */
  readonly withoutTerms: 'deny' | 'own-namespace';
}

export function compileKubernetes(draft: Draft, file: KubernetesFile | undefined): KubernetesSettings | undefined {
  if (file === undefined) return undefined;
  const { kubeconfig, context, namespace, objects, metricAccess, status, leaseName, clusterDomain } = file;
  if (context !== undefined && kubeconfig === undefined) draft.fault(['kubernetes', 'context'], 'is one of a file; name it in `kubeconfig`');
  const { enabled, namespaces, withoutTerms } = metricAccess;
  return { kubeconfig: kubeconfig === undefined ? undefined : draft.resolve(kubeconfig), context, namespace, objects, metricAccess: enabled ? { namespaces, withoutTerms } : undefined, status, leaseName, clusterDomain };
}

/** What makes sense with a cluster only. */
export function checkKubernetes(draft: Draft, file: GatewayFile): void {
  if (file.kubernetes !== undefined) return;
  draft.part(['tenants'], () => {
    if (file.tenants.length === 0) draft.fault(['tenants'], 'must not be empty, unless `kubernetes` reads tenants from a cluster');
    for (const [index, { metricAccess }] of file.tenants.entries()) if (metricAccess !== undefined) draft.fault(['tenants', index, 'metricAccess'], 'needs `kubernetes`: there are no MetricAccess objects without it');
  });
  draft.part(['backends'], () => {
    for (const [index, { discover }] of file.backends.entries()) if (discover !== undefined) draft.fault(['backends', index, 'discover'], 'needs `kubernetes`: there is no cluster to look in');
  });
}
