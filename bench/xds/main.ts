import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createTempDir } from '../../test/support/temp-dir.js';
import { DeltaClient, firstRequest } from './delta-client.js';

/**
 * Two xDS servers under the same client, one after the other: ours and go-control-plane's (peer/, XDS_PEER_BIN = its executable).
 * `node dist/bench/xds/main.js`. Nothing is judged: a slow row is a figure.
 */
const SIZES = [100, 10_000, 100_000];
const CHANGES = 500;
const STORM = { clients: 100, resources: 10_000 };

interface Contestant {
  readonly name: string;
  readonly command: readonly string[];
}

class Server implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor([command = '', ...args]: readonly string[], socketPath: string) {
    this.#child = spawn(command, [...args, socketPath], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stderr.pipe(process.stderr);
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  /** Resolves with its next line. */
  async said(): Promise<void> {
    if ((await this.#lines.next()).done === true) throw new Error('the server has ended');
  }

  tell(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** User and system time so far, ms. */
  get cpuMs(): number {
    const fields = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  get residentMb(): number {
    return Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.#child.pid}/status`, 'utf8'))?.[1]) / 1024);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#child, 'close');
    this.#child.kill();
    await closed;
  }
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `cluster-${index}`);
const none: ReadonlyMap<string, string> = new Map();

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** Runs `body` with a server that has `count` endpoints. */
async function withServer<T>({ command }: Contestant, count: number, body: (server: Server, socketPath: string) => Promise<T>): Promise<T> {
  await using dir = await createTempDir();
  const socketPath = dir.join('xds.sock');
  await using server = new Server(command, socketPath);
  await server.said();
  server.tell(`load ${count} 1`);
  await server.said();
  return await body(server, socketPath); // not before it is done
}

interface SizeResult {
  readonly firstMs: number;
  readonly changeMs: number;
  readonly changeBytes: number;
  readonly changeCpuMs: number;
  readonly residentMb: number;
}

function ofSize(contestant: Contestant, count: number): Promise<SizeResult> {
  return withServer(contestant, count, async (server, socketPath) => {
    const request = firstRequest(names(count), none);
    const start = performance.now();
    using client = new DeltaClient(socketPath, request);
    await client.has(count);
    const firstMs = performance.now() - start;
    const latencies: number[] = [];
    const before = { bytes: client.bytes, cpu: server.cpuMs };
    for (let turn = 0; turn < CHANGES; turn += 1) {
      const from = performance.now();
      const arrived = client.receives(1);
      server.tell(`change ${(turn * 31) % count} ${turn + 2}`);
      await arrived;
      latencies.push(performance.now() - from);
      await server.said();
    }
    return {
      firstMs,
      changeMs: median(latencies),
      changeBytes: (client.bytes - before.bytes) / CHANGES,
      changeCpuMs: (server.cpuMs - before.cpu) / CHANGES,
      residentMb: server.residentMb,
    };
  });
}

/** Many clients come back at once, each with all that it has; one resource has changed meanwhile. */
function storm(contestant: Contestant): Promise<{ readonly ms: number; readonly cpuMs: number; readonly residentMb: number }> {
  return withServer(contestant, STORM.resources, async (server, socketPath) => {
    const versions = await versionsFrom(socketPath);
    server.tell('change 7 9');
    await server.said();
    const request = firstRequest(names(STORM.resources), versions);
    const cpu = server.cpuMs;
    const start = performance.now();
    const clients = Array.from({ length: STORM.clients }, () => new DeltaClient(socketPath, request));
    await Promise.all(clients.map((client) => client.has(1)));
    const result = { ms: performance.now() - start, cpuMs: server.cpuMs - cpu, residentMb: server.residentMb };
    for (const client of clients) client[Symbol.dispose]();
    return result;
  });
}

async function versionsFrom(socketPath: string): Promise<ReadonlyMap<string, string>> {
  using client = new DeltaClient(socketPath, firstRequest(names(STORM.resources), none));
  await client.has(STORM.resources);
  return client.versions;
}

const peer = process.env['XDS_PEER_BIN'];
const contestants: readonly Contestant[] = [
  { name: 'scrapeway', command: [process.execPath, fileURLToPath(new URL('our-server.js', import.meta.url))] },
  ...(peer === undefined ? [] : [{ name: 'go-control-plane', command: [peer] }]),
];
if (peer === undefined) print('go-control-plane is left out: build bench/xds/peer with Go and set XDS_PEER_BIN');
print(`commit ${execFileSync('git', ['describe', '--always', '--dirty', '--exclude=*'], { encoding: 'utf8' }).trim()}, node ${process.version}`);
print('| server | endpoints | first full config, ms | one change: ms (median) | bytes | server CPU, ms | resident, MB |');
print('|---|---|---|---|---|---|---|');
for (const count of SIZES) {
  for (const contestant of contestants) {
    const { firstMs, changeMs, changeBytes, changeCpuMs, residentMb } = await ofSize(contestant, count);
    print(`| ${contestant.name} | ${count} | ${firstMs.toFixed(0)} | ${changeMs.toFixed(2)} | ${changeBytes.toFixed(0)} | ${changeCpuMs.toFixed(2)} | ${residentMb} |`);
  }
}
print(`\n| server | ${STORM.clients} clients come back with ${STORM.resources} endpoints each, ms | server CPU, ms | resident, MB |`);
print('|---|---|---|---|');
for (const contestant of contestants) {
  const { ms, cpuMs, residentMb } = await storm(contestant);
  print(`| ${contestant.name} | ${ms.toFixed(0)} | ${cpuMs.toFixed(0)} | ${residentMb} |`);
}
