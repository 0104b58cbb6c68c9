import { Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import { version } from './version.js';

/** A registry with what every process of ours shows: Node's own metrics, and who it is. */
export function createProcessRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  // Gauges that end in _total: promtool refuses them, and the metrics without the suffix say the same by type.
  for (const name of ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']) registry.removeSingleMetric(name);
  new Gauge({
    name: 'scrapeway_build_info',
    help: 'Always 1; the labels say what runs.',
    labelNames: ['version', 'node'],
    registers: [registry],
  }).set({ version: version(), node: process.version }, 1);
  return registry;
}
