/**
 * The agent: its targets, and a link to each gateway. Nothing listens at the site; all that comes in comes through tunnels that
 * the agent itself has dialled.
 */
import { randomUUID } from 'node:crypto';
import type { ServerHttp2Stream } from 'node:http2';
import type { Registry } from 'prom-client';
import { systemClock } from '../lib/clock.js';
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import type { HubMessage } from '../tunnel/messages.js';
import { createConnects, isConnect } from './connect.js';
import { startLink } from './link.js';
import type { Link } from './link.js';
import { createAgentMetrics } from './metrics.js';
import type { GatewayAddress, TargetSpec } from '../model/agent-settings.js';
import type { AgentOptions } from './options.js';
import { serveScrape } from './scrape.js';
import type { LiveTarget, ScrapeRecord } from './scrape.js';
import { createTargetPool } from './target-client.js';

export interface AgentDeps {
  readonly logger: Logger;
  readonly registry: Registry;
  readonly clock?: Clock;
}

export interface Agent {
  /** Replaces the list of targets: unchanged ones keep their connections, removed ones finish their scrapes and lose their CONNECTs. */
  setTargets(targets: readonly TargetSpec[]): void;
  /** Gateways with a tunnel over which the targets are registered. */
  readonly connectedGateways: () => number;
  /** Finishes the scrapes in flight, ends each CONNECT in a quiet moment, and closes everything. A second call is the first. */
  drain(): Promise<void>;
}

/** Starts dialling every gateway at once. */
export function startAgent(options: AgentOptions, { logger, registry, clock = systemClock }: AgentDeps): Agent {
  const metrics = createAgentMetrics(registry);
  const instance = randomUUID();
  let live = new Map<string, LiveTarget>();
  let revision = 0;
  let inFlight = 0;
  let lastFaults = '';
  let drained: Promise<void> | undefined;

  const noteFailure = (record: ScrapeRecord): void => {
    if (record.outcome === 'ok' || record.outcome === 'cancelled' || record.target === undefined) return;
    metrics.targetFailures.inc({ target: record.target, reason: record.outcome });
    logger.info({ target: record.target, reason: record.outcome, durationMs: Math.round(record.durationMs) }, 'scrape failed');
  };
  const onEnd = (record: ScrapeRecord): void => {
    inFlight -= 1;
    metrics.inFlight.set(inFlight);
    metrics.scrapes.inc({ outcome: record.outcome });
    metrics.duration.observe(record.durationMs / 1000);
    metrics.bytes.inc(record.bodyBytes);
    noteFailure(record);
  };
  const hasRoom = (): boolean => inFlight + connects.open() <= options.maxConcurrentScrapes;
  const connects = createConnects({ findTarget: (name) => live.get(name), hasRoom, maxPerTarget: options.maxConnectionsPerTarget, metrics, onEnd: noteFailure });
  const onScrape = (stream: ServerHttp2Stream, headers: readonly string[]): void => {
    if (isConnect(headers)) return connects.serve(stream, headers);
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

  const setTargets = (targets: readonly TargetSpec[]): void => {
    const next = new Map<string, LiveTarget>();
    for (const spec of targets) {
      const before = live.get(spec.target.name);
      const kept = before !== undefined && sameConnection(before.spec, spec);
      next.set(spec.target.name, { spec, pool: kept ? before.pool : createTargetPool(spec, options.maxConnectionsPerTarget) });
    }
    const kept = new Set([...next.values()].map((target) => target.pool));
    for (const { pool } of live.values()) if (!kept.has(pool)) void pool.close();
    live = next;
    connects.review();
    revision += 1;
    metrics.targets.set(live.size);
  };
  setTargets(options.targets);

  const links = options.gateways.map((gateway) =>
    startLink({
      ...options,
      gateway,
      instance,
      clock,
      logger,
      onScrape,
      registration: () => ({ revision, targets: [...live.values()].map(({ spec }) => spec.target) }),
      onRegistered,
      ...linkMetrics(gateway, metrics),
    }),
  );
  return {
    setTargets: (targets) => {
      setTargets(targets);
      for (const link of links) link.register();
    },
    connectedGateways: () => links.filter((link) => link.isUp()).length,
    drain: () => {
      connects.endWhenQuiet();
      return (drained ??= drainAll(links, () => live.values()));
    },
  };
}

function linkMetrics(gateway: GatewayAddress, metrics: ReturnType<typeof createAgentMetrics>) {
  const label = { gateway: `${gateway.host}:${gateway.port}` };
  metrics.tunnelUp.set(label, 0);
  return {
    onState: (up: boolean) => metrics.tunnelUp.set(label, up ? 1 : 0),
    onFailure: (cause: string) => metrics.tunnelFailures.inc({ ...label, cause }),
  };
}

async function drainAll(links: readonly Link[], targets: () => Iterable<LiveTarget>): Promise<void> {
  await Promise.all(links.map((link) => link.drain()));
  // no scrape is left: what is still open is idle, or a connection to a target that does not answer
  await Promise.all([...targets()].map(({ pool }) => pool.destroy()));
}

/** Whether a change of the specification leaves connections usable. */
function sameConnection(a: TargetSpec, b: TargetSpec): boolean {
  return connectionKey(a) === connectionKey(b);
}

function connectionKey({ target, tls }: TargetSpec): string {
  return JSON.stringify([target.scheme, target.host, target.port, tls]);
}
