/**
 * `npm test`: the set-up, the linter, every test there is, and one closing line that is true of all of them.
 * `npm test -- PATTERN…` runs the tests whose path matches (other arguments are jest's), without the linter.
 *
 * Two runs of jest: what runs in one process, two files at a time; then what starts real servers, one file at a time, so
 * that a deadline in one test never fails for the load of another. What failed gets a second try, alone, and is named (lib/test-counts.mjs).
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runGroup } from './lib/process-group.mjs';
import { run, SetupError } from './lib/run.mjs';
import { runCommand, setUp } from './lib/setup.mjs';
import { closingLine, secondTry, withSecondTry } from './lib/test-counts.mjs';

const projectDir = dirname(dirname(fileURLToPath(import.meta.url)));
const LINT_TIMEOUT_MS = 2 * 60_000;
const UNIT = { project: 'unit', maxWorkers: 2, timeoutMs: 15 * 60_000 };
const SERVERS = { project: 'servers', maxWorkers: 1, timeoutMs: 35 * 60_000 };
const SECOND_TRY = { maxWorkers: 1, timeoutMs: 8 * 60_000 };

/** Patterns are regular expressions on paths of sources, relative to the project; jest sees absolute ones of compiled files. */
function jestArguments(argv) {
  const root = projectDir.replaceAll(/[^\w/-]/g, String.raw`\$&`);
  return argv.map((arg) => (arg.startsWith('-') ? arg : `^${root}/.*${arg.replace(/^(\.\/|dist\/)+/, '').replace(/\.ts$/, '.js')}`));
}

/** One run of jest; resolves with the counts of its files. */
async function runJest({ project, maxWorkers, timeoutMs }, argv, env) {
  const countsFile = join(projectDir, 'build', `test-counts-${project}.json`);
  rmSync(countsFile, { force: true });
  const args = ['--selectProjects', project, '--maxWorkers', String(maxWorkers), '--passWithNoTests', ...argv];
  const { code, timedOut, leftProcesses } = await runGroup(join(projectDir, 'node_modules/.bin/jest'), args, {
    cwd: projectDir,
    env: { ...process.env, ...env, NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules --no-warnings`, TEST_COUNTS_FILE: countsFile },
    stdio: ['ignore', 'inherit', 'inherit'],
    timeoutMs,
  });
  if (timedOut) process.stdout.write(`\nthe ${project} tests were not done after ${timeoutMs / 60_000} min\n`);
  if (leftProcesses) process.stdout.write(`\nthe ${project} tests left processes running\n`);
  const counts = existsSync(countsFile) ? JSON.parse(readFileSync(countsFile, 'utf8')) : [];
  // A run that fails without a failed test (it crashed, hung, leaked) is a failure all the same, and the line must say so.
  const unexplained = (code !== 0 || leftProcesses) && counts.every(({ failed }) => failed === 0);
  return unexplained ? [...counts, { path: `the run of ${project}`, passed: 0, failed: 1, skipped: 0 }] : counts;
}

/** Both kinds, each with its second try. */
async function runTests(argv, env) {
  const all = [];
  for (const project of [UNIT, SERVERS]) {
    const counts = await runJest(project, argv, env);
    const again = secondTry(counts).filter((path) => existsSync(path));
    if (again.length > 0) process.stdout.write(`\nonce more: ${again.map((path) => relative(projectDir, path)).join(', ')}\n`);
    all.push(...(again.length === 0 ? counts : withSecondTry(counts, await runJest({ ...project, ...SECOND_TRY }, ['--runTestsByPath', ...again], env))));
  }
  return all;
}

await runCommand(async () => {
  const argv = process.argv.slice(2);
  const env = await setUp(projectDir, 'test');
  if (argv.length === 0) await run('npm', ['run', '--silent', 'lint'], { cwd: projectDir, timeoutMs: LINT_TIMEOUT_MS, shownLines: 200 });
  const counts = await runTests(jestArguments(argv), env);
  if (counts.every(({ passed, failed }) => passed + failed === 0)) throw new SetupError(`no test matches ${argv.join(' ')}`);
  process.stdout.write(closingLine(counts));
  return counts.every(({ failed }) => failed === 0) ? 0 : 1;
});
