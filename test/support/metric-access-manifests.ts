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
