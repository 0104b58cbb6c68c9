import type { Manifest } from './helm.js';
import type { RunningKube } from './kube.js';

/** Objects of a cluster in which Kubernetes discovery has every chance to go wrong: put in place as they are, statuses included. */
export interface AwkwardObject {
  readonly manifest: Manifest & { readonly metadata: { readonly ownerReferences?: readonly object[] } };
  readonly status?: Readonly<Record<string, unknown>>;
}

export async function putObjects(kube: RunningKube, objects: readonly AwkwardObject[]): Promise<void> {
  for (const { manifest, status } of objects) {
    const applied = await kube.apply(manifest);
    if (applied.status >= 300) throw new Error(`${manifest.kind} ${manifest.metadata.name}: ${applied.message}`);
    if (status === undefined) continue;
    const path = `${pathOf(manifest)}/status`;
    const { status: answer, message } = await kube.request({ method: 'PATCH', path, body: { status }, contentType: 'application/merge-patch+json' });
    if (answer >= 300) throw new Error(`${path}: ${message}`);
  }
}

const STATUS_PLURALS: Readonly<Record<string, string>> = { Node: 'nodes', Pod: 'pods', Service: 'services' };

/** Of the kinds that have a status here, all of them in the core group. */
function pathOf({ kind, metadata: { name, namespace } }: AwkwardObject['manifest']): string {
  return `/api/v1${namespace === undefined ? '' : `/namespaces/${namespace}`}/${STATUS_PLURALS[kind] ?? ''}/${name}`;
}

function owner(kind: string, name: string, apiVersion = 'apps/v1'): object {
  return { apiVersion, kind, name, uid: `uid-of-${name}`, controller: true };
}

export function awkwardNodes(): readonly AwkwardObject[] {
  const node = (name: string, metadata: object, spec: object, status: Readonly<Record<string, unknown>>): AwkwardObject => ({ manifest: { apiVersion: 'v1', kind: 'Node', metadata: { name, ...metadata }, spec }, status });
  return [
    node('node-a', { labels: { 'beta.kubernetes.io/os': 'linux', tier: 'front' }, annotations: { 'a.b/c-d': 'line\nbreak', 'empty': '' } }, { providerID: 'site:///a' }, {
      addresses: [{ type: 'Hostname', address: 'node-a' }, { type: 'ExternalIP', address: '192.0.2.1' }, { type: 'InternalIP', address: '10.0.0.1' }, { type: 'InternalIP', address: 'fd00::1' }],
      daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
      conditions: [{ type: 'Ready', status: 'True' }, { type: 'example.com/Odd-Name', status: 'Unknown' }],
    }),
    node('node-b', {}, {}, { addresses: [{ type: 'Hostname', address: 'node-b' }, { type: 'InternalIP', address: 'fd00::2' }], daemonEndpoints: { kubeletEndpoint: { Port: 10250 } } }),
    node('node-by-dns', {}, {}, { addresses: [{ type: 'Hostname', address: 'h' }, { type: 'ExternalDNS', address: 'x.example' }], daemonEndpoints: { kubeletEndpoint: { Port: 1 } } }),
    node('node-nowhere', {}, {}, { addresses: [] }),
  ];
}

function pod(namespace: string, name: string, { metadata = {}, spec, status }: { readonly metadata?: object; readonly spec: object; readonly status: Readonly<Record<string, unknown>> }): AwkwardObject {
  return { manifest: { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, ...metadata }, spec }, status };
}

/** Running, with these addresses. */
function running(ip: string, more: object = {}): Readonly<Record<string, unknown>> {
  return { phase: 'Running', podIP: ip, podIPs: [{ ip }], hostIP: '10.0.0.1', hostIPs: [{ ip: '10.0.0.1' }], conditions: [{ type: 'Ready', status: 'True' }], ...more };
}

export function awkwardPods(namespace: string): readonly AwkwardObject[] {
  const image = 'image:1';
  return [
    pod(namespace, 'web', {
      metadata: {
        labels: { app: 'web', 'app.kubernetes.io/name': 'web' },
        annotations: { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '9102', 'prometheus.io/path': '/custom' },
        ownerReferences: [owner('ReplicaSet', 'web-1')],
      },
      spec: {
        nodeName: 'node-a',
        containers: [
          { name: 'main', image, ports: [{ name: 'http', containerPort: 8080 }, { name: 'dns', containerPort: 8080, protocol: 'UDP' }, { containerPort: 9000 }] },
          { name: 'side', image: 'side:2', ports: [{ name: 'again', containerPort: 8080, protocol: 'SCTP' }] },
          { name: 'portless', image },
        ],
        initContainers: [{ name: 'first', image, ports: [{ name: 'init', containerPort: 7000 }] }, { name: 'first-portless', image }],
      },
      status: running('10.1.0.1', {
        containerStatuses: [{ name: 'main', containerID: 'containerd://main', image, imageID: '', ready: true, restartCount: 0 }],
        initContainerStatuses: [{ name: 'first', containerID: 'containerd://first', image, imageID: '', ready: true, restartCount: 0 }],
      }),
    }),
    pod(namespace, 'six', { metadata: { ownerReferences: [owner('Job', 'nightly-1', 'batch/v1')] }, spec: { nodeName: 'node-b', containers: [{ name: 'main', image, ports: [{ containerPort: 80 }] }, { name: 'portless', image }] }, status: { ...running('fd00::10'), phase: 'Pending', conditions: [{ type: 'Ready', status: 'False' }] } }),
    pod(namespace, 'lost', { metadata: { annotations: { 'prometheus.io/scrape': 'false' } }, spec: { nodeName: 'node-unknown', containers: [{ name: 'main', image, ports: [{ containerPort: 80 }] }] }, status: { phase: 'Running', podIP: '10.1.0.3', podIPs: [{ ip: '10.1.0.3' }] } }),
    pod(namespace, 'starting', { spec: { containers: [{ name: 'main', image, ports: [{ containerPort: 8080 }] }] }, status: { phase: 'Pending' } }),
    { manifest: { apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: { name: 'web-1', namespace, ownerReferences: [owner('Deployment', 'web')] }, spec: { selector: { matchLabels: { app: 'web' } }, template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image }] } } } } },
    { manifest: { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'nightly-1', namespace, ownerReferences: [owner('CronJob', 'nightly', 'batch/v1')] }, spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image }] } } } } },
  ];
}

export function awkwardServices(namespace: string): readonly AwkwardObject[] {
  const service = (name: string, spec: object, metadata: object = {}, status?: Readonly<Record<string, unknown>>): AwkwardObject => ({ manifest: { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace, ...metadata }, spec }, ...(status && { status }) });
  return [
    service('web', { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }, { name: 'dns', port: 53, protocol: 'UDP' }] }, { labels: { team: 'a', 'team.io/x': 'y' }, annotations: { 'prometheus.io/probe': 'true' } }),
    service('headless', { clusterIP: 'None', ports: [{ port: 9100 }] }),
    service('outside', { type: 'ExternalName', externalName: 'db.example.org', ports: [{ port: 5432 }] }),
    service('balanced', { type: 'LoadBalancer', ports: [{ port: 443 }] }, {}, { loadBalancer: { ingress: [{ ip: '192.0.2.7' }, { hostname: 'lb.example' }, { ip: '192.0.2.8' }] } }),
    service('wished', { type: 'LoadBalancer', loadBalancerIP: '192.0.2.9', ports: [{ port: 443 }] }),
    service('portless', { clusterIP: 'None' }),
    service('dual', { ipFamilyPolicy: 'PreferDualStack', ports: [{ port: 80 }] }),
  ];
}

export function awkwardEndpoints(namespace: string): readonly AwkwardObject[] {
  const ref = (kind: string, name: string): object => ({ kind, name, ...(kind === 'Pod' && { namespace }) });
  const web = { ip: '10.1.0.1', nodeName: 'node-a', hostname: 'web-0', targetRef: ref('Pod', 'web') };
  const endpoints = (name: string, subsets: readonly object[], metadata: object = {}): AwkwardObject => ({ manifest: { apiVersion: 'v1', kind: 'Endpoints', metadata: { name, namespace, ...metadata }, subsets } });
  const slice = (name: string, service: string | undefined, more: object): AwkwardObject => ({
    manifest: { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name, namespace, ...(service !== undefined && { labels: { 'kubernetes.io/service-name': service } }) }, addressType: 'IPv4', ...more },
  });
  return [
    endpoints('web', [
      { addresses: [web, { ip: '10.1.0.77', targetRef: ref('Pod', 'gone') }], notReadyAddresses: [{ ip: '10.1.0.3', targetRef: ref('Pod', 'lost') }], ports: [{ name: 'http', port: 8080 }, { name: 'other', port: 8081, protocol: 'UDP' }] },
      { addresses: [{ ip: 'fd00::10', targetRef: ref('Pod', 'six') }, { ip: '10.0.0.1', targetRef: ref('Node', 'node-a') }], ports: [{ port: 9 }] },
      { addresses: [{ ip: '10.1.0.5', targetRef: ref('Pod', 'starting') }], ports: [{ port: 1 }] },
    ], { labels: { 'endpoints.io/x': 'y' } }),
    endpoints('orphan', [{ addresses: [{ ip: '10.9.9.9' }], ports: [{ name: 'm', port: 9100 }] }]),
    endpoints('empty', []),
    slice('web-1', 'web', {
      ports: [{ name: 'http', port: 8080, appProtocol: 'http' }, { name: 'other', port: 8081, protocol: 'UDP' }, { name: 'any' }],
      endpoints: [
        { addresses: ['10.1.0.1'], nodeName: 'node-a', zone: 'z1', hostname: 'web-0', conditions: { ready: true, serving: true, terminating: false }, targetRef: ref('Pod', 'web') },
        { addresses: ['10.1.0.77'], conditions: { ready: false }, targetRef: ref('Pod', 'gone') },
        { addresses: ['10.0.0.1'], targetRef: ref('Node', 'node-a') },
      ],
    }),
    slice('web-six', 'web', { addressType: 'IPv6', ports: [{ port: 80 }], endpoints: [{ addresses: ['fd00::10'], targetRef: ref('Pod', 'six') }] }),
    slice('dual-six', 'dual', { addressType: 'IPv6', ports: [{ port: 80 }], endpoints: [{ addresses: ['fd00::99'] }] }),
    slice('dual-four', 'dual', { ports: [{ port: 80 }], endpoints: [{ addresses: ['10.1.0.99'] }] }),
    slice('by-name', undefined, { addressType: 'FQDN', ports: [{ name: 'm', port: 9100 }], endpoints: [{ addresses: ['a.example'], conditions: {} }] }),
    slice('portless', 'web', { ports: [], endpoints: [{ addresses: ['10.1.0.1'] }] }),
  ];
}

export function awkwardIngresses(namespace: string): readonly AwkwardObject[] {
  const backend = { service: { name: 'web', port: { number: 80 } } };
  const path = (at: string, pathType = 'Prefix'): object => ({ path: at, pathType, backend });
  return [
    { manifest: { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: 'web', namespace, annotations: { 'x.y/z': '1' } }, spec: {
      ingressClassName: 'nginx',
      tls: [{ hosts: ['*.example.org', 'exact.example'] }],
      rules: [{ host: 'a.example.org', http: { paths: [path('/'), path('/b')] } }, { host: 'a.b.example.org', http: { paths: [path('/')] } }, { host: 'exact.example' }, { http: { paths: [path('/x'), { pathType: 'ImplementationSpecific', backend }] } }],
    } } },
    { manifest: { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: 'default-only', namespace }, spec: { defaultBackend: backend } } },
  ];
}
