import { describe, expect, it } from '@jest/globals';
import { startExporter, textAnswer } from '../support/exporter.js';
import { dump, jobsOf, startExportRig } from '../support/export-rig.js';
import { startPrometheus } from '../support/prometheus.js';
import { createTempDir } from '../support/temp-dir.js';

/** Chunks come as the source stores them, and are read on from where they were left: also where one ends and the next begins. */

/** A Prometheus begins a new chunk after 120 samples. */
const CHUNK_SAMPLES = 120;

describe('an export that reads on in chunks', () => {
  it('has every sample, across the ends of chunks', async () => {
    await using stack = new AsyncDisposableStack();
    const dir = stack.use(await createTempDir());
    const target = stack.use(await startExporter({ behaviour: textAnswer('# TYPE load gauge\nload 1\n') }));
    const source = stack.use(await startPrometheus({ config: { global: { scrape_interval: '40ms', scrape_timeout: '40ms' }, scrape_configs: [{ job_name: 'app', static_configs: [{ targets: [`127.0.0.1:${target.port}`] }] }] } }));
    const receiver = stack.use(await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver'] }));
    const startedMs = Date.now() - 5000;
    stack.use(await startExportRig(dir.path, jobsOf({ source: source.url, urls: [`${receiver.url}/api/v1/write`] })));
    // the time that a scrape took is another each time, so that no bit of a chunk may be read wrongly
    const taken = '{__name__="scrape_duration_seconds",job="app"}';
    const samples = async (url: string, untilMs: number): Promise<readonly string[]> => [...(await dump(url, taken, startedMs, untilMs)).values()].flat();
    await source.process.until('the third chunk has begun', async () => expect((await samples(source.url, Date.now())).length).toBeGreaterThan(2.5 * CHUNK_SAMPLES), { timeoutMs: 50_000, intervalMs: 250 });
    const untilMs = Date.now();
    const expected = await samples(source.url, untilMs);
    await receiver.process.until('it has all of them', async () => expect(await samples(receiver.url, untilMs)).toEqual(expected), { timeoutMs: 20_000, intervalMs: 250 });
  }, 90_000);
});
