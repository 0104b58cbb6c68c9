/** All services of an agent: those of its file, each with connections of its own that outlive a reload which does not concern them. */
import type { ServiceSpec } from '../model/agent-settings.js';
import { reachOf } from './allow-list.js';
import type { AgentMetrics } from './metrics.js';
import { serveService } from './service.js';
import type { LiveService } from './service.js';
import type { ScrapeRecord } from './scrape.js';
import { createTargetPool } from './target-client.js';
import type { TunnelStream } from './tunnel-stream.js';

export interface ServicesOptions {
  readonly hasRoom: () => boolean;
  readonly metrics: Pick<AgentMetrics, 'serviceRequests'>;
  readonly onEnd: (record: ScrapeRecord) => void;
}

export interface Services {
  configure(specs: readonly ServiceSpec[]): void;
  /** Answers one stream. `received` is its header list, flat, names in lower case. Never throws. */
  serve(stream: TunnelStream, received: readonly string[]): void;
  /** Requests under way. */
  readonly open: () => number;
  destroy(): Promise<void>;
}

/** To one service; more requests wait within their deadline. */
const MAX_CONNECTIONS = 64;
/** In metrics, for a service that there is not. */
const UNKNOWN = 'unknown';

export function createServices({ hasRoom, metrics, onEnd }: ServicesOptions): Services {
  let live: ReadonlyMap<string, LiveService & { readonly key: string }> = new Map();
  let open = 0;
  return {
    configure: (specs) => {
      const next = specs.map((spec) => {
        const key = JSON.stringify([spec.target, spec.tls]);
        const before = live.get(spec.target.name);
        const reach = reachOf(spec, undefined);
        return { spec, key, reach, pool: before?.key === key ? before.pool : createTargetPool(spec, reach, MAX_CONNECTIONS) };
      });
      const kept = new Set(next.map(({ pool }) => pool));
      for (const { pool } of live.values()) if (!kept.has(pool)) pool.close();
      live = new Map(next.map((service) => [service.spec.target.name, service]));
    },
    serve: (stream, received) => {
      open += 1;
      serveService(stream, received, {
        find: (name) => live.get(name),
        hasRoom,
        onEnd: (record) => {
          open -= 1;
          metrics.serviceRequests.inc({ service: record.target ?? UNKNOWN, outcome: record.outcome });
          onEnd(record);
        },
      });
    },
    open: () => open,
    destroy: async () => {
      await Promise.all([...live.values()].map(({ pool }) => pool.destroy()));
    },
  };
}
