import type { KubernetesDiscovery, KubernetesRole } from '../model/agent-settings.js';
import type { KubernetesAccess } from '../model/kubernetes.js';
import type { ClusterFile, KubernetesDiscoveryFile } from './agent-file.js';
import type { Draft } from './draft.js';
import { compileServer } from './kubernetes-access.js';
import type { Path } from './yaml-source.js';

/** One of `kubernetes_sd_configs`: Prometheus's keys, held to Prometheus's rules of what goes together. */
export async function compileKubernetesDiscovery(draft: Draft, place: Path, file: KubernetesDiscoveryFile): Promise<readonly KubernetesDiscovery[]> {
  checkSelectors(draft, place, file);
  const access = await compileCluster(draft, place, file);
  const { role, namespaces, selectors, attach_metadata: attach } = file;
  return access === undefined ? [] : [{ kind: 'kubernetes', access, role, namespaces: namespaces.names, ownNamespace: namespaces.own_namespace, selectors, attach }];
}

function checkTogether(draft: Draft, place: Path, { api_server: server, kubeconfig_file: kubeconfig, tls_config: tls, authorization, namespaces }: ClusterFile): void {
  if (server !== undefined && kubeconfig !== undefined) draft.fault([...place, 'api_server'], 'stands beside `kubeconfig_file`, which names a server too');
  if (server === undefined && tls !== undefined) draft.fault([...place, 'tls_config'], 'is for `api_server` only');
  if (server === undefined && authorization !== undefined) draft.fault([...place, 'authorization'], 'is for `api_server` only');
  if (namespaces.own_namespace && (server ?? kubeconfig) !== undefined) draft.fault([...place, 'namespaces', 'own_namespace'], 'is that of a pod of the cluster: without `api_server` and `kubeconfig_file` only');
}

/** Kinds of objects that each role looks at. */
const SELECTABLE: Readonly<Record<KubernetesRole, readonly KubernetesRole[]>> = {
  pod: ['pod', 'node'],
  service: ['service'],
  endpointslice: ['pod', 'service', 'endpointslice'],
  endpoints: ['pod', 'service', 'endpoints'],
  node: ['node'],
  ingress: ['ingress'],
};

function checkSelectors(draft: Draft, place: Path, { role, selectors }: KubernetesDiscoveryFile): void {
  for (const [index, selector] of selectors.entries()) {
    const at = [...place, 'selectors', index, 'role'];
    if (!SELECTABLE[role].includes(selector.role)) draft.fault(at, `the role ${role} looks at no ${selector.role}: one of ${SELECTABLE[role].join(', ')}`);
    if (selectors.findIndex((each) => each.role === selector.role) < index) draft.fault(at, `${selector.role} has a selector already`);
  }
}

/** Undefined after a fault. */
export async function compileCluster(draft: Draft, place: Path, file: ClusterFile): Promise<KubernetesAccess | undefined> {
  const { api_server: server, kubeconfig_file: kubeconfig, tls_config: tls, authorization } = file;
  checkTogether(draft, place, file);
  if (kubeconfig !== undefined) {
    // Read by the client, who also knows what paths in it are relative to; here only that it is there.
    const text = await draft.readFile([...place, 'kubeconfig_file'], kubeconfig);
    return text === undefined ? undefined : { kind: 'kubeconfig', file: draft.resolve(kubeconfig), context: undefined };
  }
  if (server === undefined) return { kind: 'in-cluster' };
  return compileServer(draft, {
    server: { value: server, place: [...place, 'api_server'] },
    caFile: { value: tls?.ca_file, place: [...place, 'tls_config', 'ca_file'] },
    tokenFile: { value: authorization?.credentials_file, place: [...place, 'authorization'] },
  });
}
