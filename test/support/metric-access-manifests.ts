import { parseManifests } from './helm.js';
import type { Manifest } from './helm.js';

/**
 * The forms of MetricAccess that its documents show (facts/metricaccess.md §7), each as a user would have written it.
 */
export const DOCUMENTED_METRIC_ACCESSES: readonly Manifest[] = parseManifests(`
apiVersion: observability.ethos.io/v1alpha1
kind: MetricAccess
metadata: { name: single-prometheus, namespace: team-a }
spec:
  source: team-a
  metrics: [up, 'http_.*', '{job="my-app"}', '{__name__=~"node_.*",job="node-exporter"}']
  labelSelectors: { env: prod }
  remoteWrite:
    enabled: true
    interval: 30s
    target: { type: prometheus }
    prometheus: { serviceName: prometheus, servicePort: 9090, targetNamespace: team-a }
    extraLabels: { tenant: team-a }
    honorLabels: true
---
apiVersion: observability.ethos.io/v1alpha1
kind: MetricAccess
metadata: { name: all-replicas, namespace: team-a }
spec:
  source: team-a-frontend
  metrics: ['.*_duration_.*', 'up{job=~"data-.*"}']
  remoteWrite:
    enabled: true
    target: { type: prometheus }
    prometheus: { serviceName: prometheus-headless, replicas: 2, statefulSetName: prometheus }
---
apiVersion: observability.ethos.io/v1alpha1
kind: MetricAccess
metadata: { name: pushgateway, namespace: team-a }
spec:
  source: team-a
  metrics: ['{__name__="up"}']
  remoteWrite:
    enabled: true
    interval: 5s
    target: { type: pushgateway }
    pushgateway: { serviceName: pushgateway, servicePort: 9091, jobName: team-a-metrics }
---
apiVersion: observability.ethos.io/v1alpha1
kind: MetricAccess
metadata: { name: external, namespace: team-a }
spec:
  source: team-a
  metrics: ['{namespace="a",__name__=~"kube_pod_.*"}']
  remoteWrite:
    enabled: true
    target: { type: remote_write }
    remoteWrite:
      url: https://metrics.example/api/v1/write
      headers: { X-Scope-OrgID: team-a }
      basicAuth: { username: team-a, passwordSecret: { name: remote-write, key: password } }
---
apiVersion: observability.ethos.io/v1alpha1
kind: MetricAccess
metadata: { name: isolated, namespace: team-a }
spec:
  source: team-a
  metrics: ['http_requests_total{method="GET"}']
  metricIsolation: true
  remoteWrite:
    enabled: true
    target: { type: prometheus }
    prometheus: { serviceName: prometheus }
    extraLabels: { source: isolated }
---
apiVersion: observability.ethos.io/v1alpha1
kind: MetricAccess
metadata: { name: not-isolated, namespace: team-a }
spec:
  source: team-a
  metrics: ['{__name__=~"a|b",job="x",container="y",namespace="z"}']
  metricIsolation: false
---
apiVersion: observability.ethos.io/v1alpha1
kind: MetricAccess
metadata: { name: relabelled, namespace: team-a }
spec:
  source: team-a
  metrics: ['etcd_.*']
  remoteWrite:
    enabled: true
    target: { type: prometheus }
    prometheus: { serviceName: prometheus }
    metricRelabelings:
      - { sourceLabels: [__name__], regex: 'container_.*', targetLabel: metrics_path, replacement: /metrics/cadvisor }
      - { sourceLabels: [__name__], regex: 'etcd_debugging_.*', action: drop }
---
apiVersion: observability.ethos.io/v1alpha1
kind: MetricAccess
metadata: { name: nested-target, namespace: team-a }
spec:
  source: team-a
  metrics: [prometheus_build_info, ':cluster:kube_node_unallocated_cpu_cores:sum']
  remoteWrite:
    enabled: true
    target:
      type: prometheus
      prometheus: { serviceName: prometheus, servicePort: 9090 }
---
apiVersion: observability.ethos.io/v1alpha1
kind: MetricAccess
metadata: { name: odd-but-valid, namespace: team-a }
spec:
  source: team-a
  metrics: ['*_total', 'node_*', '{}', '{__name__="up",instance=".*"}', '']
  remoteWrite: { enabled: false, interval: whenever, target: { type: carrier-pigeon } }
`);

/** The manifests of the original's README, field by field, each in the namespace that it names. */
export const README_METRIC_ACCESSES: readonly Manifest[] = parseManifests(`
apiVersion: observability.ethos.io/v1alpha1
kind: MetricAccess
metadata: { name: my-app-metrics, namespace: my-app-namespace }
spec:
  source: my-app-namespace
  metricIsolation: true
  metrics: [http_requests_total, http_request_duration_seconds, '{job="my-app"}', 'up{job="my-app"}']
  remoteWrite:
    enabled: true
    interval: 30s
    target: { type: prometheus }
    prometheus: { serviceName: prometheus-operated, servicePort: 9090, replicas: 2, statefulSetName: prometheus-my-app }
    extraLabels: { tenant: my-app-namespace, managed_by: multi-tenant-proxy }
    honorLabels: true
    metricRelabelings:
      - { sourceLabels: [__name__], regex: 'container_(.*)', targetLabel: metrics_path, replacement: /metrics/cadvisor }
      - { sourceLabels: [__name__], regex: 'kubelet_(.*)', targetLabel: metrics_path, replacement: /metrics }
---
apiVersion: observability.ethos.io/v1alpha1
kind: MetricAccess
metadata: { name: tenant-metrics-access, namespace: tenant-namespace }
spec:
  source: tenant-namespace
  metricIsolation: true
  metrics: [http_requests_total, 'http_.*', '{job="my-app"}', '{__name__="up",instance=".*"}', 'node_cpu_seconds_total{job="node-exporter"}']
  labelSelectors: { environment: production, team: webapp }
  remoteWrite:
    enabled: true
    interval: 30s
    target: { type: prometheus }
    prometheus: { serviceName: prometheus-operated, servicePort: 9090, replicas: 2, statefulSetName: prometheus-tenant-prometheus }
    extraLabels: { tenant: tenant-namespace, managed_by: multi-tenant-proxy, environment: production }
    honorLabels: true
    metricRelabelings:
      - { sourceLabels: [__name__], regex: 'container_(.*)', targetLabel: metrics_path, replacement: /metrics/cadvisor }
---
apiVersion: observability.ethos.io/v1alpha1
kind: MetricAccess
metadata: { name: tenant-container-metrics, namespace: my-namespace }
spec:
  source: my-namespace
  metricIsolation: true
  metrics: [container_cpu_usage_seconds_total, container_memory_working_set_bytes]
  remoteWrite:
    enabled: true
    interval: 30s
    target: { type: prometheus }
    prometheus: { serviceName: prometheus-operated, servicePort: 9090 }
    extraLabels: { metrics_path: /metrics/cadvisor }
    honorLabels: true
---
apiVersion: observability.ethos.io/v1alpha1
kind: MetricAccess
metadata: { name: tenant-kubelet-metrics, namespace: my-namespace }
spec:
  source: my-namespace
  metricIsolation: true
  metrics: [kubelet_running_pods, kubelet_node_name]
  remoteWrite:
    enabled: true
    interval: 30s
    target: { type: prometheus }
    prometheus: { serviceName: prometheus-operated, servicePort: 9090 }
    extraLabels: { metrics_path: /metrics }
    honorLabels: true
---
apiVersion: observability.ethos.io/v1alpha1
kind: MetricAccess
metadata: { name: secure-tenant-metrics, namespace: secure-tenant }
spec:
  source: secure-tenant
  metricIsolation: true
  metrics: [kube_pod_info, container_cpu_usage_seconds_total, http_requests_total]
  remoteWrite:
    enabled: true
    interval: 30s
    target: { type: prometheus }
    prometheus: { serviceName: prometheus, servicePort: 9090 }
---
apiVersion: observability.ethos.io/v1alpha1
kind: MetricAccess
metadata: { name: debug-tenant-metrics, namespace: debug-tenant }
spec:
  source: debug-tenant
  metricIsolation: false
  metrics: [kube_pod_info, kube_node_info, up]
  remoteWrite:
    enabled: true
    interval: 30s
    target: { type: prometheus }
    prometheus: { serviceName: prometheus, servicePort: 9090 }
`);
