import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startEnvoy } from '../support/envoy.js';
import { startExporter, TEXT_FORMAT } from '../support/exporter.js';
import type { Exporter } from '../support/exporter.js';
import { fetchRaw } from '../support/http.js';
import { nativeHistogramBody, PROTOBUF_FORMAT } from '../support/native-histogram.js';
import { startNodeExporter } from '../support/node-exporter.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import { createTempDir } from '../support/temp-dir.js';

/**
 * The instruments themselves, without the gateway: what a test with the gateway in between shows is then the gateway's.
 */

function scrape(port: number): Readonly<Record<string, unknown>> {
  return {
    global: { scrape_interval: '1s', scrape_timeout: '1s' },
    scrape_configs: [{ job_name: 'demo', scrape_native_histograms: true, static_configs: [{ targets: [`127.0.0.1:${port}`] }] }],
  };
}

describe('a real Prometheus', () => {
  let exporter: Exporter;
  let prometheus: RunningPrometheus;

  beforeAll(async () => {
    exporter = await startExporter();
    prometheus = await startPrometheus({ config: scrape(exporter.port) });
  });
  afterAll(async () => {
    await prometheus.stop();
    await exporter.close();
  });

  it('scrapes the test exporter', async () => {
    const [target] = await prometheus.waitForUp(1);
    expect(target?.labels).toMatchObject({ job: 'demo', instance: `127.0.0.1:${exporter.port}` });
    expect(await prometheus.query('demo_value')).toMatchObject([{ value: [expect.any(Number), '1'] }]);
    expect(exporter.requests[0]?.headers['x-prometheus-scrape-timeout-seconds']).toBe('1');
  });

  it('takes native histograms by protobuf', async () => {
    exporter.behave({ kind: 'answer', headers: { 'content-type': PROTOBUF_FORMAT }, body: nativeHistogramBody('demo_seconds') });
    await prometheus.process.until('the histogram', async () => {
      expect(await prometheus.query('histogram_count(demo_seconds)')).toMatchObject([{ value: [expect.any(Number), '3'] }]);
    });
    expect(exporter.requests.at(-1)?.headers.accept).toContain('application/vnd.google.protobuf');
  });

  it('fails a target that answers badly', async () => {
    exporter.behave({ kind: 'answer', status: 503, headers: { 'content-type': TEXT_FORMAT }, body: Buffer.from('no\n') });
    await prometheus.process.until('the target is down', async () => {
      expect(await prometheus.targets()).toMatchObject([{ health: 'down', lastError: 'server returned HTTP status 503 Service Unavailable' }]);
    });
    await expect(prometheus.waitForUp(1, 50)).rejects.toThrow(/503 Service Unavailable/);
  });

  it('takes another configuration while it runs', async () => {
    await using nodeExporter = await startNodeExporter();
    await prometheus.reload(scrape(nodeExporter.port));
    await prometheus.waitForUp(1);
    expect(await prometheus.query('node_load1')).toHaveLength(1);
  });
});

describe('a real Envoy', () => {
  it('starts from a bootstrap, tells what it has, and stops', async () => {
    await using dir = await createTempDir();
    await using exporter = await startExporter();
    const adminSocket = dir.join('admin.sock');
    await using envoy = await startEnvoy({ bootstrap: JSON.stringify(proxyBootstrap(adminSocket, exporter.port)), adminSocket, dir: dir.path });
    await envoy.waitUntilReady();
    const { listener_statuses: listeners } = await envoy.adminJson<ListenersPage>('listeners?format=json');
    const port = listeners[0]?.local_address.socket_address.port_value;
    expect((await fetchRaw({ url: `http://127.0.0.1:${port}/metrics` })).body.toString()).toContain('demo_value 1');
    expect((await envoy.stats('cluster.exporter.')).get('cluster.exporter.upstream_rq_total')).toBe(1);
  });

  it('that cannot start says why', async () => {
    await using dir = await createTempDir();
    const started = startEnvoy({ bootstrap: '{"no_such_field": 1}', adminSocket: dir.join('admin.sock'), dir: dir.path });
    await expect(started).rejects.toThrow(/envoy has ended[^]*no_such_field/);
  });
});

interface ListenersPage {
  readonly listener_statuses: readonly { readonly local_address: { readonly socket_address: { readonly port_value: number } } }[];
}

function socketAddress(port: number): unknown {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

function proxyBootstrap(adminSocket: string, port: number): unknown {
  const route = { match: { prefix: '/' }, route: { cluster: 'exporter' } };
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'demo',
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] },
    http_filters: [{ name: 'router', typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' } }],
  };
  return {
    admin: { address: { pipe: { path: adminSocket, mode: 0o600 } } },
    static_resources: {
      listeners: [{ name: 'demo', address: socketAddress(0), filter_chains: [{ filters: [{ name: 'manager', typed_config: manager }] }] }],
      clusters: [{ name: 'exporter', load_assignment: { cluster_name: 'exporter', endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(port) } }] }] } }],
    },
  };
}
