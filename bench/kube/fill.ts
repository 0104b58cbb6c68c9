import { randomUUID } from 'node:crypto';
import { fetchRaw } from '../../test/support/http.js';

/**
 * A large cluster within seconds: objects are written to the API server's store as the API server itself would have written them,
 * a hundred at once. Everything that is measured goes through the API server.
 */

export interface Stored {
  /** Below `/registry/`. */
  readonly key: string;
  readonly object: Readonly<Record<string, unknown>>;
}

export interface Shape {
  readonly accesses: number;
  readonly pods: number;
  /** MetricAccess objects of one namespace. */
  readonly perNamespace: number;
  /** Where the pods are. */
  readonly home: string;
}

export const PATTERNS = ['up', 'http_.*', 'node_load1', '{job="my-app"}', 'go_goroutines'];

export function namespacesOf({ accesses, perNamespace }: Shape): number {
  return Math.ceil(accesses / perNamespace);
}

export function* objectsOf(shape: Shape): Generator<Stored> {
  const namespaces = namespacesOf(shape);
  for (let index = 0; index < namespaces; index += 1) yield { key: `namespaces/team-${index}`, object: { apiVersion: 'v1', kind: 'Namespace', metadata: metadata(`team-${index}`), spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } } };
  for (let index = 0; index < shape.accesses; index += 1) {
    const namespace = `team-${index % namespaces}`;
    const name = `access-${Math.floor(index / namespaces)}`;
    yield {
      key: `observability.ethos.io/metricaccesses/${namespace}/${name}`,
      object: { apiVersion: 'observability.ethos.io/v1alpha1', kind: 'MetricAccess', metadata: { ...metadata(name), namespace, generation: 1 }, spec: { source: 'x', metrics: PATTERNS } },
    };
  }
  for (let index = 0; index < shape.pods; index += 1) yield { key: `pods/${shape.home}/pod-${index}`, object: pod(index, shape.home) };
}

function metadata(name: string): Readonly<Record<string, unknown>> {
  return { name, uid: randomUUID(), creationTimestamp: '2026-01-01T00:00:00Z' };
}

/** One in a thousand is a Prometheus. What makes a real pod large: environments, annotations, and what kubelet says of it. */
function pod(index: number, namespace: string): Readonly<Record<string, unknown>> {
  const env = Array.from({ length: 30 }, (_each, number) => ({ name: `VARIABLE_${number}`, value: `value ${index} ${number}` }));
  const podIP = `10.${128 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
  const condition = (type: string): unknown => ({ type, status: 'True', lastTransitionTime: '2026-01-01T00:00:01Z' });
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata(`pod-${index}`), namespace, labels: { app: index % 1_000 === 0 ? 'prometheus' : 'other' }, annotations: { 'checksum/config': randomUUID().repeat(2), ...(index % 1_000 === 0 && { role: 'infra' }) } },
    spec: { containers: [{ name: 'main', image: 'registry.example/team/image:1.2.3', env, ports: [{ containerPort: 9090, name: 'web', protocol: 'TCP' }], imagePullPolicy: 'IfNotPresent', terminationMessagePath: '/dev/termination-log', terminationMessagePolicy: 'File', resources: {} }], restartPolicy: 'Always', dnsPolicy: 'ClusterFirst', nodeName: `node-${index % 200}`, securityContext: {}, schedulerName: 'default-scheduler', terminationGracePeriodSeconds: 30, enableServiceLinks: true },
    status: { phase: 'Running', podIP, podIPs: [{ ip: podIP }], hostIP: '10.0.0.1', qosClass: 'BestEffort', startTime: '2026-01-01T00:00:00Z', conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map(condition) },
  };
}

/** etcd takes 128 operations and 1.5 MiB at once. */
const AT_ONCE = 100;

export async function fill(etcdUrl: string, shape: Shape): Promise<void> {
  const send = async (batch: readonly Stored[]): Promise<void> => {
    const success = batch.map(({ key, object }) => ({ requestPut: { key: base64(`/registry/${key}`), value: base64(JSON.stringify(object)) } }));
    await etcd(etcdUrl, 'kv/txn', { success });
  };
  let batch: Stored[] = [];
  for (const each of objectsOf(shape)) {
    batch.push(each);
    if (batch.length < AT_ONCE) continue;
    await send(batch);
    batch = [];
  }
  if (batch.length > 0) await send(batch);
}

async function etcd(url: string, path: string, body: unknown): Promise<void> {
  const answer = await fetchRaw({ url: `${url}/v3/${path}`, method: 'POST', body: JSON.stringify(body) });
  if (answer.status !== 200) throw new Error(`etcd: ${answer.status} ${answer.body.toString('utf8').slice(0, 500)}`);
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
