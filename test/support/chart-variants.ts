import type { Values } from './helm.js';

/**
 * Twenty-some ways to install the chart, each with what an operator would set.
 */

export interface Variant {
  readonly name: string;
  readonly files: readonly string[];
  readonly values: Values;
}

const GATEWAY = ['ci/gateway-values.yaml'];
const AGENT = ['ci/agent-values.yaml'];

function gateway(name: string, values: Values = {}): Variant {
  return { name: `gateway: ${name}`, files: GATEWAY, values };
}

function agent(name: string, values: Values = {}): Variant {
  return { name: `agent: ${name}`, files: AGENT, values };
}

export const CHART_VARIANTS: readonly Variant[] = [
  gateway('the least'),
  gateway('one replica, no budget', { 'gateway.replicas': 1, 'gateway.podDisruptionBudget.enabled': false }),
  gateway('autoscaled', {
    'gateway.autoscaling.enabled': true,
    'gateway.autoscaling.metrics': [{ type: 'Pods', pods: { metric: { name: 'scrapeway_hub_scrapes_in_flight' }, target: { type: 'AverageValue', averageValue: '500' } } }],
  }),
  gateway('behind load balancers', {
    'gateway.service.scrape.type': 'LoadBalancer',
    'gateway.service.agents.type': 'LoadBalancer',
    'gateway.service.agents.loadBalancerClass': 'example.com/nlb',
    'gateway.service.agents.loadBalancerSourceRanges': ['198.51.100.0/24'],
    'gateway.service.agents.externalTrafficPolicy': 'Local',
    'gateway.service.agents.annotations': { 'example.com/scheme': 'internet-facing' },
  }),
  gateway('on node ports', { 'gateway.service.agents.type': 'NodePort', 'gateway.service.agents.nodePort': 30843, 'gateway.service.agents.port': 443 }),
  gateway('headless for agents', { 'gateway.service.agents.type': 'Headless' }),
  gateway('other ports', { 'gateway.ports': { scrape: 19443, agents: 18443, metrics: 19464 } }),
  gateway('IPv6', { 'gateway.listenAddress': '[::]' }),
  gateway('images by digest', { 'image.digest': `sha256:${'a'.repeat(64)}`, 'gateway.envoy.image.digest': `sha256:${'b'.repeat(64)}`, imagePullSecrets: [{ name: 'registry' }] }),
  gateway('exports of one', { 'gateway.replicas': 1, 'gateway.podDisruptionBudget.enabled': false, 'gateway.exports.enabled': true }),
  gateway('exports of many', { 'gateway.exports': { enabled: true, existingClaim: 'exports' }, 'kubernetes.enabled': true, 'kubernetes.status': false }),
  gateway('an own Secret', { 'gateway.existingSecret': 'own-gateway', 'gateway.config.tenants': [] }),
  gateway('an own ConfigMap', { 'gateway.existingConfigMap': 'own-gateway' }),
  gateway('credentials from Secrets', {
    'gateway.secretMounts': [{ name: 'shop', secretName: 'shop-credentials' }],
    'gateway.config.tenants': [{ name: 'shop', credentials: [{ bearer: { tokenFile: '/etc/scrapeway/secrets/shop/token' } }] }],
  }),
  gateway('no client certificates', { 'gateway.tls.scrape.clientCa.secretName': '', 'gateway.config.tenants': [{ name: 'shop', credentials: [{ bearer: { sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' } }] }] }),
  gateway('two certificates', { 'gateway.tls.agents.secretName': 'agents-tls', 'gateway.tls.scrape.clientCa': { secretName: '', configMapName: 'clients-ca', key: 'bundle.pem' } }),
  gateway('strict placement', {
    'gateway.antiAffinity': 'hard',
    'gateway.topologySpread.whenUnsatisfiable': 'DoNotSchedule',
    'gateway.nodeSelector': { 'example.com/pool': 'edge' },
    'gateway.tolerations': [{ key: 'edge', operator: 'Exists', effect: 'NoSchedule' }],
    'gateway.priorityClassName': 'system-cluster-critical',
  }),
  gateway('loose placement', { 'gateway.antiAffinity': 'none', 'gateway.topologySpread.enabled': false, 'gateway.preStopSeconds': 0 }),
  gateway('without network policy', { 'networkPolicy.enabled': false }),
  gateway('narrow network policy', {
    networkPolicy: {
      scrapeFrom: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }],
      agentsFrom: [{ ipBlock: { cidr: '198.51.100.0/24' } }],
      egress: [{ ports: [{ port: 53, protocol: 'UDP' }] }],
    },
  }),
  gateway('monitored', {
    'dashboards.enabled': true,
    'serviceMonitor.enabled': true,
    'serviceMonitor.labels': { release: 'prometheus' },
    'prometheusRule.enabled': true,
    'prometheusRule.labels': { release: 'prometheus' },
    'prometheusRule.alertLabels': { team: 'observability' },
  }),
  gateway('labels and names', { fullnameOverride: 'edge', commonLabels: { 'example.com/cost': 'observability' }, 'gateway.podLabels': { 'example.com/mesh': 'off' }, 'gateway.podAnnotations': { 'example.com/note': 'x' } }),
  gateway('an agent beside it', {
    'agent.enabled': true,
    'agent.tls.secretName': 'berlin-tls',
    'agent.config.gateways': [{ address: 'release-scrapeway-agents:8443' }],
    'serviceMonitor.enabled': true,
    'prometheusRule.enabled': true,
  }),
  gateway('with everything of the cluster', {
    'gateway.config.tenants': [],
    'gateway.config.agents': [],
    'gateway.config.templates': [],
    'kubernetes.enabled': true,
    'kubernetes.metricAccess': { enabled: true, withoutTerms: 'own-namespace' },
    'kubernetes.tokenReview.enabled': true,
    'kubernetes.discovery': [{ namespaces: ['*'], resources: ['EndpointSlice'] }],
  }),
  gateway('with some namespaces of the cluster, and no ClusterRole', {
    'kubernetes.enabled': true,
    'kubernetes.metricAccess': { enabled: true, namespaces: ['default', 'monitoring'] },
    'kubernetes.discovery': [{ namespaces: ['default'], resources: ['Pod', 'Service'] }, { namespaces: ['monitoring'], resources: ['EndpointSlice'] }],
  }),
  gateway('with MetricAccess only, and no statuses', { 'kubernetes.enabled': true, 'kubernetes.objects': false, 'kubernetes.status': false, 'kubernetes.metricAccess.enabled': true }),
  gateway('with own kinds only', { 'gateway.config.tenants': [], 'gateway.config.agents': [], 'gateway.config.templates': [], 'kubernetes.enabled': true }),
  gateway('certificates by the API', { 'gateway.tls.source': 'api', 'kubernetes.enabled': true, 'kubernetes.objects': false }),
  gateway('certificates and CAs by the API, each from a Secret of its own, without statuses', {
    'gateway.tls': { source: 'api', scrape: { secretName: 'gateway-tls', clientCa: { secretName: 'clients-ca', configMapName: '' } }, agents: { secretName: 'agents-tls', clientCa: { secretName: 'agents-ca', configMapName: '', key: 'bundle.pem' } } },
    'kubernetes.enabled': true,
    'kubernetes.status': false,
  }),
  gateway('own kinds in several namespaces', { 'kubernetes.enabled': true, 'kubernetes.objectNamespaces': ['monitoring', 'default'] }),
  gateway('own kinds and Secrets of MetricAccess everywhere', { 'kubernetes.enabled': true, 'kubernetes.objectNamespaces': ['*'], 'kubernetes.metricAccess': { enabled: true, secrets: true } }),
  agent('the least'),
  agent('discovery in the whole cluster', { 'agent.kubernetes': { enabled: true, resources: ['Node', 'Namespace', 'Pod', 'Service', 'Endpoints', 'EndpointSlice', 'Ingress', 'ReplicaSet', 'Job'] }, 'agent.config.discovery': [{ name: 'pods', kubernetes_sd_configs: [{ role: 'pod' }] }] }),
  agent('monitors, with what they refer to', { 'agent.kubernetes': { enabled: true, namespaces: ['shop'], resources: ['Pod', 'Service', 'EndpointSlice', 'PodMonitor', 'ServiceMonitor', 'Secret', 'ConfigMap'] }, 'agent.config.monitors': [{ name: 'cluster', namespaces: { names: ['shop'] }, secrets: true }] }),
  agent('discovery in two namespaces', { 'agent.kubernetes': { enabled: true, namespaces: ['default', 'monitoring'] }, 'agent.config.discovery': [{ name: 'pods', kubernetes_sd_configs: [{ role: 'pod', namespaces: { names: ['default'], own_namespace: true } }] }], 'agent.config.allow': [{ cidr: '10.0.0.0/8' }] }),
  agent('a push door', {
    'agent.push': { enabled: true, service: { type: 'LoadBalancer', port: 443, annotations: { 'example.com/scheme': 'internal' } } },
    'agent.config.push': {
      plainHttp: true,
      targets: [{ name: 'batch', kind: 'pushgateway', url: 'http://pushgateway.monitoring.svc:9091', tenantLabel: 'tenant', groupTtl: '1d' }],
      tenants: [{ name: 'shop', credentials: [{ bearer: { sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' } }], targets: ['batch'] }],
    },
    'networkPolicy.pushFrom': [{ podSelector: {} }],
  }),
  agent('an own Secret', { 'agent.existingSecret': 'own-agent' }),
  agent('placed, with secrets', { 'agent.secretMounts': [{ name: 'internal', secretName: 'internal-ca' }], 'agent.nodeSelector': { 'example.com/pool': 'edge' }, 'prometheusRule.enabled': true, 'serviceMonitor.enabled': true }),
];
