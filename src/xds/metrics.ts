/**
 * What is counted of xDS. `type` is one of the five kinds, or `other` for types that clients ask for and nobody serves.
 */
import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import { KINDS, RESOURCE_TYPES, resourceType } from './resource-types.js';
import type { TypeUrl } from './resource-types.js';
import type { Snapshot } from './snapshot.js';
import type { RequestOutcome, Variant } from './stream.js';

export interface XdsMetrics {
  streamOpened(variant: Variant): void;
  streamClosed(variant: Variant): void;
  request(typeUrl: TypeUrl, outcome: RequestOutcome['kind']): void;
  response(typeUrl: TypeUrl, bytes: number): void;
  published(snapshot: Snapshot): void;
  publishRefused(): void;
}

/** `rejected` says how many resources of a type connected clients have refused and still not taken. */
export function createXdsMetrics(registry: Registry, rejected: () => ReadonlyMap<TypeUrl, number>): XdsMetrics {
  const registers = [registry];
  const streams = new Gauge({ name: 'scrapeway_xds_streams', help: 'Open xDS streams.', labelNames: ['variant'], registers });
  const requests = new Counter({
    name: 'scrapeway_xds_requests_total',
    help: 'xDS requests by what they were: subscribe, ack, nack, or stale (dropped for an old nonce).',
    labelNames: ['type', 'kind'],
    registers,
  });
  const nacks = new Counter({ name: 'scrapeway_xds_nacks_total', help: 'Responses that an Envoy refused. Any is worth an alert.', labelNames: ['type'], registers });
  const responses = new Counter({ name: 'scrapeway_xds_responses_total', help: 'xDS responses sent.', labelNames: ['type'], registers });
  const bytesSent = new Counter({ name: 'scrapeway_xds_sent_bytes_total', help: 'Bytes of xDS responses.', labelNames: ['type'], registers });
  const snapshots = new Counter({
    name: 'scrapeway_xds_publishes_total',
    help: 'Snapshots by result: published, or refused by our own checks.',
    labelNames: ['result'],
    registers,
  });
  const resources = new Gauge({ name: 'scrapeway_xds_resources', help: 'Resources in the published snapshot.', labelNames: ['type'], registers });
  const version = new Gauge({
    name: 'scrapeway_xds_snapshot_info',
    help: 'Version of each type in the published snapshot; always 1.',
    labelNames: ['type', 'version'],
    registers,
  });
  void new Gauge({
    name: 'scrapeway_xds_rejected_resources',
    help: 'Resources that connected Envoys refused and still have not taken.',
    labelNames: ['type'],
    registers,
    collect() {
      const counts = rejected();
      for (const kind of KINDS) this.set({ type: kind }, counts.get(RESOURCE_TYPES[kind].url) ?? 0);
    },
  });
  for (const variant of ['sotw', 'delta']) streams.set({ variant }, 0);
  for (const result of ['published', 'refused']) snapshots.inc({ result }, 0);
  for (const kind of KINDS) nacks.inc({ type: kind }, 0);

  return {
    streamOpened: (variant) => streams.inc({ variant }),
    streamClosed: (variant) => streams.dec({ variant }),
    request: (typeUrl, kind) => {
      requests.inc({ type: label(typeUrl), kind });
      if (kind === 'nack') nacks.inc({ type: label(typeUrl) });
    },
    response: (typeUrl, bytes) => {
      responses.inc({ type: label(typeUrl) });
      bytesSent.inc({ type: label(typeUrl) }, bytes);
    },
    published: (snapshot) => {
      snapshots.inc({ result: 'published' });
      version.reset();
      for (const [url, state] of snapshot.types) {
        resources.set({ type: label(url) }, state.resources.size);
        version.set({ type: label(url), version: state.version }, 1);
      }
    },
    publishRefused: () => snapshots.inc({ result: 'refused' }),
  };
}

function label(typeUrl: TypeUrl): string {
  return resourceType(typeUrl)?.kind ?? 'other';
}
