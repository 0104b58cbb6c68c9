/**
 * `npm run bench [-- OPTIONS]`: the set-up, then the benchmark (bench/main.ts). Its processes form a group of their own, of which
 * nothing is left behind. With `--compare COMMIT` this commit against that one (bench/compare.ts);
 * with `--herd [AGENTS]` how agents come back after their gateway was killed (bench/herd.ts); with `--wan [ROUNDS]` a site behind
 * 100 ms (bench/wan.ts).
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
  const named = ['herd', 'wan'].find((name) => args[0] === `--${name}`);
  const program = named ?? (args.some((arg) => arg === '--compare' || arg.startsWith('--compare=')) ? 'compare' : 'main');
  const { code, leftProcesses } = await runGroup(nodePath(projectDir), [join(projectDir, `dist/bench/${program}.js`), ...(named === undefined ? args : args.slice(1))], {
    cwd: projectDir,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
    timeoutMs: TIMEOUT_MS,
  });
  if (leftProcesses) process.stdout.write('the benchmark left processes running\n');
  return code === 0 && !leftProcesses ? 0 : (code || 1);
});
