import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';

/** Whether the configuration that is in the file is the one that runs; the same two names as Prometheus's own. */
export interface ReloadMetrics {
  /** A version was taken (true) or refused. */
  result(taken: boolean): void;
}

export function createReloadMetrics(registry: Registry): ReloadMetrics {
  const successful = new Gauge({
    name: 'scrapeway_config_last_reload_successful',
    help: 'Whether the last attempt to read the configuration succeeded (1) or the last good one still runs (0).',
    registers: [registry],
  });
  const lastSuccess = new Gauge({
    name: 'scrapeway_config_last_reload_success_timestamp_seconds',
    help: 'When the running configuration was taken, seconds since the epoch.',
    registers: [registry],
  });
  return {
    result: (taken) => {
      successful.set(taken ? 1 : 0);
      if (taken) lastSuccess.setToCurrentTime();
    },
  };
}
