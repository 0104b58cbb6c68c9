import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import { BACKEND_CLUSTER_PREFIX } from '../model/backend-cluster.js';
import type { Admin } from './admin.js';

/** How many servers backends have, and how many of them are well: Envoy's own figures, among the gateway's, where alerts look. */

const STATES = { total: 'all', healthy: 'well' } as const;
const FIGURES = encodeURIComponent(`^cluster\\.${BACKEND_CLUSTER_PREFIX}.*\\.membership_(healthy|total)$`);
const LINE = new RegExp(`^cluster\\.${BACKEND_CLUSTER_PREFIX}([^.]+)\\.membership_(healthy|total): (\\d+)$`, 'gm');

export interface ServerCount {
  readonly backend: string;
  readonly state: (typeof STATES)[keyof typeof STATES];
  readonly count: number;
}

export function registerServerMetrics(registry: Registry, admin: Admin): void {
  const gauge = new Gauge({
    name: 'scrapeway_query_backend_servers',
    help: 'Servers of a backend that Envoy knows (all), and those that it asks (well).',
    labelNames: ['backend', 'state'],
    registers: [registry],
    collect: async () => {
      const page = await admin.page(`/stats?type=Gauges&filter=${FIGURES}`);
      gauge.reset();
      for (const { backend, state, count } of readCounts(page ?? '')) gauge.set({ backend, state }, count);
    },
  });
}

/** Of Envoy's `/stats`. */
export function readCounts(page: string): readonly ServerCount[] {
  return [...page.matchAll(LINE)].map(([, backend = '', which, count]) => ({ backend, state: which === 'total' ? STATES.total : STATES.healthy, count: Number(count) }));
}
