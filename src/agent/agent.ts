/**
 * The agent: its targets, and a tunnel to each gateway. Nothing listens at the site; all that comes in comes through tunnels that
 * the agent itself has dialled. (A push door, for those who want one, is apart from it: src/push/site.)
 */
import { randomUUID } from 'node:crypto';
import type { Registry } from 'prom-client';
import { systemClock } from '../lib/clock.js';
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import type { HubMessage } from '../tunnel/messages.js';
import type { Lookup } from './addresses.js';
import { reachOf } from './allow-list.js';
import { createConnects, isConnect } from './connect.js';
import { createDiscovery } from './discovery/discovery.js';
import { createDiscoveryMetrics } from './discovery/metrics.js';
import { PROBE } from './endpoint.js';
import { startGateways } from './gateways.js';
import type { Gateways } from './gateways.js';
import { createAgentMetrics } from './metrics.js';
import type { AgentSettings, AllowRule, TargetSpec } from '../model/agent-settings.js';
import type { AgentOptions } from './options.js';
import { compileFilter } from './filter/metric-filter.js';
import { serveScrape } from './scrape.js';
import { isServiceCall } from './service.js';
import { createServices } from './services.js';
import type { LiveTarget, ScrapeRecord } from './scrape.js';
import { createTargetPool } from './target-client.js';
import type { TunnelStream } from './tunnel-stream.js';

export interface AgentDeps {
  readonly logger: Logger;
  readonly registry: Registry;
  readonly clock?: Clock;
  /** How gateways' names are resolved; default: as the system does. */
  readonly lookup?: Lookup;
}

export interface Agent {
  /** Replaces the list of static targets: unchanged ones keep their connections, removed ones finish their scrapes and lose their CONNECTs. */
  setTargets(targets: readonly TargetSpec[]): void;
  /** What a reload of the configuration may change: the static targets, where others are found, where those may be, and services. */
  configure(settings: Pick<AgentSettings, 'targets' | 'discovery' | 'monitors' | 'allow' | 'services'>): void;
  /** Gateways with a tunnel over which the targets are registered. */
  readonly connectedGateways: () => number;
  /** Finishes the scrapes in flight, ends each CONNECT in a quiet moment, and closes everything. A second call is the first. */
  drain(): Promise<void>;
}

/** Starts dialling every gateway at once. */
export function startAgent(options: AgentOptions, { logger, registry, clock = systemClock, lookup }: AgentDeps): Agent {
  const metrics = createAgentMetrics(registry);
  const instance = randomUUID();
  let live = new Map<string, LiveTarget & { readonly key: string }>();
  let revision = 0;
  let inFlight = 0;
  let lastFaults = '';
  let drained: Promise<void> | undefined;
  let gateways: Gateways | undefined;
  let settings: Pick<AgentSettings, 'targets' | 'discovery' | 'monitors' | 'allow' | 'services'> = options;
  let discovered: readonly TargetSpec[] = [];
  /** A registration replaces the one before: without what is to be discovered it would delete targets. */
  let settled = false;

  const noteFailure = (record: ScrapeRecord): void => {
    if (record.outcome === 'ok' || record.outcome === 'cancelled' || record.target === undefined) return;
    if (live.has(record.target)) metrics.targetFailed(record.target, record.outcome);
    logger.info({ target: record.target, reason: record.outcome, durationMs: Math.round(record.durationMs) }, 'scrape failed');
  };
  const onEnd = (record: ScrapeRecord): void => {
    inFlight -= 1;
    metrics.inFlight.set(inFlight);
    metrics.scrapes.inc({ outcome: record.outcome });
    metrics.duration.observe(record.durationMs / 1000);
    metrics.bytes.inc(record.bodyBytes);
    metrics.savedBytes.inc(record.filtered?.savedBytes ?? 0);
    metrics.droppedSamples.inc(record.filtered?.droppedSamples ?? 0);
    noteFailure(record);
  };
  const hasRoom = (): boolean => inFlight + connects.open() + services.open() <= options.maxConcurrentScrapes;
  const connects = createConnects({ findTarget: (name) => live.get(name), hasRoom, maxPerTarget: options.maxConnectionsPerTarget, metrics, onEnd: noteFailure });
  const services = createServices({
    hasRoom,
    metrics,
    onEnd: ({ target: service, outcome, durationMs }) => {
      if (outcome !== 'ok' && outcome !== 'cancelled') logger.info({ service, reason: outcome, durationMs: Math.round(durationMs) }, 'a request to a service failed');
    },
  });
  const onScrape = (stream: TunnelStream, headers: readonly string[]): void => {
    if (isConnect(headers)) return connects.serve(stream, headers);
    if (isServiceCall(headers)) return services.serve(stream, headers);
    inFlight += 1;
    metrics.inFlight.set(inFlight);
    serveScrape(stream, headers, { findTarget: (name) => live.get(name), hasRoom, onEnd });
  };
  const onRegistered = ({ accepted, faults }: HubMessage & { type: 'registered' }): void => {
    metrics.rejectedTargets.set(faults.length);
    // every gateway says the same, and says it again on each reconnect: once is enough
    const key = JSON.stringify([accepted, faults]);
    if (key === lastFaults) return;
    lastFaults = key;
    if (faults.length > 0) logger.error({ accepted, faults }, 'the gateway does not take all of our targets');
    else logger.info({ accepted }, 'targets registered');
  };

  const setLive = (targets: readonly TargetSpec[]): void => {
    const next = new Map<string, LiveTarget & { readonly key: string }>();
    for (const spec of targets) {
      const before = live.get(spec.target.name);
      const reach = reachOf(spec, settings.allow);
      const key = connectionKey(spec, settings.allow);
      const pool = before?.key === key ? before.pool : createTargetPool(spec, reach, options.maxConnectionsPerTarget);
      next.set(spec.target.name, { spec, reach, key, pool, filter: spec.filter && compileFilter(spec.filter) });
    }
    const kept = new Set([...next.values()].map((target) => target.pool));
    for (const { pool } of live.values()) if (!kept.has(pool)) pool.close();
    for (const name of live.keys()) if (!next.has(name)) metrics.forgetTarget(name);
    live = next;
    connects.review();
    revision += 1;
    metrics.targets.set(live.size);
  };
  const update = (): void => {
    setLive([...settings.targets, ...discovered]);
    gateways?.register();
  };
  const discovery = createDiscovery({
    clock,
    logger,
    metrics: createDiscoveryMetrics(registry),
    onTargets: (targets) => {
      discovered = targets;
      update();
    },
    onSettled: () => {
      settled = true;
      gateways?.register();
    },
  });
  const configure = (next: typeof settings): void => {
    settings = next;
    services.configure(settings.services ?? []);
    discovery.configure(settings.discovery ?? [], settings.targets.map(({ target }) => target.name), settings.monitors);
    update();
  };
  configure(options);

  const tunnels = startGateways({
    ...options,
    probe: options.probe ?? PROBE,
    lookup,
    instance,
    clock,
    logger,
    metrics,
    onScrape,
    targetCount: () => live.size,
    registration: () => (settled ? { revision, targets: [...live.values()].map(({ spec }) => spec.target) } : undefined),
    onRegistered,
  });
  gateways = tunnels;
  return {
    setTargets: (targets) => configure({ ...settings, targets }),
    configure,
    connectedGateways: tunnels.connected,
    drain: () => {
      discovery.stop();
      connects.endWhenQuiet();
      return (drained ??= drainAll(tunnels, () => live.values()).then(() => services.destroy()));
    },
  };
}

async function drainAll(tunnels: Gateways, targets: () => Iterable<LiveTarget>): Promise<void> {
  await tunnels.drain();
  // no scrape is left: what is still open is idle, or a connection to a target that does not answer
  await Promise.all([...targets()].map(({ pool }) => pool.destroy()));
}

/** While it stays the same, open connections stay usable. */
function connectionKey({ target, tls, discovered = false }: TargetSpec, allow: readonly AllowRule[] | undefined): string {
  return JSON.stringify([target.scheme, target.host, target.port, tls, discovered && [allow]]);
}
