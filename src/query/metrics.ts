import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import { WOULD } from './dry-run.js';
import type { Trial } from './dry-run.js';
import type { QueryReason } from './refusal.js';

/**
 * How a request ended: `answered`; `backend_error`: the backend's own error, passed on; `cancelled`: the caller went away; `broken`:
 * the answer had begun and could not be finished; or the reason of a refusal.
 */
export type Outcome = 'answered' | 'backend_error' | 'cancelled' | 'broken' | QueryReason;

export interface QueryGauges {
  readonly running: () => number;
  readonly waiting: () => number;
  readonly backendFailures: () => number;
  readonly dryRuns: () => number;
}

export interface QueryMetrics {
  /** `endpoint`: the route's name, never the path. */
  readonly count: (endpoint: string, outcome: Outcome, seconds: number) => void;
  readonly bytes: (count: number) => void;
  readonly dryRun: (would: Trial['would']) => void;
}

const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

export function registerQueryMetrics(registry: Registry, gauges: QueryGauges): QueryMetrics {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): Gauge => new Gauge({ name, help, registers, collect() { this.set(read()); } });
  gauge('scrapeway_query_in_flight', 'Queries that wait for their backend or its answer.', gauges.running);
  gauge('scrapeway_query_waiting', 'Queries that wait for others of their tenant.', gauges.waiting);
  gauge('scrapeway_query_dry_run_tenants', 'Tenants whose rules are only tried out now: they see everything.', gauges.dryRuns);
  void new Counter({
    name: 'scrapeway_query_backend_failures_total', help: 'Attempts at a backend to which none of its servers gave an answer.', registers,
    collect() { this.reset(); this.inc(gauges.backendFailures()); },
  });
  const requests = new Counter({ name: 'scrapeway_query_requests_total', help: 'Requests by endpoint and by how they ended: answered, backend_error, cancelled, broken, or a reason.', labelNames: ['endpoint', 'outcome'], registers });
  const duration = new Histogram({ name: 'scrapeway_query_duration_seconds', help: 'Time from the request to the end of its answer.', labelNames: ['endpoint'], buckets: DURATION_BUCKETS, registers });
  const bytes = new Counter({ name: 'scrapeway_query_response_bytes_total', help: 'Bytes of answers that were passed on from backends.', registers });
  const dryRuns = new Counter({ name: 'scrapeway_query_dry_run_requests_total', help: 'Requests of dry runs, passed on without rules, by what the rules would have done.', labelNames: ['would'], registers });
  for (const would of WOULD) dryRuns.inc({ would }, 0);
  return {
    dryRun: (would) => dryRuns.inc({ would }),
    count: (endpoint, outcome, seconds) => {
      requests.inc({ endpoint, outcome });
      duration.observe({ endpoint }, seconds);
    },
    bytes: (count) => bytes.inc(count),
  };
}

/** What is asked at the moment of a scrape of /metrics. */
export interface CacheGauges {
  readonly bytes: number;
  readonly results: Readonly<Record<'hit' | 'partial' | 'miss', number>>;
}

export function registerCacheMetrics(registry: Registry, cache: CacheGauges): void {
  const registers = [registry];
  void new Gauge({ name: 'scrapeway_query_cache_bytes', help: 'About what the cache of range queries holds.', registers, collect() { this.set(cache.bytes); } });
  void new Counter({
    name: 'scrapeway_query_cache_requests_total', help: 'Range queries that the cache could answer wholly (hit), in part (partial) or not at all (miss).', labelNames: ['result'], registers,
    collect() { this.reset(); for (const [result, count] of Object.entries(cache.results)) this.inc({ result }, count); },
  });
}

export interface SharedCacheGauges {
  readonly isUp: boolean;
  readonly results: Readonly<Record<'hit' | 'miss' | 'failed' | 'skipped', number>>;
}

export function registerSharedCacheMetrics(registry: Registry, cache: SharedCacheGauges): void {
  const registers = [registry];
  void new Gauge({ name: 'scrapeway_query_shared_cache_up', help: 'Whether the shared cache is asked (1) or not, since it did not answer (0).', registers, collect() { this.set(cache.isUp ? 1 : 0); } });
  void new Counter({
    name: 'scrapeway_query_shared_cache_requests_total', help: 'Questions to the shared cache: hit, miss, failed (among them too late), or skipped while it does not answer.', labelNames: ['result'], registers,
    collect() { this.reset(); for (const [result, count] of Object.entries(cache.results)) this.inc({ result }, count); },
  });
}
