/**
 * `npm run bench [-- OPTIONS]`: the set-up, then the benchmark (bench/main.ts). Its processes form a group of their own, of which
 * nothing is left behind. With `--compare COMMIT` this commit against that one (bench/compare.ts); with `--scenario NAME,…` or `--all`
 * what the main table does not show (bench/scenarios).
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodePath } from './lib/dependencies.mjs';
import { runGroup } from './lib/process-group.mjs';
import { runCommand, setUp } from './lib/setup.mjs';

const projectDir = dirname(dirname(fileURLToPath(import.meta.url)));
const TIMEOUT_MS = 6 * 60 * 60_000;

await runCommand(async () => {
  const env = await setUp(projectDir, 'bench');
  const args = process.argv.slice(2);
  const has = (...names) => args.some((arg) => names.some((name) => arg === name || arg.startsWith(`${name}=`)));
  const program = has('--compare') ? 'compare' : has('--scenario', '--all') ? 'scenarios/main' : 'main';
  const { code, leftProcesses } = await runGroup(nodePath(projectDir), [join(projectDir, `dist/bench/${program}.js`), ...args], {
    cwd: projectDir,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
    timeoutMs: TIMEOUT_MS,
  });
  if (leftProcesses) process.stdout.write('the benchmark left processes running\n');
  return code === 0 && !leftProcesses ? 0 : (code || 1);
});
