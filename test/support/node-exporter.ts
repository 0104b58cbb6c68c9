import { binary } from './binaries.js';
import { startProcess } from './process.js';
import type { RunningProcess } from './process.js';

export interface RunningNodeExporter extends AsyncDisposable {
  readonly process: RunningProcess;
  readonly port: number;
}

/** The real node_exporter, a few cheap collectors only; in a network namespace, if one is named. */
export async function startNodeExporter(namespace?: string): Promise<RunningNodeExporter> {
  const child = startProcess({
    name: 'node_exporter',
    command: namespace === undefined ? await binary('nodeExporter') : 'ip',
    args: [...(namespace === undefined ? [] : ['netns', 'exec', namespace, await binary('nodeExporter')]), '--web.listen-address=127.0.0.1:0', '--collector.disable-defaults', '--collector.loadavg', '--collector.meminfo', '--collector.uname'],
  });
  try {
    const [, port] = await child.waitForLog(/msg="Listening on" address=127\.0\.0\.1:(\d+)/);
    return { process: child, port: Number(port), [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
  } catch (error) {
    await child.stop();
    throw error;
  }
}
