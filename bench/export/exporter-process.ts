/** An exporter alone in a process, so that what it costs can be read from /proc. Its jobs are its argument; it writes its lag once a second. */
import { Registry } from 'prom-client';
import { createExporter } from '../../src/export/exporter.js';
import { silentLogger } from '../../src/lib/logger.js';

const [folder = '', jobs = '[]'] = process.argv.slice(2);
const registry = new Registry();
const exporter = createExporter({ folder, logger: silentLogger, registry });
await exporter.configure(JSON.parse(jobs));

setInterval(() => {
  exporter.publish();
  void report();
}, 1000);

// An end of its own accord: a profile that Node was asked for is written then.
process.once('SIGTERM', () => void exporter.close().then(() => process.exit(0)));

async function report(): Promise<void> {
  const value = async (name: string): Promise<number> => ((await registry.getSingleMetric(`scrapeway_export_${name}`)?.get())?.values ?? []).reduce((sum, each) => sum + each.value, 0);
  process.stdout.write(`lag=${await value('lag_seconds')} sent=${await value('sent_samples_total')} dropped=${await value('dropped_samples_total')} collection=${await value('collection_duration_seconds')}\n`);
}
