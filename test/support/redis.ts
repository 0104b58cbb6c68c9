import path from 'node:path';
import { freePort } from './ports.js';
import { startProcess } from './process.js';
import type { RunningProcess } from './process.js';
import { createTempDir } from './temp-dir.js';

/** A real Redis with a password, that writes nothing to its disk. */
export interface RunningRedis extends AsyncDisposable {
  readonly process: RunningProcess;
  readonly port: number;
  readonly password: string;
}

export async function startRedis(command: string): Promise<RunningRedis> {
  const dir = await createTempDir();
  const port = await freePort();
  const password = 'correct horse';
  const child = startProcess({
    name: 'redis',
    command,
    args: ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--requirepass', password],
    cwd: dir.path,
    // Where it came as a package its libraries lie beside it.
    env: { LD_LIBRARY_PATH: path.dirname(command) },
  });
  const stop = async (): Promise<void> => {
    child.signal('SIGCONT');
    await child.stop();
    await dir[Symbol.asyncDispose]();
  };
  try {
    await child.waitForLog(/Ready to accept connections/);
    return { process: child, port, password, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
