/**
 * `npm run bench [-- OPTIONS]`: the set-up, then the benchmark. Its processes form a group of their own, of which nothing is left behind.
 *
 *   (nothing), --only …      the scrape path beside its peers (bench/main.ts)
 *   --scenario NAME,…        what that table does not show (bench/scenarios)
 *   --compare COMMIT         this commit against that one (bench/compare.ts)
 *   query|export|xds|kube    the other doors, each beside its peers; what follows are that program's own arguments
 *   --all                    everything, one after the other
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { obtain, lookUp, BINARIES } from './lib/binaries.mjs';
import { nodePath } from './lib/dependencies.mjs';
import { runGroup } from './lib/process-group.mjs';
import { SetupError } from './lib/run.mjs';
import { runCommand, setUp } from './lib/setup.mjs';

const projectDir = dirname(dirname(fileURLToPath(import.meta.url)));
const TIMEOUT_MS = 6 * 60 * 60_000;

/** `needs`: purposes of the set-up. `peers`: what it can do without. */
const PROGRAMS = {
  scrapes: { file: 'main', needs: ['bench'], peers: ['pushprox'] },
  scenarios: { file: 'scenarios/main', needs: ['bench'], peers: [] },
  compare: { file: 'compare', needs: ['bench'], peers: [] },
  query: { file: 'query/main', needs: ['benchServers'], peers: ['promLabelProxy'] },
  export: { file: 'export/main', needs: ['benchServers'], peers: [] },
  xds: { file: 'xds/main', needs: ['bench'], peers: ['goControlPlane'] },
  kube: { file: 'kube/scale', needs: ['benchServers', 'kubernetes'], peers: [] },
};

/** The programs that these arguments ask for, each with its own arguments. */
function chosen(args) {
  const [first, ...rest] = args;
  if (Object.hasOwn(PROGRAMS, first ?? '')) return [[first, rest]];
  const has = (name) => args.some((arg) => arg === name || arg.startsWith(`${name}=`));
  if (has('--all')) return [['scrapes', []], ['scenarios', args], ['query', []], ['export', []], ['xds', []], ['kube', []]];
  return [[has('--compare') ? 'compare' : has('--scenario') ? 'scenarios' : 'scrapes', args]];
}

/** A peer that cannot be had is left out of the table, and the rest is measured. */
async function obtainPeer(name) {
  const { title, variable } = BINARIES[name];
  try {
    return { [variable]: (await lookUp(name)) ?? (await obtain(name, projectDir, () => {})) };
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stdout.write(`left out: ${title}\n${error.message}\n`);
    return {};
  }
}

async function runProgram(name, args) {
  const { file, needs, peers } = PROGRAMS[name];
  const found = {};
  for (const purpose of needs) Object.assign(found, await setUp(projectDir, purpose));
  for (const peer of peers) Object.assign(found, await obtainPeer(peer));
  const { code, leftProcesses } = await runGroup(nodePath(projectDir), [join(projectDir, `dist/bench/${file}.js`), ...args], {
    cwd: projectDir,
    env: { ...process.env, ...found },
    stdio: ['ignore', 'inherit', 'inherit'],
    timeoutMs: TIMEOUT_MS,
  });
  if (leftProcesses) process.stdout.write('the benchmark left processes running\n');
  return code === 0 && !leftProcesses ? 0 : (code || 1);
}

await runCommand(async () => {
  let worst = 0;
  for (const [name, args] of chosen(process.argv.slice(2))) worst = Math.max(worst, await runProgram(name, args));
  return worst;
});
