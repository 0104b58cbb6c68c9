import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { unpack } from '../../src/remotewrite/snappy.js';
import { eventually } from '../support/eventually.js';
import { startExporter, TEXT_FORMAT } from '../support/exporter.js';
import { jobsOf, startExportRig } from '../support/export-rig.js';
import { portOf } from '../support/ports.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import { requestJson } from '../support/remote-write-messages.js';
import { createTempDir } from '../support/temp-dir.js';

/** Metadata for receivers of 1.0: a request of its own. What Prometheus itself sends of the same source is what we must send. */

interface Receiver {
  readonly server: Server;
  readonly url: string;
  /** By family: what was told of it last. */
  readonly metadata: Map<string, unknown>;
  /** Requests with metadata that had samples too. */
  mixed: number;
}

async function startReceiver(): Promise<Receiver> {
  const metadata = new Map<string, unknown>();
  const server = createServer((request, response) => {
    void (async () => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(Buffer.from(part));
      const body = await unpack(Buffer.concat(parts), 10_000_000);
      const is1 = request.headers['x-prometheus-remote-write-version'] === '0.1.0';
      const { metadata: families = [], timeseries = [] } = is1 && body.ok ? Object(requestJson(1, body.value)) : {};
      for (const family of families) metadata.set(family.metricFamilyName, family);
      if (families.length > 0 && timeseries.length > 0) receiver.mixed += 1;
      response.writeHead(is1 ? 204 : 415).end();
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const receiver: Receiver = { server, url: `http://127.0.0.1:${portOf(server)}/write`, metadata, mixed: 0 };
  return receiver;
}

const TEXT = '# HELP requests_total Requests.\n# TYPE requests_total counter\nrequests_total 7\n# HELP took_seconds How long.\n# TYPE took_seconds histogram\ntook_seconds_bucket{le="+Inf"} 1\ntook_seconds_sum 1\ntook_seconds_count 1\n# HELP secret Not for you.\n# TYPE secret gauge\nsecret 1\n';

describe('a receiver of 1.0', () => {
  const stack = new AsyncDisposableStack();
  let source: RunningPrometheus;
  let own: Receiver;
  let ours: Receiver;

  beforeAll(async () => {
    const target = stack.use(await startExporter({ behaviour: { kind: 'answer', headers: { 'content-type': TEXT_FORMAT }, body: Buffer.from(TEXT) } }));
    [own, ours] = await Promise.all([startReceiver(), startReceiver()]);
    for (const { server } of [own, ours]) {
      stack.defer(() => {
        server.close();
        server.closeAllConnections();
      });
    }
    source = stack.use(
      await startPrometheus({
        config: {
          global: { scrape_interval: '500ms', scrape_timeout: '500ms' },
          scrape_configs: [{ job_name: 'app', static_configs: [{ targets: [`127.0.0.1:${target.port}`] }] }],
          remote_write: [{ url: own.url, metadata_config: { send: true, send_interval: '1s' } }],
        },
      }),
    );
    await source.waitForUp(1);
  }, 60_000);
  afterAll(() => stack.disposeAsync());

  it.each(['1', '2'] as const)('is told types and helps of what is exported, as Prometheus tells them, and no others (%s.0 asked for)', async (version) => {
    await using dir = await createTempDir();
    ours.metadata.clear();
    const query = [{ backends: undefined, metrics: ['requests_total', 'took_seconds_.*'], labels: {} }];
    await using _rig = await startExportRig(dir.path, jobsOf({ source: source.url, urls: [ours.url], query, destination: { version } }));
    await eventually(() => expect([...own.metadata.keys()]).toEqual(expect.arrayContaining(['requests_total', 'took_seconds', 'secret'])), { timeoutMs: 30_000 });
    const expected = new Map(['requests_total', 'took_seconds'].map((family) => [family, own.metadata.get(family)]));
    await eventually(() => expect(ours.metadata).toEqual(expected), { timeoutMs: 30_000 });
    expect(ours.mixed).toBe(0);
  }, 90_000);
});
