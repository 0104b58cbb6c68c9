/**
 * What prometheus/compliance starts as a sender: a Prometheus that scrapes the suite's target once a second, and the exporter, which reads
 * from it and writes to the suite's receiver. Arguments: URL to scrape, URL to write to. Says `ready` when both run, and ends on SIGTERM.
 */
import { once } from 'node:events';
import { startPrometheus } from '../../support/prometheus.js';
import { jobsOf, startExportRig } from '../../support/export-rig.js';
import { createTempDir } from '../../support/temp-dir.js';

const [scrapeUrl = '', receiveUrl = ''] = process.argv.slice(2);
const target = new URL(scrapeUrl);

// The suite watches a sender for eight seconds and counts requests: with one collection in that time, whatever comes besides was tried again.
const INTERVAL_MS = 10_000;
/** Prometheus's own defaults. */
const queue = { minShards: 1, maxShards: 50, maxSamplesPerSend: 2000, minBackoffMs: 30, maxBackoffMs: 5000, retryOnRateLimit: true, sampleAgeLimitMs: undefined };

await using dir = await createTempDir();
await using source = await startPrometheus({
  config: {
    global: { scrape_interval: '1s', scrape_timeout: '1s' },
    scrape_configs: [{ job_name: 'test', scrape_protocols: ['OpenMetricsText1.0.0', 'PrometheusText0.0.4'], static_configs: [{ targets: [target.host] }] }],
  },
  args: ['--enable-feature=exemplar-storage'],
});
// The suite gives a sender five seconds, which a loaded machine takes to start a Prometheus; what it serves need not be good.
await source.waitForUp(1, 30_000).catch(() => {});
const jobs = jobsOf({ source: source.url, urls: [receiveUrl], query: [{ backends: undefined, metrics: ['{__name__=~".+"}'], labels: {} }], spec: { intervalMs: INTERVAL_MS, queue } });
await using rig = await startExportRig(dir.path, jobs);
process.stdout.write('ready\n');
await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
void rig;
