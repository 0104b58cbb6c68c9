/**
 * The face of this folder: DesiredState in, Envoys configured. A state that does not make a valid snapshot changes nothing and
 * says every fault; the last good one stays published.
 */
import type { Registry } from 'prom-client';
import { systemClock } from '../lib/clock.js';
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import { err, ok } from '../lib/result.js';
import type { Fault, Result } from '../lib/result.js';
import { listenOnUnixSocket } from '../lib/unix-socket.js';
import type { Backend, DesiredState } from '../model/desired-state.js';
import type { ConnectionOptions, ConnectionStatus } from './connection.js';
import { createXdsMetrics } from './metrics.js';
import { KINDS, RESOURCE_TYPES } from './resource-types.js';
import type { ResourceSet, TypeUrl } from './resource-types.js';
import { backendResources, buildResources, isOfBackends } from './resources/index.js';
import type { Topology } from './resources/index.js';
import { startXdsServer } from './server.js';
import { changeSnapshot, changesBetween, changesOf, makeSnapshot } from './snapshot.js';
import type { Changes, CheckedSnapshot, ResourceChange } from './snapshot.js';
import { statusReport } from './status-report.js';
import type { XdsStatusReport } from './status-report.js';

export interface ControlPlaneOptions {
  /** `xds.sock`; its folder must be 0700. */
  readonly socketPath: string;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly clock?: Clock;
  readonly stream?: ConnectionOptions['stream'];
}

export interface ControlPlane {
  /** Makes and publishes the snapshot of a state. Its version on success. */
  publish(state: DesiredState, topology: Topology): Result<string>;
  /** The same with resources that do not come from a state. */
  publishResources(set: ResourceSet): Result<string>;
  /** The same with other backends; costs as much as they do. */
  publishBackends(backends: readonly Backend[]): Result<string>;
  /** Changes what is published; costs as much as the change, however much there is. */
  publishChange(change: ResourceChange): Result<string>;
  status(): ControlPlaneStatus;
  /** The same for people, with what each Envoy does not have as wanted and why. Costs as much as there are resources. */
  report(): XdsStatusReport;
  /**
   * Resolves when a client is connected and every aggregated stream has taken the whole published snapshot; with what is
   * missing or was refused after `timeoutMs`.
   */
  whenAcked(timeoutMs: number): Promise<Result<void>>;
  close(): Promise<void>;
}

export interface ControlPlaneStatus {
  /** Version of the published snapshot; undefined before the first. */
  readonly version: string | undefined;
  /** Version and number of resources by type. */
  readonly types: readonly { readonly typeUrl: TypeUrl; readonly version: string; readonly resources: number }[];
  readonly connections: readonly ConnectionStatus[];
}

/** Resolves when the socket takes clients; they wait for the first publish. */
export async function createControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { socketPath, logger, registry, clock = systemClock, stream = {} } = options;
  let published: CheckedSnapshot | undefined;
  let publishedState: DesiredState | undefined;
  const waiters = new Set<() => void>();
  const metrics = createXdsMetrics(registry, () => rejectedByType(status()));
  const server = await startXdsServer({
    listen: (listener) => listenOnUnixSocket(listener, socketPath),
    logger,
    metrics,
    clock,
    stream,
    snapshot: () => published,
    onProgress: () => {
      for (const check of waiters) check();
    },
  });

  function publish(made: Result<CheckedSnapshot>, state: DesiredState | undefined, changesTo: (next: CheckedSnapshot) => Changes): Result<string> {
    if (!made.ok) {
      metrics.publishRefused();
      logger.error({ faults: made.error }, 'xDS resources are not valid: the last good ones stay');
      return made;
    }
    const changes = changesTo(made.value);
    published = made.value;
    publishedState = state;
    metrics.published(published);
    logger.info({ version: published.version, changed: [...changes].map(([type, names]) => ({ type, names: names.size })) }, 'xDS snapshot published');
    server.publish(published, changes);
    return ok(published.version);
  }

  function publishSet(set: ResourceSet, state: DesiredState | undefined): Result<string> {
    return publish(makeSnapshot(set, published), state, (next) => changesBetween(published, next));
  }

  function status(): ControlPlaneStatus {
    return {
      version: published?.version,
      types: [...(published?.types ?? [])].map(([typeUrl, state]) => ({ typeUrl, version: state.version, resources: state.resources.size })),
      connections: [...server.connections].map((connection) => connection.status()),
    };
  }

  function isAcked(): boolean {
    const snapshot = published;
    const aggregated = [...server.connections].filter((connection) => connection.isAggregated);
    return snapshot !== undefined && aggregated.length > 0 && aggregated.every((connection) => connection.hasAll(snapshot));
  }

  function whenAcked(timeoutMs: number): Promise<Result<void>> {
    return new Promise((resolve) => {
      const settle = (result: Result<void>): void => {
        waiters.delete(check);
        cancel();
        resolve(result);
      };
      const check = (): void => {
        if (isAcked()) settle(ok(undefined));
      };
      const cancel = clock.after(timeoutMs, () => settle(err(missing(status()))));
      waiters.add(check);
      check();
    });
  }

  function publishChange(change: ResourceChange, state: DesiredState | undefined): Result<string> {
    if (published === undefined) return err([{ place: 'xDS', message: 'nothing is published that could be changed' }]);
    return publish(changeSnapshot(published, change), state, () => changesOf(change));
  }

  /** Of backends, what is published and not in `set`. */
  function goneFrom(set: Partial<ResourceSet>, kind: 'cluster' | 'secret'): readonly string[] {
    const kept = new Set(set[kind]?.map(({ name }) => name));
    return [...(published?.types.get(RESOURCE_TYPES[kind].url)?.resources.keys() ?? [])].filter((name) => isOfBackends(kind, name) && !kept.has(name));
  }

  return {
    publish: (state, topology) => publishSet(buildResources(state, topology), state),
    publishResources: (set) => publishSet(set, undefined),
    publishBackends: (backends) => {
      const put = backendResources(backends);
      return publishChange({ put, remove: { cluster: goneFrom(put, 'cluster'), secret: goneFrom(put, 'secret') } }, publishedState && { ...publishedState, backends });
    },
    publishChange: (change) => publishChange(change, publishedState),
    status,
    report: () => statusReport({ snapshot: published, state: publishedState, connections: server.connections, nowMs: clock.nowMs() }),
    whenAcked,
    close: () => server.close(),
  };
}

/** What keeps the clients from having everything, in words. */
function missing({ version, connections }: ControlPlaneStatus): Fault[] {
  if (version === undefined) return [{ place: 'xDS', message: 'nothing is published' }];
  if (connections.length === 0) return [{ place: 'xDS', message: 'no Envoy is connected' }];
  const faults = connections.flatMap(({ node, types }) =>
    types
      .filter(({ current }) => !current)
      .flatMap(({ typeUrl, rejected }) =>
        rejected.length === 0
          ? [{ place: `${node.id} ${typeUrl}`, message: 'has not been acknowledged' }]
          : rejected.map(({ name, rejection }) => ({ place: `${node.id} ${typeUrl} "${name}"`, message: rejection.message })),
      ),
  );
  return faults.length > 0 ? faults : [{ place: 'xDS', message: 'Envoy has not asked for every type yet' }];
}

function rejectedByType({ connections }: ControlPlaneStatus): ReadonlyMap<TypeUrl, number> {
  const counts = new Map<TypeUrl, number>(KINDS.map((kind) => [RESOURCE_TYPES[kind].url, 0]));
  for (const { types } of connections) {
    for (const { typeUrl, rejected } of types) counts.set(typeUrl, (counts.get(typeUrl) ?? 0) + rejected.length);
  }
  return counts;
}
