import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';

/** What exports tell of themselves. All labels are of the configuration, or of closed lists. */

type Export = 'tenant' | 'export';
type Receiver = Export | 'receiver';

export interface ExportMetrics {
  readonly collections: Counter<Export | 'result'>;
  readonly collectionSeconds: Gauge<Export>;
  readonly lastCollection: Gauge<Export>;
  readonly collectedSamples: Counter<Export>;
  readonly series: Gauge<Export>;
  readonly leftOut: Gauge<Export>;
  readonly spoolBytes: Gauge<Export>;
  readonly sentSamples: Counter<Receiver>;
  readonly sentBytes: Counter<Receiver>;
  readonly requests: Counter<Receiver | 'result'>;
  readonly requestSeconds: Counter<Receiver>;
  readonly droppedSamples: Counter<Receiver | 'reason'>;
  readonly pendingSamples: Gauge<Receiver>;
  readonly lagSeconds: Gauge<Receiver>;
  readonly shards: Gauge<Receiver>;
  readonly active: Gauge;
  /** Removes what is said of an export that is no more. */
  forget(tenant: string, name: string, receivers: readonly string[]): void;
}

const OF_EXPORT = ['tenant', 'export'] as const;
const OF_RECEIVER = ['tenant', 'export', 'receiver'] as const;

export function createExportMetrics(registry: Registry): ExportMetrics {
  const registers = [registry];
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> => new Gauge({ name, help, labelNames, registers });
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> => new Counter({ name, help, labelNames, registers });
  const ofExport = {
    collectionSeconds: gauge('scrapeway_export_collection_duration_seconds', 'How long the last collection took.', OF_EXPORT),
    lastCollection: gauge('scrapeway_export_last_collection_timestamp_seconds', 'When the last collection succeeded.', OF_EXPORT),
    series: gauge('scrapeway_export_series', 'Series that the last collection met.', OF_EXPORT),
    leftOut: gauge('scrapeway_export_left_out_series', 'Series for which the last collection had no room.', OF_EXPORT),
    spoolBytes: gauge('scrapeway_export_spool_bytes', 'What the spool takes on disk.', OF_EXPORT),
  };
  const ofReceiver = {
    pendingSamples: gauge('scrapeway_export_pending_samples', 'Collected samples that the receiver does not have yet.', OF_RECEIVER),
    lagSeconds: gauge('scrapeway_export_lag_seconds', 'Age of the oldest samples that the receiver does not have yet; 0 where it has all.', OF_RECEIVER),
    shards: gauge('scrapeway_export_shards', 'Requests that may be under way at the same time.', OF_RECEIVER),
  };
  return {
    ...ofExport,
    ...ofReceiver,
    active: gauge('scrapeway_export_active', '1 for the gateway of its replicas that exports.', []),
    collections: counter('scrapeway_export_collections_total', 'Collections, by "ok" or why they failed.', [...OF_EXPORT, 'result']),
    collectedSamples: counter('scrapeway_export_collected_samples_total', 'Samples and native histograms that were collected.', OF_EXPORT),
    sentSamples: counter('scrapeway_export_sent_samples_total', 'Samples and native histograms that a receiver took.', OF_RECEIVER),
    sentBytes: counter('scrapeway_export_sent_bytes_total', 'Bodies that a receiver took, packed.', OF_RECEIVER),
    requests: counter('scrapeway_export_requests_total', 'Requests to a receiver, by its status, the reason where the way through an agent failed, or "none" where there was no answer.', [...OF_RECEIVER, 'result']),
    requestSeconds: counter('scrapeway_export_request_seconds_total', 'Time that requests to a receiver took, together.', OF_RECEIVER),
    droppedSamples: counter('scrapeway_export_dropped_samples_total', 'Samples that a receiver did not take: "refused", "too_old", "spool_full", "spool_broken"; "known": it has them from another gateway.', [...OF_RECEIVER, 'reason']),
    forget: (tenant, name, receivers) => {
      for (const each of Object.values(ofExport)) each.remove({ tenant, export: name });
      for (const receiver of receivers) for (const each of Object.values(ofReceiver)) each.remove({ tenant, export: name, receiver });
    },
  };
}
