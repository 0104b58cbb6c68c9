import { writeFile } from 'node:fs/promises';
import { binary } from './binaries.js';
import { fetchRaw } from './http.js';
import { startProcess } from './process.js';
import type { RunningProcess } from './process.js';
import type { PrometheusConfig } from './prometheus.js';
import { createTempDir } from './temp-dir.js';

/** The real servers at both ends of the push door. */

export interface RunningServer extends AsyncDisposable {
  readonly process: RunningProcess;
  readonly url: string;
}

/** A Pushgateway that keeps everything in memory. */
export async function startPushgateway(args: readonly string[] = []): Promise<RunningServer> {
  const child = startProcess({
    name: 'pushgateway',
    command: await binary('pushgateway'),
    args: ['--web.listen-address=127.0.0.1:0', '--persistence.file=', ...args],
  });
  try {
    const [, port] = await child.waitForLog(/msg="Listening on" address=127\.0\.0\.1:(\d+)/);
    return { process: child, url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/** A Prometheus in agent mode: it scrapes, keeps a write-ahead log and writes remotely. */
export async function startPrometheusAgent(config: PrometheusConfig): Promise<RunningServer> {
  const dir = await createTempDir();
  const configFile = dir.join('prometheus.yml');
  await writeFile(configFile, JSON.stringify(config));
  const child = startProcess({
    name: 'prometheus agent',
    command: await binary('prometheus'),
    args: ['--agent', `--config.file=${configFile}`, `--storage.agent.path=${dir.join('data')}`, '--web.listen-address=127.0.0.1:0'],
    cwd: dir.path,
  });
  const stop = async (): Promise<void> => {
    await child.stop();
    await dir[Symbol.asyncDispose]();
  };
  try {
    const [, port] = await child.waitForLog(/msg="Listening on".* address=127\.0\.0\.1:(\d+)/, { timeoutMs: 30_000 });
    return { process: child, url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The samples of a text page with this name: `name{labels} value`. */
export async function pageLines(url: string, name: string): Promise<readonly string[]> {
  const { body } = await fetchRaw({ url });
  return body
    .toString('utf8')
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
}
