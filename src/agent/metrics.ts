import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import { REASONS } from '../model/reasons.js';

/** The agent's metrics, on the registry that is handed in. */
export function createAgentMetrics(registry: Registry) {
  const registers = [registry];
  const scrapes = new Counter({
    name: 'scrapeway_agent_scrapes_total',
    help: 'Scrapes answered by this agent, by outcome: ok, cancelled (the gateway reset it), or a reason code.',
    labelNames: ['outcome'],
    registers,
  });
  const connects = new Counter({
    name: 'scrapeway_agent_connects_total',
    help: 'CONNECTs to targets of this agent, by outcome: ok (established, and closed by either end), cancelled (before it was established), idle, or a reason code.',
    labelNames: ['outcome'],
    registers,
  });
  const serviceRequests = new Counter({
    name: 'scrapeway_agent_service_requests_total',
    help: 'Requests of the gateway to services of this agent, by service and outcome: ok, cancelled (the gateway reset it), or a reason code.',
    labelNames: ['service', 'outcome'],
    registers,
  });
  const outcomes = ['ok', 'cancelled', ...Object.entries(REASONS).filter(([, spec]) => spec.hop === 'agent').map(([reason]) => reason)];
  for (const outcome of outcomes) {
    scrapes.inc({ outcome }, 0);
    connects.inc({ outcome }, 0);
  }
  const targetFailures = new Counter({
    name: 'scrapeway_agent_target_failures_total',
    help: 'Scrapes of a target, and CONNECTs to it, that failed at this agent, by target and reason.',
    labelNames: ['target', 'reason'],
    registers,
  });
  const reasonsOf = new Map<string, Set<string>>();
  return {
    scrapes,
    serviceRequests,
    connects,
    connectsOpen: new Gauge({ name: 'scrapeway_agent_connects_open', help: 'CONNECTs that are open or being opened.', registers }),
    connectBytes: new Counter({ name: 'scrapeway_agent_connect_bytes_total', help: 'Bytes that CONNECTs carried, by direction: to_target, to_client.', labelNames: ['direction'], registers }),
    duration: new Histogram({
      name: 'scrapeway_agent_scrape_duration_seconds',
      help: 'Time from the request on the tunnel to the end of the target\'s answer.',
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30],
      registers,
    }),
    bytes: new Counter({ name: 'scrapeway_agent_scrape_body_bytes_total', help: 'Bytes of body read from targets, as they sent them.', registers }),
    savedBytes: new Counter({ name: 'scrapeway_agent_filter_saved_bytes_total', help: 'Bytes of body that filters kept from the tunnel, as they were sent.', registers }),
    droppedSamples: new Counter({ name: 'scrapeway_agent_filter_dropped_samples_total', help: 'Samples that filters dropped.', registers }),
    targetFailed: (target: string, reason: string): void => {
      targetFailures.inc({ target, reason });
      reasonsOf.set(target, (reasonsOf.get(target) ?? new Set()).add(reason));
    },
    /** Targets come and go: the series of those that are gone go with them. */
    forgetTarget: (target: string): void => {
      for (const reason of reasonsOf.get(target) ?? []) targetFailures.remove({ target, reason });
      reasonsOf.delete(target);
    },
    inFlight: new Gauge({ name: 'scrapeway_agent_scrapes_in_flight', help: 'Scrapes that this agent is answering now.', registers }),
    tunnelUp: new Gauge({ name: 'scrapeway_agent_tunnel_up', help: 'Tunnels that are up, by the address that is configured: 1 for a gateway, or as many as there are gateways behind it.', labelNames: ['gateway'], registers }),
    tunnelLanes: new Gauge({ name: 'scrapeway_agent_tunnel_lanes', help: 'Connections that the tunnels have, by the address that is configured.', labelNames: ['gateway'], registers }),
    roundTrip: new Gauge({ name: 'scrapeway_agent_tunnel_round_trip_seconds', help: 'The least time that a PING took there and back on the tunnel that is up, of several the longest, by the address that is configured.', labelNames: ['gateway'], registers }),
    gatewaysMissing: new Gauge({ name: 'scrapeway_agent_gateways_missing', help: 'Gateways that are known to be there and have no tunnel, by the address that is configured.', labelNames: ['gateway'], registers }),
    tunnelFailures: new Counter({
      name: 'scrapeway_agent_tunnel_failures_total',
      help: 'Tunnels that ended or could not be opened, by gateway and cause.',
      labelNames: ['gateway', 'cause'],
      registers,
    }),
    targets: new Gauge({ name: 'scrapeway_agent_targets', help: 'Targets that this agent offers, static and discovered.', registers }),
    rejectedTargets: new Gauge({ name: 'scrapeway_agent_rejected_targets', help: 'Faults that the gateway found in the last registration.', registers }),
  };
}

export type AgentMetrics = ReturnType<typeof createAgentMetrics>;
