/** The kinds of objects that are read, and where the API server has them. */

export interface Kind {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
}

export const METRIC_ACCESS: Kind = { group: 'observability.ethos.io', version: 'v1alpha1', plural: 'metricaccesses', kind: 'MetricAccess' };
export const TENANT: Kind = { group: 'scrapeway.io', version: 'v1alpha1', plural: 'tenants', kind: 'Tenant' };
export const AGENT: Kind = { group: 'scrapeway.io', version: 'v1alpha1', plural: 'agents', kind: 'Agent' };
export const SITE: Kind = { group: 'scrapeway.io', version: 'v1alpha1', plural: 'sites', kind: 'Site' };
export const TARGET_TEMPLATE: Kind = { group: 'scrapeway.io', version: 'v1alpha1', plural: 'targettemplates', kind: 'TargetTemplate' };
export const TOKEN_ISSUER: Kind = { group: 'scrapeway.io', version: 'v1alpha1', plural: 'tokenissuers', kind: 'TokenIssuer' };
export const BACKEND: Kind = { group: 'scrapeway.io', version: 'v1alpha1', plural: 'backends', kind: 'Backend' };
export const BACKEND_GROUP: Kind = { group: 'scrapeway.io', version: 'v1alpha1', plural: 'backendgroups', kind: 'BackendGroup' };
export const PUSH_TARGET: Kind = { group: 'scrapeway.io', version: 'v1alpha1', plural: 'pushtargets', kind: 'PushTarget' };
export const EXPORT_DESTINATION: Kind = { group: 'scrapeway.io', version: 'v1alpha1', plural: 'exportdestinations', kind: 'ExportDestination' };
export const FRONT_PROXY: Kind = { group: 'scrapeway.io', version: 'v1alpha1', plural: 'frontproxies', kind: 'FrontProxy' };
export const REVOCATION: Kind = { group: 'scrapeway.io', version: 'v1alpha1', plural: 'revocations', kind: 'Revocation' };
export const SECRET: Kind = { group: '', version: 'v1', plural: 'secrets', kind: 'Secret' };
export const CONFIG_MAP: Kind = { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap' };
export const POD_MONITOR: Kind = { group: 'monitoring.coreos.com', version: 'v1', plural: 'podmonitors', kind: 'PodMonitor' };
export const SERVICE_MONITOR: Kind = { group: 'monitoring.coreos.com', version: 'v1', plural: 'servicemonitors', kind: 'ServiceMonitor' };
export const SERVICE: Kind = { group: '', version: 'v1', plural: 'services', kind: 'Service' };
export const POD: Kind = { group: '', version: 'v1', plural: 'pods', kind: 'Pod' };
export const ENDPOINT_SLICE: Kind = { group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices', kind: 'EndpointSlice' };
export const ENDPOINTS: Kind = { group: '', version: 'v1', plural: 'endpoints', kind: 'Endpoints' };
export const NODE: Kind = { group: '', version: 'v1', plural: 'nodes', kind: 'Node' };
export const NAMESPACE: Kind = { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace' };
export const INGRESS: Kind = { group: 'networking.k8s.io', version: 'v1', plural: 'ingresses', kind: 'Ingress' };
export const REPLICA_SET: Kind = { group: 'apps', version: 'v1', plural: 'replicasets', kind: 'ReplicaSet' };
export const JOB: Kind = { group: 'batch', version: 'v1', plural: 'jobs', kind: 'Job' };
export const LEASE: Kind = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases', kind: 'Lease' };
export const EVENT: Kind = { group: '', version: 'v1', plural: 'events', kind: 'Event' };

/** `apiVersion` of its objects. */
export function apiVersionOf({ group, version }: Kind): string {
  return group === '' ? version : `${group}/${version}`;
}

/** Of all objects, or of one namespace's. */
export function collectionPath(kind: Kind, namespace: string | undefined): string {
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  return `${root}${namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`}/${kind.plural}`;
}
