import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { binary } from './binaries.js';
import { fetchRaw } from './http.js';
import { startProcess } from './process.js';
import type { RunningProcess } from './process.js';

/**
 * The real Envoy, started with a bootstrap whose admin interface is a Unix socket.
 */

export interface EnvoyOptions {
  /** YAML or JSON. */
  readonly bootstrap: string;
  /** Where the bootstrap puts the admin socket. */
  readonly adminSocket: string;
  /** Folder for the bootstrap file; also the working directory. */
  readonly dir: string;
  /** Added to the command line. */
  readonly args?: readonly string[];
  /** Worker threads. Default: 2. */
  readonly concurrency?: number;
  /** How long a line may wait before it is in the access log. Default: 50, for tests that read it. */
  readonly logFlushMs?: number;
}

export interface RunningEnvoy extends AsyncDisposable {
  readonly process: RunningProcess;
  /** An admin page: `config_dump?resource=dynamic_listeners`. */
  admin(page: string): Promise<string>;
  /** An admin page that is JSON, of the type that the caller knows it to have. */
  adminJson<T>(page: string): Promise<T>;
  /** Counters and gauges whose name starts with `prefix`. */
  stats(prefix: string): Promise<ReadonlyMap<string, number>>;
  /** Waits until Envoy has got all of its first configuration and serves. */
  waitUntilReady(timeoutMs?: number): Promise<void>;
  stop(): Promise<void>;
}

/** Resolves when Envoy's admin interface answers; with xDS it may not serve yet (`waitUntilReady`). */
export async function startEnvoy({ bootstrap, adminSocket, dir, args = [], concurrency = 2, logFlushMs = 50 }: EnvoyOptions): Promise<RunningEnvoy> {
  const configFile = path.join(dir, 'envoy.yaml');
  await writeFile(configFile, bootstrap);
  const child = startProcess({
    name: 'envoy',
    command: await binary('envoy'),
    args: ['-c', configFile, '--concurrency', String(concurrency), '--disable-hot-restart', '--log-level', 'warning', '--file-flush-interval-msec', String(logFlushMs), ...args],
    cwd: dir,
  });

  async function admin(page: string): Promise<string> {
    const { status, body } = await fetchRaw({ url: `http://admin/${page}`, socketPath: adminSocket });
    if (status !== 200) throw new Error(`admin page ${page}: ${status} ${body.toString('utf8').trim()}`);
    return body.toString('utf8');
  }

  async function adminJson<T>(page: string): Promise<T> {
    const value: T = JSON.parse(await admin(page));
    return value;
  }

  async function stats(prefix: string): Promise<ReadonlyMap<string, number>> {
    const lines = (await admin('stats?type=Counters')).concat(await admin('stats?type=Gauges')).split('\n');
    const pairs = lines.map((line) => line.split(': ')).filter(([name]) => name?.startsWith(prefix));
    return new Map(pairs.map(([name = '', value]) => [name, Number(value)]));
  }

  async function stop(): Promise<void> {
    await child.stop();
  }

  try {
    await child.until('its admin interface answers', () => admin('server_info'));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    process: child,
    admin,
    adminJson,
    stats,
    waitUntilReady: async (timeoutMs = 20_000) => {
      await child.until('ready', () => admin('ready'), { timeoutMs });
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
