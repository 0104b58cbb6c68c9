import { writeFile } from 'node:fs/promises';
import { binary } from './binaries.js';
import { startProcess } from './process.js';
import type { RunningServer } from './push-servers.js';
import { createTempDir } from './temp-dir.js';

/** An Alertmanager without peers, that sends nothing to anybody. */
export async function startAlertmanager(config: unknown): Promise<RunningServer> {
  const dir = await createTempDir();
  const configFile = dir.join('alertmanager.yml');
  await writeFile(configFile, JSON.stringify(config));
  const child = startProcess({
    name: 'alertmanager',
    command: await binary('alertmanager'),
    args: [`--config.file=${configFile}`, `--storage.path=${dir.join('data')}`, '--web.listen-address=127.0.0.1:0', '--cluster.listen-address='],
    cwd: dir.path,
  });
  const stop = async (): Promise<void> => {
    await child.stop();
    await dir[Symbol.asyncDispose]();
  };
  try {
    const [, port] = await child.waitForLog(/msg="Listening on" address=127\.0\.0\.1:(\d+)/);
    return { process: child, url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
