import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { projectDir } from '../test/support/project.js';
import { createTempDir } from '../test/support/temp-dir.js';
import { compare, MIN_PAIRS, verdictTable } from './comparison.js';
import type { Pair, Sample } from './comparison.js';
import type { RoundResult } from './round.js';

/**
 * `npm run bench -- --compare BASE`: this work tree against a commit, which is set up in a work tree of its own. Each runs its own benchmark, a round
 * at a time, in turn. Exit code 1: surely slower (comparison.ts).
 */

const USAGE = 'npm run bench -- --compare COMMIT [--rounds 9] [--seconds 5] [--agents 200] [--only plain,secure] [--threshold 0.05]';
const SET_UP_TIMEOUT_MS = 30 * 60_000;
const ROUND_TIMEOUT_MS = 10 * 60_000;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

const run = promisify(execFile);
const print = (text: string): void => void process.stdout.write(`${text}\n`);

interface Options {
  readonly base: string;
  readonly rounds: number;
  readonly threshold: number;
  /** For each round of either. */
  readonly args: readonly string[];
}

function readArguments(argv: readonly string[]): Options {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ args: [...argv], options: { compare: text, rounds: text, seconds: text, agents: text, only: text, threshold: text } });
  const { compare: base, rounds = '9', seconds = '5', agents = '200', only = 'plain,secure', threshold = '0.05' } = values;
  if (base === undefined || base.startsWith('-')) throw new Error('no commit to compare with');
  if (!(Number(rounds) >= MIN_PAIRS && Number(rounds) <= 1000)) throw new Error(`--rounds must be ${MIN_PAIRS} or more: fewer are sure of nothing`);
  if (!(Number(threshold) >= 0)) throw new Error('--threshold must be a share, like 0.05');
  return { base, rounds: Number(rounds), threshold: Number(threshold), args: ['--rounds', '1', '--seconds', seconds, '--agents', agents, '--only', only] };
}

/** The base's tree, with dependencies, build and servers. */
async function setUpBase(base: string, dir: string, cleanUp: AsyncDisposableStack): Promise<string> {
  const tree = path.join(dir, 'base');
  const { stdout } = await run('git', ['rev-parse', '--verify', '--end-of-options', `${base}^{commit}`], { cwd: projectDir });
  await run('git', ['worktree', 'add', '--detach', tree, stdout.trim()], { cwd: projectDir });
  cleanUp.defer(async () => {
    await run('git', ['worktree', 'remove', '--force', tree], { cwd: projectDir });
  });
  print(`base ${stdout.trim().slice(0, 12)}: being set up …`);
  await run(process.execPath, ['scripts/setup.mjs', '--for', 'bench'], { cwd: tree, timeout: SET_UP_TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES });
  return tree;
}

/** One round of each contestant, with the benchmark of that tree. */
async function runRound(tree: string, args: readonly string[]): Promise<readonly Sample[]> {
  const resultsDir = path.join(tree, 'bench/results');
  const before = new Set(await readdir(resultsDir).catch(() => []));
  await run(process.execPath, ['dist/bench/main.js', ...args], { cwd: tree, timeout: ROUND_TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES });
  const file = (await readdir(resultsDir)).find((name) => name.endsWith('.json') && !before.has(name));
  if (file === undefined) throw new Error(`${tree}: the round has left no result`);
  const { contestants }: { readonly contestants: readonly { readonly name: string; readonly rounds: readonly RoundResult[] }[] } = JSON.parse(await readFile(path.join(resultsDir, file), 'utf8'));
  return contestants.flatMap(({ name, rounds }) => rounds.map((round) => sampleOf(name, round)));
}

function sampleOf(contestant: string, { scrapesPerSecond, p99Ms, processes }: RoundResult): Sample {
  const servers = processes.filter(({ side }) => side === 'server');
  return { contestant, scrapesPerSecond, p99Ms, cpuUs: Object.fromEntries(servers.map(({ role, cpuUsPerScrape }) => [role, cpuUsPerScrape])) };
}

async function main(argv: readonly string[]): Promise<number> {
  const { base, rounds, threshold, args } = readArguments(argv);
  await using cleanUp = new AsyncDisposableStack();
  const dir = cleanUp.use(await createTempDir());
  const tree = await setUpBase(base, dir.path, cleanUp);
  const pairs: Pair[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    // Who is first changes, so that neither always runs on what the other has left behind.
    const order = round % 2 === 0 ? [projectDir, tree] : [tree, projectDir];
    const samples = new Map<string, readonly Sample[]>();
    for (const each of order) samples.set(each, await runRound(each, args));
    for (const head of samples.get(projectDir) ?? []) {
      const beside = samples.get(tree)?.find(({ contestant }) => contestant === head.contestant);
      if (beside !== undefined) pairs.push({ base: beside, head });
    }
    print(`round ${round} of ${rounds}`);
  }
  const verdicts = compare(pairs, threshold);
  print(`\n${verdictTable(verdicts)}`);
  return verdicts.some(({ regressed }) => regressed) ? 1 : 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
  process.exitCode = 2;
}
