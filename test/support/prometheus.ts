import { writeFile } from 'node:fs/promises';
import { binary } from './binaries.js';
import { fetchJson, fetchRaw } from './http.js';
import { startProcess } from './process.js';
import type { RunningProcess } from './process.js';
import { createTempDir } from './temp-dir.js';

/**
 * A real Prometheus 3 with a configuration of the test's, and the few questions that tests ask it.
 */

export interface ActiveTarget {
  readonly labels: Readonly<Record<string, string>>;
  readonly discoveredLabels: Readonly<Record<string, string>>;
  readonly scrapePool: string;
  readonly scrapeUrl: string;
  readonly health: 'up' | 'down' | 'unknown';
  readonly lastError: string;
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value?: readonly [number, string];
  /** Instead of `value`, for a native histogram. */
  readonly histogram?: readonly [number, { readonly count: string; readonly sum: string }];
}

/** A prometheus.yml as an object; JSON is YAML. */
export type PrometheusConfig = Readonly<Record<string, unknown>>;

export interface PrometheusOptions {
  readonly config: PrometheusConfig;
  /** Added to the command line: `--enable-feature=…`, `--web.enable-remote-write-receiver`. */
  readonly args?: readonly string[];
  /** Another one than the usual. */
  readonly command?: string;
}

export interface RunningPrometheus extends AsyncDisposable {
  readonly process: RunningProcess;
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  targets(): Promise<readonly ActiveTarget[]>;
  /** An instant query's vector. */
  query(promql: string): Promise<readonly Sample[]>;
  /** Waits until there are exactly `count` targets, all up; the error tells each that is not. */
  waitForUp(count: number, timeoutMs?: number): Promise<readonly ActiveTarget[]>;
  /** Replaces the configuration, sends SIGHUP and waits until it is in force. */
  reload(config: PrometheusConfig): Promise<void>;
  stop(): Promise<void>;
}

interface ApiAnswer<T> {
  readonly data: T;
}

export async function startPrometheus({ config, args = [], command }: PrometheusOptions): Promise<RunningPrometheus> {
  const dir = await createTempDir();
  const configFile = dir.join('prometheus.yml');
  await writeFile(configFile, JSON.stringify(config));
  const child = startProcess({
    name: 'prometheus',
    command: command ?? (await binary('prometheus')),
    // Targets that were discovered are taken at once; by default only every five seconds.
    args: [`--config.file=${configFile}`, `--storage.tsdb.path=${dir.join('data')}`, '--web.listen-address=127.0.0.1:0', '--scrape.discovery-reload-interval=100ms', ...args],
    cwd: dir.path,
  });

  async function stop(): Promise<void> {
    await child.stop();
    await dir[Symbol.asyncDispose]();
  }

  try {
    const [, port] = await child.waitForLog(/msg="Listening on".* address=127\.0\.0\.1:(\d+)/, { timeoutMs: 30_000 });
    const url = `http://127.0.0.1:${port}`;
    await child.until('ready', () => reloadedAt(url), { timeoutMs: 30_000 });
    return { process: child, url, ...questions(url, child), reload: (next) => reload(url, configFile, next, child), stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function questions(url: string, child: RunningProcess): Pick<RunningPrometheus, 'targets' | 'query' | 'waitForUp'> {
  async function targets(): Promise<readonly ActiveTarget[]> {
    const { data } = await fetchJson<ApiAnswer<{ activeTargets: readonly ActiveTarget[] }>>({ url: `${url}/api/v1/targets?state=active` });
    return data.activeTargets;
  }
  return {
    targets,
    query: async (promql) => {
      const { data } = await fetchJson<ApiAnswer<{ result: readonly Sample[] }>>({ url: `${url}/api/v1/query?query=${encodeURIComponent(promql)}` });
      return data.result;
    },
    waitForUp: (count, timeoutMs = 30_000) =>
      child.until(
        `${count} targets up`,
        async () => {
          const found = await targets();
          const others = found.filter(({ health }) => health !== 'up').map((t) => `${t.scrapeUrl} is ${t.health} ${t.lastError}`);
          if (found.length !== count || others.length > 0) throw new Error(`${found.length} targets; ${others.join('; ')}`);
          return found;
        },
        { timeoutMs, intervalMs: 100 },
      ),
  };
}

/** When the configuration in force was loaded, seconds since the epoch. Throws while Prometheus is not ready. */
async function reloadedAt(url: string): Promise<number> {
  const ready = await fetchRaw({ url: `${url}/-/ready` });
  if (ready.status !== 200) throw new Error(`not ready: ${ready.status}`);
  const metrics = (await fetchRaw({ url: `${url}/metrics` })).body.toString('utf8');
  const match = /^prometheus_config_last_reload_success_timestamp_seconds (\S+)$/m.exec(metrics);
  if (match === null) throw new Error('no time of the last reload in /metrics');
  return Number(match[1]);
}

async function reload(url: string, configFile: string, config: PrometheusConfig, child: RunningProcess): Promise<void> {
  const before = await reloadedAt(url);
  await writeFile(configFile, JSON.stringify(config));
  child.signal('SIGHUP');
  await child.until('the new configuration is in force', async () => {
    if ((await reloadedAt(url)) <= before) throw new Error('still the old one');
  });
}
