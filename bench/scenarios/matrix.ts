import { writeFile } from 'node:fs/promises';
import { digest, makeBody } from '../body.js';
import type { Contestant } from '../contestant.js';
import { naive, plain } from '../contestants/all.js';
import { pushProx } from '../contestants/pushprox.js';
import { secure } from '../contestants/secure.js';
import { bareEnvoy } from '../contestants/without-tunnel.js';
import { runRound } from '../round.js';
import type { RoundResult } from '../round.js';
import { medianRound } from '../summary.js';
import { figure } from '../table.js';
import { agentNames } from './scenario.js';
import type { Finding, Scenario, ScenarioContext } from './scenario.js';

/** The main table's contestants away from its middle: few agents and many, small bodies and large. One thing changes at a time. */
export const matrixScenario: Scenario = { name: 'matrix', what: '1, 100 and 5,000 agents with 6 KB, and 0.9 KB and 300 KB with 100 agents (50 MB: `bulk`)', run };

const KB = 1024;
const WARM_UP_SECONDS = 3;

interface Cell {
  readonly agents: number;
  readonly bodyBytes: number;
  readonly connections: number;
}

const CELLS: readonly Cell[] = [
  { agents: 1, bodyBytes: 6 * KB, connections: 50 },
  { agents: 100, bodyBytes: 6 * KB, connections: 100 },
  { agents: 5000, bodyBytes: 6 * KB, connections: 100 },
  { agents: 100, bodyBytes: 900, connections: 100 },
  { agents: 100, bodyBytes: 300 * KB, connections: 20 },
];

interface Taken {
  readonly cell: Cell;
  readonly contestant: Contestant;
  readonly rounds: RoundResult[];
  failure?: string;
}

async function run({ dir: runDir, rounds, seconds, print }: ScenarioContext): Promise<Finding> {
  const contestants = [bareEnvoy, plain, secure, naive, pushProx].filter((contestant) => contestant.skip?.() === undefined);
  const all = CELLS.flatMap((cell) => contestants.map((contestant): Taken => ({ cell, contestant, rounds: [] })));
  for (const cell of CELLS) {
    const body = makeBody(cell.bodyBytes).gzipped;
    const bodyFile = `${runDir}/body-${cell.bodyBytes}.gz`;
    await writeFile(bodyFile, body);
    const plan = { runDir, agents: agentNames(cell.agents), bodyFile, bodyDigest: digest(body), connections: cell.connections, warmUpSeconds: WARM_UP_SECONDS, seconds };
    for (let round = 1; round <= rounds; round += 1) {
      for (const taken of all.filter((each) => each.cell === cell && each.failure === undefined)) {
        try {
          taken.rounds.push(await runRound(taken.contestant, plan));
        } catch (error) {
          taken.failure = error instanceof Error ? error.message : String(error);
        }
        print(`${nameOf(cell)}, round ${round} of ${rounds}, ${taken.contestant.name}: ${taken.failure ?? `${figure(taken.rounds.at(-1)?.scrapesPerSecond ?? 0)} scrapes/s`}`);
      }
    }
  }
  return finding(all);
}

function nameOf({ agents, bodyBytes, connections }: Cell): string {
  return `${figure(agents)} agents, ${figure(bodyBytes / KB)} KB, ${connections} in flight`;
}

function finding(all: readonly Taken[]): Finding {
  const rows = all.map(({ cell, contestant, rounds, failure }) => {
    const round = medianRound(rounds);
    if (round === undefined) return [nameOf(cell), contestant.name, failure ?? 'no rounds'];
    const servers = round.processes.filter(({ side }) => side === 'server');
    const sum = (valueOf: (process: (typeof servers)[number]) => number): string => figure(servers.reduce((total, process) => total + valueOf(process), 0));
    return [nameOf(cell), contestant.name, figure(round.scrapesPerSecond), figure(round.p50Ms), figure(round.p99Ms), sum(({ cpuUsPerScrape }) => cpuUsPerScrape), sum(({ residentMb }) => residentMb)];
  });
  return {
    head: ['cell', 'contestant', 'scrapes/s', 'p50 ms', 'p99 ms', 'CPU µs/scrape, all servers', 'RSS MB, all servers'],
    rows,
    notes: ['Medians of interleaved rounds. A contestant that fails once is left out of the rest of its cell.'],
    data: all.map(({ cell, contestant, rounds, failure }) => ({ cell, contestant: contestant.name, rounds, failure })),
  };
}
