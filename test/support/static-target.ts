import path from 'node:path';
import { startProcess } from './process.js';
import type { RunningProcess } from './process.js';
import { nodeBinary, projectDir } from './project.js';

export interface StaticTarget extends AsyncDisposable {
  readonly process: RunningProcess;
  readonly port: number;
}

/** Answers each scrape with the bytes of `gzipFile`, in a network namespace: where the way is measured and not the exporter. */
export async function startStaticTarget(namespace: string, gzipFile: string): Promise<StaticTarget> {
  const program = path.join(projectDir, 'dist/test/support/static-target-process.js');
  const child = startProcess({ name: 'static-target', command: 'ip', args: ['netns', 'exec', namespace, nodeBinary, program, gzipFile], env: { NODE_OPTIONS: '' } });
  try {
    const [, port] = await child.waitForLog(/listening on port (\d+)/);
    return { process: child, port: Number(port), [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
  } catch (error) {
    await child.stop();
    throw error;
  }
}
