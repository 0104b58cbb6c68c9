import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fetchRaw } from './http.js';
import { freePort } from './ports.js';
import { startProcess } from './process.js';
import type { RunningProcess } from './process.js';
import { nodeBinary, projectDir } from './project.js';

/**
 * The shipped command as a child process, from a configuration file, as an operator runs it. What gateway.ts and agent.ts
 * have in common.
 */

/** A configuration file as an object; JSON is YAML. */
export type ConfigFile = Readonly<Record<string, unknown>>;

export interface RunningScrapeway extends AsyncDisposable {
  readonly process: RunningProcess;
  readonly configFile: string;
  /** `http://127.0.0.1:<port>` of `/healthz`, `/readyz` and `/metrics`. */
  readonly statusUrl: string;
  /** The values of a metric by its labels as written: `{reason="target_refused"}`, or the empty string. */
  metric(name: string): Promise<ReadonlyMap<string, number>>;
  waitUntilReady(timeoutMs?: number): Promise<void>;
  /** Replaces the configuration file; the process notices by itself. */
  rewriteConfig(config: ConfigFile): Promise<void>;
  /** SIGTERM, and wait until it has drained. */
  stop(): Promise<void>;
}

export interface ScrapewayOptions {
  readonly command: 'up' | 'gateway' | 'agent';
  /** For errors and for the file's name: "gateway", "site-a". */
  readonly name: string;
  readonly dir: string;
  /** Without `metrics`, which is filled in. */
  readonly config: ConfigFile;
  /** A file with the milliseconds by which its wall clock is wrong (`clock-shift.ts`); it may change at any time. */
  readonly clockShiftFile?: string;
  /** Until it answers on `/healthz`. */
  readonly aliveTimeoutMs?: number;
  /** Runs in a network namespace; `statusHost` is where the test reaches it. */
  readonly network?: SiteNetwork;
}

export interface SiteNetwork {
  readonly namespace: string;
  readonly statusHost: string;
}

const CLOCK_SHIFT = new URL('./clock-shift.js', import.meta.url).href;

/** Longer than a drain may take. */
const STOP_GRACE_MS = 30_000;

/** Resolves when the process answers on `/healthz`; it may not be ready yet. */
export async function startScrapeway({ command, name, dir, config, clockShiftFile, aliveTimeoutMs = 30_000, network }: ScrapewayOptions): Promise<RunningScrapeway> {
  const statusPort = await freePort();
  const statusHost = network?.statusHost ?? '127.0.0.1';
  const statusUrl = `http://${statusHost}:${statusPort}`;
  const configFile = path.join(dir, `${name}.yaml`);
  const write = (next: ConfigFile): Promise<void> => writeFile(configFile, JSON.stringify({ ...next, metrics: { address: `${statusHost}:${statusPort}` } }, null, 2));
  await write(config);
  const ours = [path.join(projectDir, 'dist/src/main/scrapeway.js'), command, '-c', configFile];
  const child = startProcess({
    name,
    command: network === undefined ? nodeBinary : 'ip',
    args: network === undefined ? ours : ['netns', 'exec', network.namespace, nodeBinary, ...ours],
    cwd: dir,
    // the tests' own flags are not the product's
    env: clockShiftFile === undefined ? { NODE_OPTIONS: '' } : { NODE_OPTIONS: `--import=${CLOCK_SHIFT}`, CLOCK_SHIFT_FILE: clockShiftFile },
  });

  async function stop(): Promise<void> {
    await child.stop(STOP_GRACE_MS);
  }

  try {
    await child.until('alive', () => expectOk(`${statusUrl}/healthz`), { timeoutMs: aliveTimeoutMs });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    process: child,
    configFile,
    statusUrl,
    metric: async (metric) => parseMetric((await fetchRaw({ url: `${statusUrl}/metrics` })).body.toString('utf8'), metric),
    waitUntilReady: async (timeoutMs = 20_000) => {
      await child.until('ready', () => expectOk(`${statusUrl}/readyz`), { timeoutMs });
    },
    rewriteConfig: write,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Runs a command of ours to its end: what it prints, and its exit code. */
export async function runScrapeway(args: readonly string[]): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: number; stdout: string; stderr: string }>();
  const child = execFile(nodeBinary, [path.join(projectDir, 'dist/src/main/scrapeway.js'), ...args], { timeout: 20_000, env: { ...process.env, NODE_OPTIONS: '' } }, (_error, stdout, stderr) => {
    resolve({ code: child.exitCode ?? -1, stdout, stderr });
  });
  return promise;
}

async function expectOk(url: string): Promise<void> {
  const { status, body } = await fetchRaw({ url, timeoutMs: 5_000 });
  if (status !== 200) throw new Error(`${url}: ${status} ${body.toString('utf8').trim()}`);
}

function parseMetric(exposition: string, name: string): ReadonlyMap<string, number> {
  const lines = exposition.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(name.length, at), Number(line.slice(at + 1))];
    }),
  );
}
