import { writeFile } from 'node:fs/promises';
import { createTempDir } from '../../test/support/temp-dir.js';
import { digest, makeBody } from '../body.js';
import type { BulkMessage, BulkOptions } from '../bulk-load.js';
import { startChild } from '../child.js';
import { START_TIMEOUT_MS, withTimeout } from '../contestant.js';
import type { Contestant, Running } from '../contestant.js';
import { naive, plain } from '../contestants/all.js';
import { pushProx } from '../contestants/pushprox.js';
import { reverseTunnel } from '../contestants/reverse-tunnel.js';
import { secure } from '../contestants/secure.js';
import { bareEnvoy, direct } from '../contestants/without-tunnel.js';
import { look, usageBetween } from '../measure.js';
import type { Subject } from '../measure.js';
import { median } from '../statistics.js';
import { figure } from '../table.js';
import { agentNames } from './scenario.js';
import type { Finding, Scenario, ScenarioContext } from './scenario.js';

/** Bodies of 50 MB: how fast, and how much memory servers take for them. Each contestant is started afresh each round; its first body ever is what grows it. */
export const bulkScenario: Scenario = { name: 'bulk', what: '50 MB bodies, one at a time and four at once: throughput, and how servers grow', run };

const BODY_BYTES = 50 * 1024 * 1024;
const AGENTS = 4;
const BODIES = 8;
const LOOK_EVERY_MS = 50;
const SCRAPE_TIMEOUT_S = 60;
const FETCH_TIMEOUT_MS = 300_000;

interface Fetched {
  readonly mbPerSecond: number;
  readonly cpuMsPerBody: number;
  /** Most that the servers together held over what they held before, MB. */
  readonly growthMb: number;
}

interface Sample {
  readonly first: Fetched;
  readonly inTurn: Fetched;
  readonly atOnce: Fetched;
}

async function run({ dir: runDir, rounds, print }: ScenarioContext): Promise<Finding> {
  const body = makeBody(BODY_BYTES).gzipped;
  const bodyFile = `${runDir}/body.gz`;
  await writeFile(bodyFile, body);
  const contestants = [direct, bareEnvoy, plain, secure, naive, reverseTunnel, pushProx].filter((contestant) => contestant.skip?.() === undefined);
  const samples = new Map<Contestant, Sample[]>(contestants.map((contestant) => [contestant, []]));
  for (let round = 1; round <= rounds; round += 1) {
    for (const [contestant, taken] of samples) {
      await using started = new AsyncDisposableStack();
      const dir = started.use(await createTempDir()).path;
      const running = await contestant.start({ dir, runDir, agents: agentNames(AGENTS), bodyFile }, started);
      const fetched = (connections: number, bodies: number): Promise<Fetched> => fetchBodies(running, dir, { connections, bodies, bodyDigest: digest(body) });
      taken.push({ first: await fetched(1, 1), inTurn: await fetched(1, BODIES), atOnce: await fetched(AGENTS, BODIES) });
      print(`round ${round} of ${rounds}, ${contestant.name}: ${figure(taken.at(-1)?.inTurn.mbPerSecond ?? 0)} MB/s`);
    }
  }
  return finding(samples);
}

async function fetchBodies({ servers, load }: Running, dir: string, plan: Pick<BulkOptions, 'connections' | 'bodies' | 'bodyDigest'>): Promise<Fetched> {
  await using loader = await startChild<BulkOptions, BulkMessage>('bulk-load', dir, { ...load, ...plan, requests: load.requests.map((request) => withTimeout(request, SCRAPE_TIMEOUT_S)) });
  const before = look(servers);
  await loader.next(START_TIMEOUT_MS);
  let mostBytes = residentBytes(servers);
  const looking = setInterval(() => (mostBytes = Math.max(mostBytes, residentBytes(servers))), LOOK_EVERY_MS);
  try {
    const result = await loader.next(FETCH_TIMEOUT_MS);
    if (result.type !== 'result') throw new Error(`the load said "${result.type}"`);
    const cpuMs = usageBetween(before, look(servers)).reduce((sum, usage) => sum + usage.cpuMs, 0);
    const beforeBytes = before.subjects.reduce((sum, subject) => sum + subject.residentBytes, 0);
    return { mbPerSecond: result.bytes / 2 ** 20 / result.seconds, cpuMsPerBody: cpuMs / plan.bodies, growthMb: (mostBytes - beforeBytes) / 2 ** 20 };
  } finally {
    clearInterval(looking);
  }
}

function residentBytes(subjects: readonly Subject[]): number {
  return look(subjects).subjects.reduce((sum, subject) => sum + subject.residentBytes, 0);
}

function finding(samples: ReadonlyMap<Contestant, readonly Sample[]>): Finding {
  const beside = samples.get(bareEnvoy) ?? [];
  const rows = [...samples].map(([contestant, taken]) => {
    const of = (valueOf: (sample: Sample) => number): string => figure(median(taken.map(valueOf)));
    const ratio = median(taken.map(({ inTurn }, round) => inTurn.mbPerSecond / (beside[round]?.inTurn.mbPerSecond ?? Number.NaN)));
    return [
      contestant.name,
      of(({ inTurn }) => inTurn.mbPerSecond),
      `${figure(ratio * 100)} %`,
      of(({ atOnce }) => atOnce.mbPerSecond),
      of(({ inTurn }) => inTurn.cpuMsPerBody),
      of(({ first }) => first.growthMb),
      of(({ inTurn }) => inTurn.growthMb),
      of(({ atOnce }) => atOnce.growthMb),
    ];
  });
  return {
    head: ['contestant', 'MB/s, one at a time', 'against envoy', 'MB/s, four at once', 'server CPU ms/body', 'growth MB: the first body', `then ${BODIES} more in turn`, 'then four at once'],
    rows,
    notes: [
      'Growth is the most that all servers of the contestant held during the fetch over what they held before it, RSS; medians.',
      'Load and targets hash and send the same bytes on the same processors: `direct` is what they can do.',
    ],
    data: [...samples].map(([{ name, what }, taken]) => ({ name, what, taken })),
  };
}
