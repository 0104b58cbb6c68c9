import { writeFile } from 'node:fs/promises';
import { createTempDir } from '../../test/support/temp-dir.js';
import { digest, makeBody } from '../body.js';
import type { Round } from '../contestant.js';
import { connectAll, startSecureGateway } from '../contestants/secure.js';
import type { SecureGateway } from '../contestants/secure.js';
import type { RunningGateway } from '../../test/support/gateway.js';
import { findDescendant } from '../measure.js';
import { underLoad } from '../round.js';
import type { RoundResult } from '../round.js';
import { median } from '../statistics.js';
import { figure } from '../table.js';
import { agentNames } from './scenario.js';
import type { Finding, Scenario, ScenarioContext } from './scenario.js';

/**
 * Does a scrape notice that the configuration changes? One gateway under load, windows in turn: nothing changes; a tenant's rate does, four times a
 * second (a change of the routes each, by xDS); the whole list of agents is given anew each second, with a thousand more or less (what a re-list of a
 * cluster does: all is read, compared, and compiled again).
 */
export const churnScenario: Scenario = { name: 'churn', what: 'xDS changes and whole lists given anew, under load: p99 with and without, windows in turn', run };

const AGENTS = 300;
/** Fewer than fill the processors: a queue of our own making would hide everything. */
const CONNECTIONS = 4;
const BODY_BYTES = 6144;
const PASSING = 1000;
const WARM_UP_SECONDS = 1;

type Configured = SecureGateway['configured'];

interface Disturbance {
  readonly name: string;
  /** Undefined: never. */
  readonly everyMs: number | undefined;
  /** What the configuration becomes the `count`th time. */
  change(count: number, configured: Configured): Configured;
}

const DISTURBANCES: readonly Disturbance[] = [
  { name: 'nothing changes', everyMs: undefined, change: (_count, configured) => configured },
  { name: 'nothing changes, again', everyMs: undefined, change: (_count, configured) => configured },
  {
    name: "a tenant's rate changes, 4/s",
    everyMs: 250,
    change: (count, { tenants, agents }) => ({ tenants: [...tenants, { name: 'team-b', credentials: [], limits: { requestsPerSecond: 100 + (count % 2) } }], agents }),
  },
  {
    name: 'all agents given anew, and 1,000 come or go, 1/s',
    everyMs: 1000,
    change: (count, { tenants, agents }) => ({ tenants, agents: count % 2 === 0 ? agents : [...agents, ...agentNames(PASSING).map((name) => ({ name: `passing-${name}`, tenants: ['team-a'] }))] }),
  },
];

interface Window extends RoundResult {
  /** Changes that were made in it. */
  readonly changes: number;
}

async function run({ dir: runDir, rounds, seconds, agents: wanted, print }: ScenarioContext): Promise<Finding> {
  await using started = new AsyncDisposableStack();
  const dir = started.use(await createTempDir()).path;
  const agents = agentNames(wanted ?? AGENTS);
  const body = makeBody(BODY_BYTES).gzipped;
  const bodyFile = `${runDir}/body.gz`;
  await writeFile(bodyFile, body);
  const round: Round = { dir, runDir, agents, bodyFile };
  const secured = await startSecureGateway(round, started);
  const { gateway, configured } = secured;
  const running = await connectAll(round, started, { ...secured, envoyPid: findDescendant(gateway.process.pid, 'envoy'), ports: gateway.ports });
  const plan = { ...running.load, connections: CONNECTIONS, bodyDigest: digest(body), warmUpSeconds: WARM_UP_SECONDS, seconds };
  const windows = new Map<Disturbance, Window[]>(DISTURBANCES.map((disturbance) => [disturbance, []]));
  for (let count = 1; count <= rounds; count += 1) {
    for (const [disturbance, taken] of windows) {
      const disturbed = disturb(disturbance, gateway, configured);
      try {
        const result = await underLoad(running.servers, [{ role: 'agents', pid: running.agentsPid }], plan, dir);
        taken.push({ ...result, changes: disturbed.changes() });
      } finally {
        await disturbed.end();
      }
      print(`window ${count} of ${rounds}, ${disturbance.name}: p99 ${figure(taken.at(-1)?.p99Ms ?? 0)} ms`);
    }
  }
  return finding(windows);
}

interface Disturbed {
  changes(): number;
  /** As it was before. */
  end(): Promise<void>;
}

function disturb({ everyMs, change }: Disturbance, gateway: RunningGateway, configured: Configured): Disturbed {
  let count = 0;
  let last = Promise.resolve();
  const timer = everyMs === undefined ? undefined : setInterval(() => {
    count += 1;
    last = last.then(() => gateway.reconfigure(change(count, configured)));
  }, everyMs);
  return {
    changes: () => count,
    end: async () => {
      clearInterval(timer);
      await last;
      if (count > 0) await gateway.reconfigure(configured);
    },
  };
}

function finding(windows: ReadonlyMap<Disturbance, readonly Window[]>): Finding {
  const [quiet = []] = windows.values();
  const rows = [...windows].map(([{ name }, taken]) => {
    const ratios = taken.map(({ p99Ms }, index) => p99Ms / (quiet[index]?.p99Ms ?? Number.NaN));
    return [
      name,
      figure(median(taken.map(({ p50Ms }) => p50Ms))),
      figure(median(taken.map(({ p99Ms }) => p99Ms))),
      `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
      figure(median(taken.map(({ scrapesPerSecond }) => scrapesPerSecond))),
      figure(taken.reduce((sum, { changes }) => sum + changes, 0)),
    ];
  });
  return {
    head: ['in the window', 'p50 ms', 'p99 ms', 'p99 against the first (range)', 'scrapes/s', 'changes'],
    rows,
    notes: [
      'Ratios within a round, median; the second line shows what is noise. Every body was compared by its digest.',
      'Changes are made in the configuration file, which the gateway follows; one that comes while the one before is being taken in is taken in with the next.',
    ],
    data: [...windows].map(([{ name }, taken]) => ({ name, taken })),
  };
}
