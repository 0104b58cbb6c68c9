/**
 * `npm run bench:export [-- SERIES [SECONDS [INTERVAL_S]]]`: what it costs to export so many series, beside Prometheus's own remote write of
 * the same. One source, three times in turn: nothing, its own remote write, our export. What the source itself costs with each is told
 * too: it has work with both.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import path from 'node:path';
import { jobsOf } from '../../test/support/export-rig.js';
import { portOf } from '../../test/support/ports.js';
import { nodeBinary, projectDir } from '../../test/support/project.js';
import { startProcess } from '../../test/support/process.js';
import { startPrometheus } from '../../test/support/prometheus.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import { parseResidentBytes, parseStat } from '../proc.js';

const [series = 100_000, seconds = 120, intervalS = 15] = process.argv.slice(2).map(Number);
const TICKS_PER_SECOND = 100;

interface Cost {
  readonly cpuS: number;
  readonly residentMiB: number;
}

/** Over one span of time. */
interface Part {
  /** Of a processor. */
  readonly share: number;
  readonly residentMiB: number;
}

/** By name of the process. */
type Costs = Readonly<Record<string, Part>>;

/** As the gateway's thread of exports has it (src/main/exports.ts): a third of its young heap. */
const NODE_ARGS = ['--max-semi-space-size=2'];

function costOf(pid: number): Cost {
  const stat = parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return { cpuS: (stat?.cpuTicks ?? 0) / TICKS_PER_SECOND, residentMiB: parseResidentBytes(readFileSync(`/proc/${pid}/status`, 'utf8')) / 2 ** 20 };
}

async function measured(pids: Readonly<Record<string, number>>): Promise<Costs> {
  const before = Object.entries(pids).map(([name, pid]) => [name, pid, costOf(pid)] as const);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return Object.fromEntries(before.map(([name, pid, { cpuS }]) => {
    const now = costOf(pid);
    return [name, { share: (now.cpuS - cpuS) / seconds, residentMiB: now.residentMiB }];
  }));
}

let scrapes = 0;
const target = createServer((_, response) => {
  scrapes += 1;
  const lines = Array.from({ length: series }, (_each, index) => `bench_requests_total{path="/api/v1/resource/${index % 100}",instance_id="instance-${index}",zone="zone-${index % 3}"} ${scrapes * (index % 17)}\n`);
  response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(lines.join(''));
});
target.listen(0, '127.0.0.1');
await once(target, 'listening');

await using dir = await createTempDir();
await using receiver = await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver'] });
const config = { global: { scrape_interval: `${intervalS}s` }, scrape_configs: [{ job_name: 'app', static_configs: [{ targets: [`127.0.0.1:${portOf(target)}`] }] }] };
await using source = await startPrometheus({ config });
await source.waitForUp(1, 60_000);

const nothing = await measured({ source: source.process.pid });
/** In µs of CPU for each sample that the source has taken in, but for what the source does anyway. */
const report = (what: string, costs: Costs): void => {
  const of = ([name, { share, residentMiB }]: readonly [string, Part]): string =>
    `${name} ${(share * 100).toFixed(1)} % CPU (${(((share - (nothing[name]?.share ?? 0)) * intervalS * 1e6) / series).toFixed(1)} µs a sample), ${Math.round(residentMiB)} MiB`;
  process.stdout.write(`${what}: ${Object.entries(costs).map(of).join('; ')}\n`);
};
report('nothing', nothing);

const url = `${receiver.url}/api/v1/write`;
await source.reload({ ...config, remote_write: [{ url, protobuf_message: 'io.prometheus.write.v2.Request', write_relabel_configs: [{ target_label: 'by', replacement: 'prometheus' }] }] });
report('its own remote write', await measured({ source: source.process.pid, receiver: receiver.process.pid }));
await source.reload(config);

const jobs = jobsOf({ source: source.url, urls: [url], spec: { intervalMs: intervalS * 1000, spoolBytes: 2 ** 30, exemplars: false } });
await using exporter = startProcess({ name: 'exporter', command: nodeBinary, args: [...NODE_ARGS, path.join(projectDir, 'dist/bench/export/exporter-process.js'), dir.path, JSON.stringify(jobs)], env: { NODE_OPTIONS: '' } });
await exporter.waitForLog(/sent=[1-9]/, { timeoutMs: 60_000 });
await exporter.waitForLog(/lag=0 /, { timeoutMs: 300_000 });
report('our export', await measured({ source: source.process.pid, receiver: receiver.process.pid, exporter: exporter.pid }));
process.stdout.write(`our export at the end: ${exporter.log().trimEnd().split('\n').at(-1)}\n`);
target.close();
target.closeAllConnections();
