import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';

/** What the agent's sources of targets find, on the registry that is handed in. */
export function createDiscoveryMetrics(registry: Registry) {
  const labelNames = ['job', 'source'] as const;
  const registers = [registry];
  const gauges = {
    targets: new Gauge({ name: 'scrapeway_agent_discovery_targets', help: 'Targets found by a source, as they are registered.', labelNames, registers }),
    dropped: new Gauge({ name: 'scrapeway_agent_discovery_dropped_targets', help: 'Targets that relabelling dropped.', labelNames, registers }),
    refused: new Gauge({ name: 'scrapeway_agent_discovery_refused_targets', help: 'Targets left out because their labels make no target; the log says why.', labelNames, registers }),
    unnamed: new Gauge({ name: 'scrapeway_agent_discovery_unnamed_targets', help: 'Targets left out because another one has their name, suffix included.', labelNames, registers }),
    up: new Gauge({ name: 'scrapeway_agent_discovery_up', help: '1 if the last look of a source worked; at 0 its last good list stays.', labelNames, registers }),
  };
  const failures = new Counter({ name: 'scrapeway_agent_discovery_failures_total', help: 'Looks of a source that failed.', labelNames, registers });
  const monitors = new Gauge({ name: 'scrapeway_agent_monitors', help: 'PodMonitor and ServiceMonitor objects, by state: accepted, or refused, of which what was good before stays; the log says why.', labelNames: ['monitors', 'kind', 'state'], registers });
  return {
    ...gauges,
    failures,
    monitors,
    /** Forgets a source that is no more. */
    forget: (source: { readonly job: string; readonly source: string }) => {
      for (const metric of [...Object.values(gauges), failures]) metric.remove(source);
    },
    forgetMonitors: (name: string) => {
      for (const kind of ['PodMonitor', 'ServiceMonitor']) for (const state of ['accepted', 'refused']) monitors.remove({ monitors: name, kind, state });
    },
  };
}

export type DiscoveryMetrics = ReturnType<typeof createDiscoveryMetrics>;
