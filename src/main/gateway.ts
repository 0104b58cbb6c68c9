/**
 * The gateway's control thread: wires configuration, data threads, xDS and discovery, and runs them as one.
 *
 * Data flows one way: file → DesiredState → (data threads: ext_authz, hub) and (xDS → Envoy). What agents register flows back
 * from the data threads to discovery, and out to all of them again.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { AggregatorRegistry } from 'prom-client';
import type { Registry } from 'prom-client';
import { openAdmin } from '../balanced/admin.js';
import { registerServerMetrics } from '../balanced/servers.js';
import type { GatewayConfig } from '../config/gateway-config.js';
import { startApiServer } from '../discovery/api-server.js';
import { createDiscovery } from '../discovery/discovery.js';
import { systemClock } from '../lib/clock.js';
import type { Fault } from '../lib/result.js';
import { createIssuer } from '../join/issuer.js';
import { openUsedTokens } from '../join/used-tokens.js';
import type { Logger } from '../lib/logger.js';
import { validateTargets } from '../tunnel/targets.js';
import { createControlPlane } from '../xds/control-plane.js';
import type { ControlPlane } from '../xds/control-plane.js';
import type { HandOver } from '../model/hand-over.js';
import type { ExportReport } from '../model/export-report.js';
import { startDataThreads } from './data-threads.js';
import { awaitAgents } from './agents-return.js';
import { answerCollected } from './collected-metrics.js';
import { startDoors } from './doors.js';
import type { Doors } from './doors.js';
import { createEnvoyState } from './envoy-state.js';
import { startExports } from './exports.js';
import type { Exports } from './exports.js';
import type { DataThreads } from './data-threads.js';
import { createTokenReviews } from './token-reviews.js';
import { XDS_STATUS_PATH } from './xds-status-command.js';

export interface Gateway {
  /** Takes a new version of the configuration as a whole, or names why not and stays as it is. */
  apply(config: GatewayConfig): readonly Fault[];
  /** Why no work should come now; empty = ready. */
  notReady(): readonly string[];
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
  /** Of several replicas one exports, and lets pushed groups expire: whoever decides which, says so here. True from the start, unless a cluster's Lease decides. */
  setLeading(leading: boolean, left?: HandOver): Promise<void>;
  exportReports(): Promise<readonly ExportReport[]>;
  /** Refuses what is new and resolves when no scrape is in flight. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** Everything that agents may have registered, whatever their own limit was: read back from our own file. */
const MAX_REMEMBERED_TARGETS = 100_000;

/** Starts all but Envoy; resolves when every socket listens and the configuration is published. Rejects where that fails. */
export async function startGateway(config: GatewayConfig, logger: Logger, registry: Registry): Promise<Gateway> {
  const { runtimeDir, dataThreads: count, discovery: timing, tunnel, logLevel, queries: querying, exportFolder } = config.process;
  const socket = (name: string): string => join(runtimeDir, `${name}.sock`);

  const places = new Map<string, number>();
  const discovery = await createDiscovery({
    ...timing,
    memoryPath: join(runtimeDir, 'registrations.json'),
    validate: (targets) => validateTargets(targets, { maxTargets: MAX_REMEMBERED_TARGETS }).accepted,
    onForgotten: (agent) => dataThreads.setRegistration(agent, undefined),
    logger: logger.child({ component: 'discovery' }),
    registry,
  });
  /** Until there is something published, the first publishing will do. */
  let republish: () => void = () => undefined;
  const agentsReturn = awaitAgents(config.state, { waitMs: timing.settleMs, clock: systemClock, onOpen: () => republish() });
  const tokenReviews = createTokenReviews({ logger: logger.child({ component: 'kubernetes' }), registry });
  const dataThreads = startDataThreads({
    count,
    thread: { runtimeDir, logLevel, ...tunnel },
    logger,
    onRegistered: ({ agent, targets }) => {
      discovery.register(agent, targets);
      dataThreads.setRegistration(agent, targets);
      agentsReturn.returned(agent);
    },
    reviewToken: tokenReviews.review,
    onAgent: (agent, state, thread) => {
      discovery.agentState(agent, state);
      if (state === 'down') return;
      places.set(agent, thread);
      doors.located(agent, thread);
      exports.located(agent, thread);
    },
  });
  for (const [agent, targets] of discovery.offered) dataThreads.setRegistration(agent, targets);
  const isAlone = config.process.kubernetes === undefined;
  const doors = startDoors({ runtimeDir, logLevel, cache: querying.cacheBytes === undefined ? undefined : { maxBytes: querying.cacheBytes, shared: querying.shared }, expiring: isAlone, places }, logger.child({ component: 'doors' }));
  const issuer = createIssuer({ used: await openUsedTokens(join(runtimeDir, 'join-tokens.json'), Date.now), logger: logger.child({ component: 'join' }), registry });
  const exports = startExports({ folder: exportFolder, runtimeDir, logLevel, active: isAlone, places }, logger.child({ component: 'export' }));
  const admin = openAdmin(runtimeDir);
  registerServerMetrics(registry, admin);
  const controlPlane = await createControlPlane({ socketPath: socket('xds'), logger: logger.child({ component: 'xds' }), registry });
  const api = await startApiServer({ socketPath: socket('api'), answer: discovery.answer, others: (request, response) => answerStatus(controlPlane, request, response) || issuer.handle(request, response) || answerCollected(exports, request, response), logger: logger.child({ component: 'api' }) });

  const envoyState = createEnvoyState({ controlPlane, topology: () => ({ dataThreads: count, runtimeDir, scrapersWait: agentsReturn.awaited().length > 0 }) });
  const apply = ({ state, join: joining }: GatewayConfig): readonly Fault[] => {
    // First: it is what may refuse the state, and then nothing else must have taken it.
    const published = envoyState.publish(state);
    if (!published.ok) return published.error;
    const { access } = published.value;
    if (access !== undefined) {
      tokenReviews.configure(state.gateway.tokenReview);
      dataThreads.setState(access);
      discovery.setState(state);
    }
    doors.setState(state);
    void envoyState.release(doors.settled());
    issuer.configure(state, joining);
    exports.setState(state);
    return [];
  };

  await dataThreads.listening;
  const faults = apply(config);
  if (faults.length === 0) await doors.listening();
  republish = () => envoyState.republish();
  if (faults.length > 0) throw new Error(`the configuration makes no valid xDS resources: ${faults.map(({ place, message }) => `${place}: ${message}`).join('; ')}`);

  return {
    apply,
    notReady: () => [...dataThreads.missing().map((index) => `data thread ${index} does not listen`), ...(doors.isMissing() ? ['the thread of the query and push doors does not listen'] : []), ...agentsReturn.awaited().map((agent) => `agent ${agent} is not back yet`), ...envoyNotReady(controlPlane)],
    metrics: () => allMetrics(registry, dataThreads, exports, doors),
    setLeading: (leading, left = {}) => {
      doors.setExpiring(leading);
      return exports.setActive(leading, left);
    },
    exportReports: () => exports.reports(),
    drain: () => dataThreads.drain(),
    close: async () => {
      agentsReturn.stop();
      await api.close();
      await discovery.close();
      await doors.close();
      await exports.close();
      await dataThreads.close();
      await controlPlane.close();
      await admin.close();
    },
  };
}

/** For `scrapeway xds status`, on the socket itself: Envoy routes nothing to this path, and whatever comes through it has a tenant. */
function answerStatus(controlPlane: ControlPlane, request: IncomingMessage, response: ServerResponse): boolean {
  if (request.url !== XDS_STATUS_PATH || request.headers['x-scrapeway-tenant'] !== undefined) return false;
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(controlPlane.report()));
  return true;
}

/** Ready = every Envoy that is connected has taken all that it was sent, and there is one. */
function envoyNotReady(controlPlane: ControlPlane): readonly string[] {
  const { types, connections } = controlPlane.status();
  const envoys = connections.filter(({ service }) => service === 'aggregated');
  if (envoys.length === 0) return ['no Envoy is connected'];
  const wanted = types.filter(({ resources }) => resources > 0).map(({ typeUrl }) => typeUrl);
  return envoys.flatMap(({ node, types: taken }) =>
    wanted.filter((typeUrl) => taken.find((type) => type.typeUrl === typeUrl)?.current !== true).map((typeUrl) => `Envoy ${node.id} has not taken ${typeUrl}`),
  );
}

async function allMetrics(registry: Registry, dataThreads: DataThreads, exports: Exports, doors: Doors): Promise<{ contentType: string; body: string }> {
  const [own, ofData] = await Promise.all([Promise.all([registry.getMetricsAsJSON(), exports.collect(), doors.collect()]), dataThreads.collect()]);
  const merged = AggregatorRegistry.aggregate([...own, ...ofData]);
  return { contentType: merged.contentType, body: await merged.metrics() };
}
