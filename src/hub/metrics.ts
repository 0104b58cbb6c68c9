import { Counter, Gauge, Histogram } from 'prom-client';
import type { Holder } from './certificate-changes.js';
import type { Registry } from 'prom-client';
import type { Reason } from '../model/reasons.js';

/**
 * What the hub counts. The hot path adds to plain numbers; prom-client sees them only when somebody scrapes.
 */

/**
 * How a scrape ended: `answered`: the target's own answer, whole; a reason: the agent's or our answer instead; `cancelled`: the
 * client went away first; `broken`: the answer began and broke off.
 */
export type Outcome = 'answered' | 'cancelled' | 'broken' | Reason;

/**
 * How a CONNECT ended: `closed`: it was established, and either end closed it in its own time; `broken`: it was established, and agent
 * or target broke it; `idle`: nothing moved for too long; `cancelled`: the client went away before it was established; a
 * reason: our answer instead.
 */
export type ConnectOutcome = 'closed' | 'broken' | 'idle' | 'cancelled' | Reason;

/** Why a second member of a site was asked (hedge.ts). */
export type HedgeCause = 'silent' | 'slow';
/** `won`: its answer was the scrape's; `lost`: the first one's was, or neither came; `failed`: it could not. */
export type HedgeOutcome = 'won' | 'lost' | 'failed';

/** Upper bounds, seconds. */
const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export class HubMetrics {
  readonly outcomes = new Map<Outcome, number>();
  readonly connectOutcomes = new Map<ConnectOutcome, number>();
  readonly serviceOutcomes = new Map<Outcome, number>();
  readonly refusals = new Map<Reason, number>();
  /** By agent, then by reason. */
  readonly failovers = new Map<string, Map<Reason, number>>();
  readonly hedges = new Map<HedgeCause, Map<HedgeOutcome, number>>();
  /** Agents that came back with another certificate; by whether it was the same process. */
  readonly certificateChanges = new Map<Holder, number>();
  bodyBytes = 0;
  requestBodyBytes = 0;
  connectBytesToTarget = 0;
  connectBytesToClient = 0;
  /** Scrapes that had to wait for their agent to come back. */
  waited = 0;
  /** Tunnels that were given up because nothing was heard. */
  keepAliveLosses = 0;
  /** Tunnels closed for what their agent sent. */
  violations = 0;
  /** Times that answer bytes had to wait for Envoy's windows or socket. */
  stalls = 0;
  readonly #durationCounts = new Float64Array(DURATION_BUCKETS.length + 1);
  #durationSumMs = 0;

  count(outcome: Outcome, durationMs: number): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    const seconds = durationMs / 1000;
    let bucket = 0;
    while (bucket < DURATION_BUCKETS.length && seconds > (DURATION_BUCKETS[bucket] ?? 0)) bucket += 1;
    this.#durationCounts[bucket] = (this.#durationCounts[bucket] ?? 0) + 1;
    this.#durationSumMs += durationMs;
  }

  countConnect(outcome: ConnectOutcome): void {
    this.connectOutcomes.set(outcome, (this.connectOutcomes.get(outcome) ?? 0) + 1);
  }

  countService(outcome: Outcome): void {
    this.serviceOutcomes.set(outcome, (this.serviceOutcomes.get(outcome) ?? 0) + 1);
  }

  countFailover(agent: string, reason: Reason): void {
    countIn(this.failovers, agent, reason);
  }

  countHedge(cause: HedgeCause, outcome: HedgeOutcome): void {
    countIn(this.hedges, cause, outcome);
  }

  countCertificateChange(process: Holder): void {
    this.certificateChanges.set(process, (this.certificateChanges.get(process) ?? 0) + 1);
  }

  refuse(reason: Reason): void {
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
  }

  get durationCounts(): Float64Array {
    return this.#durationCounts;
  }

  get durationSumMs(): number {
    return this.#durationSumMs;
  }
}

function countIn<A, B>(counts: Map<A, Map<B, number>>, a: A, b: B): void {
  const inner = counts.get(a) ?? new Map<B, number>();
  counts.set(a, inner.set(b, (inner.get(b) ?? 0) + 1));
}

/** What is asked at the moment of a scrape of /metrics. */
export interface HubGauges {
  tunnels(): number;
  agents(): number;
  inFlight(): number;
  connects(): number;
  queuedBytes(): number;
}

/** Registers the hub's metrics. */
export function registerHubMetrics(registry: Registry, metrics: HubMetrics, gauges: HubGauges): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): Gauge =>
    new Gauge({ name, help, registers, collect() { this.set(read()); } });
  const counter = (name: string, help: string, read: () => number): Counter =>
    new Counter({ name, help, registers, collect() { this.reset(); this.inc(read()); } });
  const byReason = (name: string, help: string, label: string, read: ReadonlyMap<string, number>): Counter =>
    new Counter({ name, help, registers, labelNames: [label], collect() { this.reset(); for (const [value, count] of read) this.inc({ [label]: value }, count); } });

  const byTwo = (name: string, help: string, [outer, inner]: readonly [string, string], read: ReadonlyMap<string, ReadonlyMap<string, number>>): Counter =>
    new Counter({ name, help, registers, labelNames: [outer, inner], collect() { this.reset(); for (const [a, counts] of read) for (const [b, count] of counts) this.inc({ [outer]: a, [inner]: b }, count); } });

  gauge('scrapeway_hub_tunnels', 'Connections of agents\' tunnels that are open: tunnels and their lanes.', gauges.tunnels);
  gauge('scrapeway_hub_agents', 'Agents that take scrapes now.', gauges.agents);
  gauge('scrapeway_hub_scrapes_in_flight', 'Scrapes that wait for their agent or its answer.', gauges.inFlight);
  gauge('scrapeway_hub_queued_bytes', 'Bytes of answers that wait for Envoy.', gauges.queuedBytes);
  byReason('scrapeway_hub_scrapes_total', 'Scrapes by how they ended: answered, cancelled, broken, or the reason of the failure.', 'outcome', metrics.outcomes);
  gauge('scrapeway_hub_connects_open', 'CONNECTs that wait for their agent or are open.', gauges.connects);
  byReason('scrapeway_hub_connects_total', 'CONNECTs by how they ended: closed, broken, idle, cancelled, or the reason of the refusal.', 'outcome', metrics.connectOutcomes);
  byReason('scrapeway_hub_service_requests_total', "Requests of the gateway's own to services behind agents, by how they ended: answered, cancelled, broken, or the reason of the failure.", 'outcome', metrics.serviceOutcomes);
  counter('scrapeway_hub_connect_bytes_to_target_total', 'Bytes that CONNECTs carried to targets.', () => metrics.connectBytesToTarget);
  counter('scrapeway_hub_connect_bytes_to_client_total', 'Bytes that CONNECTs carried to clients.', () => metrics.connectBytesToClient);
  byReason('scrapeway_hub_handshakes_refused_total', 'Tunnels that were refused, by reason.', 'reason', metrics.refusals);
  byTwo('scrapeway_hub_failovers_total', 'Scrapes and CONNECTs that an agent of a site could not answer and that were given to another, by that agent and why.', ['agent', 'reason'], metrics.failovers);
  byTwo('scrapeway_hub_hedges_total', 'Second members of a site asked while the first owed its answer: because it was slow or silent, and whether the second answered first.', ['cause', 'outcome'], metrics.hedges);
  byReason('scrapeway_hub_agent_certificate_changes_total', 'Tunnels whose agent came with another certificate than before: by whose it is: the same process\'s, which was renewed; a successor\'s, of the same issuer, after the one before had gone; or an other\'s.', 'process', metrics.certificateChanges);
  counter('scrapeway_hub_body_bytes_total', 'Bytes of answer bodies that came through tunnels.', () => metrics.bodyBytes);
  counter('scrapeway_hub_request_body_bytes_total', 'Bytes of request bodies that went into tunnels.', () => metrics.requestBodyBytes);
  counter('scrapeway_hub_scrapes_waited_total', 'Scrapes and CONNECTs that waited for their agent to reconnect.', () => metrics.waited);
  counter('scrapeway_hub_keepalive_losses_total', 'Tunnels given up because nothing was heard.', () => metrics.keepAliveLosses);
  counter('scrapeway_hub_violations_total', 'Tunnels closed because the agent broke HTTP/2.', () => metrics.violations);
  counter('scrapeway_hub_stalls_total', 'Times that answer bytes had to wait for Envoy.', () => metrics.stalls);
  registry.registerMetric(new DurationHistogram(metrics));
}

const NAME = 'scrapeway_hub_scrape_duration_seconds';
const HELP = 'Time from the request to the end of its answer, in the hub.';

/** prom-client's histogram, reading counts that somebody else keeps. */
class DurationHistogram extends Histogram<'le'> {
  readonly #metrics: HubMetrics;

  constructor(metrics: HubMetrics) {
    super({ name: NAME, help: HELP, buckets: DURATION_BUCKETS, registers: [] });
    this.#metrics = metrics;
  }

  override async get(): ReturnType<Histogram<'le'>['get']> {
    const described = await super.get();
    const values: typeof described.values = [];
    let total = 0;
    this.#metrics.durationCounts.forEach((count, i) => {
      total += count;
      values.push({ metricName: `${NAME}_bucket`, labels: { le: DURATION_BUCKETS[i] ?? '+Inf' }, value: total });
    });
    values.push({ metricName: `${NAME}_sum`, labels: {}, value: this.#metrics.durationSumMs / 1000 });
    values.push({ metricName: `${NAME}_count`, labels: {}, value: total });
    return { ...described, values };
  }
}
