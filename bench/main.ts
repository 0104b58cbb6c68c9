import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { projectDir } from '../test/support/project.js';
import { createTempDir } from '../test/support/temp-dir.js';
import { digest, makeBody } from './body.js';
import { ENVOY_WORKERS } from './contestant.js';
import type { Contestant } from './contestant.js';
import { BY_NAME, CONTESTANTS } from './contestants/all.js';
import { describeMachine } from './machine.js';
import type { Machine } from './machine.js';
import { readOptions, USAGE } from './options.js';
import type { BenchOptions } from './options.js';
import { barChart } from './plot.js';
import type { Bar, Chart } from './plot.js';
import { runRound } from './round.js';
import type { RoundPlan, RoundResult } from './round.js';
import { medianRound, summaryTable, threadTable } from './summary.js';
import type { Standing } from './summary.js';
import { figure } from './table.js';

/**
 * `npm run bench`: all contestants in turn, round after round, so that whatever else the machine does falls on each alike; then medians.
 * Nothing is judged: a slow run is a figure, only one that does not work is a failure.
 */

const WARM_UP_SECONDS = 3;

const print = (text: string): void => void process.stdout.write(`${text}\n`);

class Entry {
  readonly contestant: Contestant;
  readonly rounds: RoundResult[] = [];
  note: Standing['note'];

  constructor(contestant: Contestant) {
    this.contestant = contestant;
    const reason = contestant.skip?.();
    this.note = reason === undefined ? undefined : { kind: 'skipped', reason };
  }

  get standing(): Standing {
    const { contestant, note, rounds } = this;
    return { name: contestant.name, what: contestant.what, note, rounds };
  }
}

async function runAll(entries: readonly Entry[], rounds: number, plan: RoundPlan): Promise<void> {
  for (let round = 1; round <= rounds; round += 1) {
    for (const entry of entries.filter(({ note }) => note === undefined)) {
      const head = `round ${round} of ${rounds}, ${entry.contestant.name}:`;
      try {
        const result = await runRound(entry.contestant, plan);
        entry.rounds.push(result);
        const { scrapesPerSecond, p50Ms, p99Ms, foreignShare } = result;
        print(`${head} ${figure(scrapesPerSecond)} scrapes/s, p50 ${figure(p50Ms)} ms, p99 ${figure(p99Ms)} ms; ${figure(foreignShare * 100)} % of the CPU for anything else`);
      } catch (error) {
        entry.note = { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
        print(`${head} failed: ${entry.note.reason}`);
      }
    }
  }
}

function report(standings: readonly Standing[], options: BenchOptions, machine: Machine, textBytes: number): string {
  return [
    `${options.agents} agents with a target each, ${figure(options.bodyBytes / 1024)} KB gzip (${figure(textBytes / 1024)} KB of text), ${options.connections} scrapes in flight`,
    `on kept-alive connections, medians of ${options.rounds} interleaved rounds of ${options.seconds} s. ${machine.processors} processors (${machine.cpu}),`,
    `which the load generator and the emulated agents share; Node ${machine.node}, Envoy ${machine.envoy} with ${ENVOY_WORKERS} workers.`,
    '',
    summaryTable(standings),
    threadTable(standings),
    ...standings.map(({ name, what, note }) => `- ${name}: ${what}${note === undefined ? '' : `. ${note.kind}: ${note.reason}`}`),
    '',
  ].join('\n');
}

/** What the tables say at a glance, by the end of the file's name. */
function charts(standings: readonly Standing[]): Readonly<Record<'rate' | 'p99' | 'cpu', Chart>> {
  const bars = (valueOf: (round: RoundResult) => number): readonly Bar[] =>
    standings.flatMap(({ name, rounds }) => {
      const round = medianRound(rounds);
      return round === undefined ? [] : [{ label: name, value: valueOf(round) }];
    });
  const serverCpu = ({ processes }: RoundResult): number => processes.reduce((sum, { side, cpuUsPerScrape }) => sum + (side === 'server' ? cpuUsPerScrape : 0), 0);
  return {
    rate: { title: 'Scrapes', unit: '1/s', bars: bars(({ scrapesPerSecond }) => scrapesPerSecond) },
    p99: { title: '99th percentile', unit: 'ms', bars: bars(({ p99Ms }) => p99Ms) },
    cpu: { title: 'CPU of all servers', unit: 'µs a scrape', bars: bars(serverCpu) },
  };
}

async function writeResults(standings: readonly Standing[], options: BenchOptions, machine: Machine, markdown: string): Promise<string> {
  const dir = path.join(projectDir, 'bench/results');
  const at = new Date().toISOString();
  const base = path.join(dir, at.replaceAll(/[:.]/g, '-'));
  const contestants = standings.map((standing) => ({ ...standing, median: medianRound(standing.rounds) }));
  await mkdir(dir, { recursive: true });
  await writeFile(`${base}.json`, `${JSON.stringify({ at, options, warmUpSeconds: WARM_UP_SECONDS, machine, contestants }, null, 2)}\n`);
  await writeFile(`${base}.md`, markdown);
  for (const [name, chart] of Object.entries(charts(standings))) await writeFile(`${base}-${name}.svg`, barChart(chart));
  return path.relative(process.cwd(), base);
}

function chosen(only: BenchOptions['only']): readonly Contestant[] {
  return only === undefined ? CONTESTANTS : [...CONTESTANTS, ...BY_NAME].filter(({ name }) => only.includes(name));
}

async function main(argv: readonly string[]): Promise<number> {
  const read = readOptions(argv, [...CONTESTANTS, ...BY_NAME].map(({ name }) => name));
  if (!read.ok) {
    process.stderr.write(`${read.error}\n${USAGE}\n`);
    return 2;
  }
  const options = read.value;
  const machine = await describeMachine();
  await using runDir = await createTempDir();
  const body = makeBody(options.bodyBytes);
  const bodyFile = runDir.join('body.gz');
  await writeFile(bodyFile, body.gzipped);
  const entries = chosen(options.only).map((contestant) => new Entry(contestant));
  for (const { contestant, note } of entries) if (note?.kind === 'skipped') print(`${contestant.name}: skipped: ${note.reason}`);
  const agents = Array.from({ length: options.agents }, (_, index) => `agent-${String(index + 1).padStart(5, '0')}`);
  const { connections, seconds } = options;
  const plan = { runDir: runDir.path, agents, bodyFile, bodyDigest: digest(body.gzipped), connections, warmUpSeconds: WARM_UP_SECONDS, seconds };
  await runAll(entries, options.rounds, plan);
  const standings = entries.map(({ standing }) => standing);
  const markdown = report(standings, options, machine, body.textBytes);
  print(`\n${markdown}`);
  print(`written: ${await writeResults(standings, options, machine, markdown)}.{json,md}, and plots beside`);
  return standings.some(({ note }) => note?.kind === 'failed') ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
