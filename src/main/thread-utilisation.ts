import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';

/** Share of the time that this thread's event loop was busy since the last look: the figure that says "add a thread". */
export function addUtilisation(registry: Registry, thread: string): void {
  let last = performance.eventLoopUtilization();
  const gauge = new Gauge({
    name: 'scrapeway_thread_utilization_ratio',
    help: 'Share of time that the event loop of a thread was busy since the last collection.',
    labelNames: ['thread'],
    registers: [registry],
    collect: () => {
      const now = performance.eventLoopUtilization();
      gauge.set({ thread }, performance.eventLoopUtilization(now, last).utilization);
      last = now;
    },
  });
}
