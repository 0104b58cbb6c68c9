import { writeFile } from 'node:fs/promises';
import { startAgent } from '../../test/support/agent.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import { digest, makeBody } from '../body.js';
import { doorLoad, startSecureGateway } from '../contestants/secure.js';
import { startTarget } from '../contestants/without-tunnel.js';
import { findDescendant } from '../measure.js';
import { underLoad } from '../round.js';
import type { RoundResult } from '../round.js';
import { median } from '../statistics.js';
import { figure } from '../table.js';
import { agentNames } from './scenario.js';
import type { Finding, Scenario, ScenarioContext } from './scenario.js';

/** A real `scrapeway agent` with 200 targets, behind a whole gateway: what a scrape costs it, what it holds, how soon it serves. A new process each round. */
export const agentScenario: Scenario = { name: 'agent', what: 'the real agent with 200 targets: CPU of a scrape, memory, start', run };

const TARGETS = 200;
const CONNECTIONS = 20;
const BODY_BYTES = 6144;
const WARM_UP_SECONDS = 3;
const [AGENT = ''] = agentNames(1);

interface Sample extends RoundResult {
  readonly startMs: number;
}

async function run({ dir: runDir, rounds, seconds, print }: ScenarioContext): Promise<Finding> {
  const body = makeBody(BODY_BYTES).gzipped;
  const bodyFile = `${runDir}/body.gz`;
  await writeFile(bodyFile, body);
  await using started = new AsyncDisposableStack();
  const dir = started.use(await createTempDir()).path;
  const { gateway, certificates } = await startSecureGateway({ dir, runDir, agents: [AGENT], bodyFile }, started);
  const { target, port } = await startTarget({ dir, bodyFile }, started);
  const targets = Array.from({ length: TARGETS }, (_, index) => ({ name: `target-${index + 1}`, url: `http://127.0.0.1:${port}/${index + 1}/metrics` }));
  const load = doorLoad({ targets: targets.map(({ name }) => `${AGENT}/${name}`), certificates, port: gateway.ports.scrape });
  const samples: Sample[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    await using life = new AsyncDisposableStack();
    const own = life.use(await createTempDir()).path;
    const startedMs = performance.now();
    const agent = life.use(await startAgent({ dir: own, pki: certificates, certificate: { certificateFile: `${runDir}/pki/agents/${AGENT}.crt`, keyFile: `${runDir}/pki/agents/${AGENT}.key` }, name: AGENT, gatewayPort: gateway.ports.agents, targets }));
    await agent.waitUntilReady();
    const startMs = performance.now() - startedMs;
    const servers = [
      { role: 'agent', pid: agent.process.pid },
      { role: 'gateway', pid: gateway.process.pid },
      { role: 'Envoy', pid: findDescendant(gateway.process.pid, 'envoy') },
    ];
    const result = await underLoad(servers, [{ role: 'targets', pid: target.pid }], { ...load, connections: CONNECTIONS, bodyDigest: digest(body), warmUpSeconds: WARM_UP_SECONDS, seconds }, dir);
    samples.push({ ...result, startMs });
    print(`round ${round} of ${rounds}: ${figure(agentOf(result).cpuUsPerScrape)} µs a scrape in the agent`);
  }
  return finding(samples);
}

function agentOf({ processes }: RoundResult): RoundResult['processes'][number] {
  const agent = processes.find(({ role }) => role === 'agent');
  if (agent === undefined) throw new Error('the agent was not measured');
  return agent;
}

function finding(samples: readonly Sample[]): Finding {
  const cpuUs = median(samples.map((sample) => agentOf(sample).cpuUsPerScrape));
  const threads = new Map(samples.slice(0, 1).flatMap((sample) => agentOf(sample).threads).map(({ name, cpuUsPerScrape }) => [name, cpuUsPerScrape]));
  return {
    head: ['agent', 'CPU µs/scrape', 'scrapes/s of one processor', 'RSS MB, under load', 'start ms, to its tunnel', 'scrapes/s here'],
    rows: [['200 targets', figure(cpuUs), figure(1_000_000 / cpuUs), figure(median(samples.map((sample) => agentOf(sample).residentMb))), figure(median(samples.map(({ startMs }) => startMs))), figure(median(samples.map(({ scrapesPerSecond }) => scrapesPerSecond)))]],
    notes: [
      'Scrapes/s of one processor is the inverse of the CPU, all threads of the agent counted; what passes here is bounded by the processors that all share.',
      `Threads, µs/scrape: ${[...threads].filter(([, us]) => us >= 1).map(([name, us]) => `${name} ${figure(us)}`).join(', ')}.`,
    ],
    data: samples,
  };
}
