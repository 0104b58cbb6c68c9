import { generateKeyPairSync } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { optionalBinary } from './binaries.js';
import { eventually } from './eventually.js';
import { at, listAt } from './helm.js';
import type { Manifest } from './helm.js';
import { fetchRaw } from './http.js';
import { freePort } from './ports.js';
import { startProcess } from './process.js';
import type { RunningProcess } from './process.js';
import { createTempDir } from './temp-dir.js';
import type { TempDir } from './temp-dir.js';

/**
 * A real kube-apiserver on a real etcd, and nothing else: no controllers, so that a deleted namespace stays Terminating
 * (take a fresh one for each test) and no pod ever runs.
 */

export interface KubeAnswer {
  readonly status: number;
  readonly body: unknown;
  /** The server's own `Warning` headers. */
  readonly warnings: readonly string[];
  /** What a refusal says; empty for a success. */
  readonly message: string;
}

export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `/api/v1/…`, with its query. */
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  /** Default: the administrator's. */
  readonly token?: string;
}

export interface ApplyOptions {
  /** Validate as a whole and store nothing. */
  readonly dryRun?: boolean;
  readonly namespace?: string;
}

/** A second API server on the same store, as a cluster that is highly available has. */
export interface KubeReplica extends AsyncDisposable {
  readonly url: string;
  request(request: KubeRequest): Promise<KubeAnswer>;
}

export interface KubeOptions {
  /** More flags of the API server. */
  readonly args?: readonly string[];
  /** Longer where its store is full. */
  readonly startTimeoutMs?: number;
  /** Of all its processes, 19 at most: they take what nobody else wants. For measurements, since a real one has machines of its own. */
  readonly niceness?: number;
}

export interface RunningKube extends AsyncDisposable {
  /** `https://127.0.0.1:<port>` */
  readonly url: string;
  readonly caFile: string;
  readonly adminToken: string;
  /** Of its store, which answers `/v3/…` in JSON. */
  readonly etcdUrl: string;
  request(request: KubeRequest): Promise<KubeAnswer>;
  /** Server-side apply; unknown fields are refused. */
  apply(manifest: Manifest, options?: ApplyOptions): Promise<KubeAnswer>;
  /** Applies CRDs and waits until they are served. */
  applyCrds(manifests: readonly Manifest[]): Promise<void>;
  /** A namespace that nobody else uses, where pods must satisfy the restricted profile. */
  freshNamespace(): Promise<string>;
  /** Stops the API server, runs `whileAway`, and starts it again on the same port with the same state. */
  restart(whileAway: () => Promise<void>): Promise<void>;
  replica(): Promise<KubeReplica>;
  /** Throws all history away: a watch that was not there meanwhile must list again. */
  compact(): Promise<void>;
  stop(): Promise<void>;
}

/** Why the tests of the API server cannot run on this machine, undefined if they can. */
export async function kubeMissing(): Promise<string | undefined> {
  const found = await Promise.all([optionalBinary('kubeApiserver'), optionalBinary('etcd')]);
  return found.includes(undefined) ? 'no kube-apiserver or etcd: node scripts/setup.mjs --for kubernetes builds both (5 minutes on two cores), or set KUBE_APISERVER_BIN and ETCD_BIN' : undefined;
}

const ADMIN_TOKEN = 'admin-token';
const START_TIMEOUT_MS = 60_000;
/** It would wait a minute for its watchers to leave. */
const RESTART_GRACE_MS = 1_000;

/** Starts both; resolves when the API server is ready. */
export async function startKube({ args = [], startTimeoutMs = START_TIMEOUT_MS, niceness }: KubeOptions = {}): Promise<RunningKube> {
  const [apiServer, etcd] = await Promise.all([optionalBinary('kubeApiserver'), optionalBinary('etcd')]);
  if (apiServer === undefined || etcd === undefined) throw new Error(await kubeMissing());
  const dir = await createTempDir();
  const store = await startEtcd(withNiceness(etcd, niceness), dir);
  const launch = await prepareApiServer(withNiceness(apiServer, niceness), dir, { etcdUrl: store.url, more: args });
  const port = await freePort();
  let server = launch(port);
  const stop = async (): Promise<void> => {
    // In this order: the API server does not end while its store is away.
    await server.process.stop();
    await store.process.stop();
    await dir[Symbol.asyncDispose]();
  };
  try {
    const caFile = dir.join('certs', 'apiserver.crt');
    const ready = (started: Started): Promise<Send> => started.process.until('ready', () => readyClient(started.url, caFile), { timeoutMs: startTimeoutMs, intervalMs: 100 });
    const request = await ready(server);
    const restart = async (whileAway: () => Promise<void>): Promise<void> => {
      await server.process.stop(RESTART_GRACE_MS);
      await whileAway();
      server = launch(port);
      await ready(server);
    };
    const replica = async (): Promise<KubeReplica> => {
      const other = launch(await freePort());
      return { url: other.url, request: await ready(other), [Symbol.asyncDispose]: async () => void (await other.process.stop(RESTART_GRACE_MS)) };
    };
    return { url: server.url, caFile, adminToken: ADMIN_TOKEN, etcdUrl: store.url, request, ...objects(request), restart, replica, compact: () => compact(store.url), stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A program and the arguments before its own. */
type Program = readonly [command: string, ...first: string[]];

function withNiceness(command: string, niceness: number | undefined): Program {
  return niceness === undefined ? [command] : ['nice', '-n', String(niceness), command];
}

interface Started {
  readonly url: string;
  readonly process: RunningProcess;
}

async function startEtcd([command, ...first]: Program, dir: TempDir): Promise<Started> {
  const [client, peer] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
  const args = [
    `--data-dir=${dir.join('etcd')}`,
    '--unsafe-no-fsync',
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
  ];
  return { url: client, process: startProcess({ name: 'etcd', command, args: [...first, ...args], cwd: dir.path }) };
}

async function prepareApiServer([command, ...first]: Program, dir: TempDir, { etcdUrl, more }: { readonly etcdUrl: string; readonly more: readonly string[] }): Promise<(port: number) => Started> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs1', format: 'pem' } });
  await mkdir(dir.join('certs'));
  await Promise.all([
    writeFile(dir.join('sa.key'), privateKey),
    writeFile(dir.join('sa.pub'), publicKey),
    writeFile(dir.join('tokens.csv'), `${ADMIN_TOKEN},admin,admin-uid,"system:masters"\n`),
  ]);
  const args = [
    `--etcd-servers=${etcdUrl}`,
    '--bind-address=127.0.0.1',
    `--cert-dir=${dir.join('certs')}`,
    '--service-cluster-ip-range=10.99.0.0/24',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${dir.join('sa.pub')}`,
    `--service-account-signing-key-file=${dir.join('sa.key')}`,
    `--token-auth-file=${dir.join('tokens.csv')}`,
    '--authorization-mode=RBAC',
    '--anonymous-auth=false',
    '--disable-admission-plugins=ServiceAccount',
    '--allow-privileged=true',
    '--profiling=false',
    ...more,
  ];
  return (port) => ({ url: `https://127.0.0.1:${port}`, process: startProcess({ name: 'kube-apiserver', command, args: [...first, `--secure-port=${port}`, ...args], cwd: dir.path }) });
}

async function compact(etcdUrl: string): Promise<void> {
  const ask = async (path: string, body: unknown): Promise<string> => {
    const answer = await fetchRaw({ url: `${etcdUrl}/v3/kv/${path}`, method: 'POST', body: JSON.stringify(body) });
    if (answer.status !== 200) throw new Error(`etcd: ${answer.status} ${answer.body.toString('utf8').slice(0, 500)}`);
    return answer.body.toString('utf8');
  };
  const revision = /"revision":"(\d+)"/.exec(await ask('range', { key: Buffer.from('none').toString('base64') }))?.[1];
  await ask('compaction', { revision });
}

type Send = (request: KubeRequest) => Promise<KubeAnswer>;

async function readyClient(url: string, caFile: string): Promise<Send> {
  const ca = await readFile(caFile, 'utf8');
  const send: Send = async ({ method, path, body, contentType = 'application/json', token = ADMIN_TOKEN }) => {
    const answer = await fetchRaw({
      url: `${url}${path}`,
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': contentType },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      tls: { ca },
    });
    const text = answer.body.toString('utf8');
    const json: unknown = /json/.test(answer.headers['content-type'] ?? '') ? JSON.parse(text) : text;
    const warnings = answer.rawHeaders.filter((_value, index, all) => index % 2 === 1 && all[index - 1]?.toLowerCase() === 'warning');
    return { status: answer.status, body: json, warnings, message: answer.status < 300 ? '' : String(at(json, 'message') ?? text) };
  };
  const ready = await send({ method: 'GET', path: '/readyz' });
  if (ready.status !== 200) throw new Error(`not ready: ${ready.message}`);
  // Ready comes before the namespace that everything is in by default.
  const namespace = await send({ method: 'GET', path: '/api/v1/namespaces/default' });
  if (namespace.status !== 200) throw new Error(namespace.message);
  return send;
}

function objects(send: Send): Pick<RunningKube, 'apply' | 'applyCrds' | 'freshNamespace'> {
  const resources = new Map<string, { readonly plural: string; readonly namespaced: boolean }>();
  let namespaces = 0;

  async function resourceOf({ apiVersion, kind }: Manifest): Promise<{ readonly plural: string; readonly namespaced: boolean }> {
    const key = `${apiVersion}/${kind}`;
    const known = resources.get(key);
    if (known !== undefined) return known;
    const { body } = await send({ method: 'GET', path: groupPath(apiVersion) });
    const found = listAt(body, 'resources').find((each) => at(each, 'kind') === kind && !String(at(each, 'name')).includes('/'));
    if (found === undefined) throw new Error(`the API server has no ${key}`);
    const resource = { plural: String(at(found, 'name')), namespaced: at(found, 'namespaced') === true };
    resources.set(key, resource);
    return resource;
  }

  async function apply(manifest: Manifest, { dryRun = false, namespace }: ApplyOptions = {}): Promise<KubeAnswer> {
    const { plural, namespaced } = await resourceOf(manifest);
    const where = namespaced ? `/namespaces/${namespace ?? manifest.metadata.namespace ?? 'default'}` : '';
    const body = namespace === undefined || !namespaced ? manifest : { ...manifest, metadata: { ...manifest.metadata, namespace } };
    const query = `fieldManager=test&force=true&fieldValidation=Strict${dryRun ? '&dryRun=All' : ''}`;
    return send({ method: 'PATCH', path: `${groupPath(manifest.apiVersion)}${where}/${plural}/${manifest.metadata.name}?${query}`, body, contentType: 'application/apply-patch+yaml' });
  }

  return {
    apply,
    applyCrds: async (manifests) => {
      for (const manifest of manifests) {
        const { status, message } = await apply(manifest);
        if (status >= 300) throw new Error(`${manifest.metadata.name}: ${message}`);
      }
      await eventually(
        async () => {
          const { body } = await send({ method: 'GET', path: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions' });
          const waiting = listAt(body, 'items').filter((crd) => !listAt(crd, 'status', 'conditions').some((each) => at(each, 'type') === 'Established' && at(each, 'status') === 'True'));
          if (waiting.length > 0) throw new Error(`not established: ${waiting.map((crd) => at(crd, 'metadata', 'name')).join()}`);
          await Promise.all(manifests.map((crd) => resourceOf({ apiVersion: `${at(crd, 'spec', 'group')}/${at(crd, 'spec', 'versions', 0, 'name')}`, kind: String(at(crd, 'spec', 'names', 'kind')), metadata: { name: '' } })));
        },
        { what: 'the CRDs are served', timeoutMs: 30_000 },
      );
    },
    freshNamespace: async () => {
      namespaces += 1;
      const name = `test-${namespaces}`;
      const restricted = { 'pod-security.kubernetes.io/enforce': 'restricted', 'pod-security.kubernetes.io/warn': 'restricted' };
      const { status, message } = await send({ method: 'POST', path: '/api/v1/namespaces', body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: restricted } } });
      if (status >= 300) throw new Error(message);
      return name;
    },
  };
}

function groupPath(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}
