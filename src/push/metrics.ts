import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';

/** What the door tells of itself. Tenants and targets are of the configuration, so their number is bounded. */
export interface PushMetrics {
  readonly requests: Counter<'tenant' | 'target' | 'result'>;
  readonly amounts: Readonly<Record<'series' | 'samples' | 'histograms' | 'refused_series' | 'bytes', Counter<'tenant' | 'target'>>>;
  readonly underWay: Gauge;
  /** Of tenants, as the Pushgateway told last. */
  readonly groups: Gauge<'target'>;
  readonly expiredGroups: Counter<'tenant' | 'target'>;
  readonly expiryFailures: Counter<'target'>;
}

export function createPushMetrics(registry: Registry): PushMetrics {
  const registers = [registry];
  const amount = (what: string, help: string): Counter<'tenant' | 'target'> => new Counter({ name: `scrapeway_push_${what}_total`, help, labelNames: ['tenant', 'target'], registers });
  return {
    requests: new Counter({ name: 'scrapeway_push_requests_total', help: 'Pushes answered, by "ok", "gone" (the sender did not wait) or the reason.', labelNames: ['tenant', 'target', 'result'], registers }),
    amounts: {
      series: amount('series', 'Series that remote write backends took.'),
      samples: amount('samples', 'Samples that remote write backends took.'),
      histograms: amount('histograms', 'Native histograms that remote write backends took.'),
      refused_series: amount('refused_series', 'Series that were taken out because of their labels.'),
      bytes: amount('received_bytes', 'Bodies of pushes, as they came.'),
    },
    underWay: new Gauge({ name: 'scrapeway_push_under_way', help: 'Pushes that are not answered yet.', registers }),
    groups: new Gauge({ name: 'scrapeway_push_groups', help: "Tenants' groups at Pushgateways where groups expire.", labelNames: ['target'], registers }),
    expiredGroups: new Counter({ name: 'scrapeway_push_expired_groups_total', help: 'Groups deleted because nobody had pushed them for long.', labelNames: ['tenant', 'target'], registers }),
    expiryFailures: new Counter({ name: 'scrapeway_push_expiry_failures_total', help: 'Rounds in which a Pushgateway could not be looked through, or a group not be deleted.', labelNames: ['target'], registers }),
  };
}
