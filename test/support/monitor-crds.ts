import type { Manifest } from './helm.js';

/** The two kinds of prometheus-operator that an agent reads, as little of them as an API server needs to store whatever it is given. */
export const MONITOR_CRDS: readonly Manifest[] = ['PodMonitor', 'ServiceMonitor'].map((kind) => {
  const plural = `${kind.toLowerCase()}s`;
  const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.monitoring.coreos.com`, annotations: { 'api-approved.kubernetes.io': 'unapproved, a test' } },
    spec: {
      group: 'monitoring.coreos.com',
      scope: 'Namespaced',
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase() },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', properties: { spec: open } } } }],
    },
  };
});

export function monitor(kind: 'PodMonitor' | 'ServiceMonitor', namespace: string, name: string, spec: object): Manifest {
  return { apiVersion: 'monitoring.coreos.com/v1', kind, metadata: { name, namespace }, spec };
}
