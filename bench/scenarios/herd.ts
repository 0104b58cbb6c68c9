import { writeFile } from 'node:fs/promises';
import { createTempDir } from '../../test/support/temp-dir.js';
import { makeBody } from '../body.js';
import { startChild } from '../child.js';
import { START_TIMEOUT_MS } from '../contestant.js';
import { startSecureGateway } from '../contestants/secure.js';
import type { AgentsMessage, AgentsOptions } from '../emulated-agents.js';
import { findDescendant, look, usageBetween } from '../measure.js';
import type { Look } from '../measure.js';
import { figure } from '../table.js';
import { agentNames } from './scenario.js';
import type { Finding, Scenario, ScenarioContext } from './scenario.js';

/**
 * All agents lose one gateway at the same moment, killed with its Envoy, and it is started again at once. How long until all are back, how many
 * handshakes in the worst second, and what that costs.
 */
export const herdScenario: Scenario = {
  name: 'herd',
  what: 'the gateway is killed and started again under all its agents: how they come back',
  run: async ({ dir, agents }: ScenarioContext): Promise<Finding> => {
    const herd = await measure(agentNames(agents ?? AGENTS), dir);
    const cpu = Object.entries(herd.cpuMs);
    return {
      head: ['agents', 'down ms', 'half back ms', 'all back ms', 'handshakes', 'in the worst second', ...cpu.map(([role]) => `${role} CPU ms`), 'CPU ms in the worst second'],
      rows: [[herd.agents, herd.downMs, herd.halfBackMs, herd.allBackMs, herd.handshakes, herd.handshakesInWorstSecond, ...cpu.map(([, ms]) => ms), herd.worstSecondCpuMs].map(figure)],
      notes: ['"Back" counts from the moment at which the new gateway was ready; all agents run in one process, whose handshakes take the same processors.'],
      data: herd,
    };
  },
};

const AGENTS = 1000;
const BACK_TIMEOUT_MS = 120_000;
const BODY_BYTES = 1024;
const SAMPLE_MS = 1000;

interface Herd {
  readonly agents: number;
  /** From the kill until the gateway took tunnels again. */
  readonly downMs: number;
  /** From then on. */
  readonly halfBackMs: number;
  readonly allBackMs: number;
  readonly handshakes: number;
  readonly handshakesInWorstSecond: number;
  readonly cpuMs: Readonly<Record<string, number>>;
  /** Of both together, in the second in which it was most. */
  readonly worstSecondCpuMs: number;
}

async function measure(agents: readonly string[], runDir: string): Promise<Herd> {
  const count = agents.length;
  await using started = new AsyncDisposableStack();
  const dir = started.use(await createTempDir()).path;
  const bodyFile = `${runDir}/body.gz`;
  await writeFile(bodyFile, makeBody(BODY_BYTES).gzipped);
  const round = { dir, runDir, agents, bodyFile };
  const { gateway, certificates } = await startSecureGateway(round, started);
  const emulated = started.use(await startChild<AgentsOptions, AgentsMessage>('emulated-agents', dir, {
    names: agents,
    dial: { kind: 'tls', host: '127.0.0.1', port: gateway.ports.agents, serverName: 'localhost', caFile: certificates.serverCaFile, certificateDir: `${runDir}/pki/agents` },
    registers: true,
    bodyFile,
    reconnects: true,
  }));
  await emulated.next(START_TIMEOUT_MS);
  gateway.process.signal('SIGKILL');
  const killedMs = Date.now();
  await gateway.process.exited;
  const { gateway: again } = await startSecureGateway(round, started, gateway.ports);
  const readyMs = Date.now();
  const subjects = [{ role: 'Envoy', pid: findDescendant(again.process.pid, 'envoy') }, { role: 'gateway', pid: again.process.pid }];
  const looks = [look(subjects)];
  const sampler = setInterval(() => looks.push(look(subjects)), SAMPLE_MS);
  const back = await emulated.next(BACK_TIMEOUT_MS).finally(() => clearInterval(sampler));
  if (back.type !== 'back') throw new Error(`the agents said "${back.type}"`);
  const last = look(subjects);
  const usage = usageBetween(looks[0] ?? last, last);
  const returns = back.returnsAtMs.toSorted((a, b) => a - b).map((atMs) => Math.max(0, atMs - readyMs));
  return {
    agents: count,
    downMs: readyMs - killedMs,
    halfBackMs: returns[Math.floor(count / 2)] ?? 0,
    allBackMs: returns.at(-1) ?? 0,
    handshakes: back.handshakesAtMs.length,
    handshakesInWorstSecond: worstSecond(back.handshakesAtMs),
    cpuMs: Object.fromEntries(usage.map(({ role, cpuMs }) => [role, Math.round(cpuMs)])),
    worstSecondCpuMs: Math.round(Math.max(...[...looks, last].map((each, index) => cpuBetween(looks[index - 1] ?? each, each)))),
  };
}

const cpuBetween = (before: Look, after: Look): number => usageBetween(before, after).reduce((sum, { cpuMs }) => sum + cpuMs, 0);

/** The most within any one second. */
function worstSecond(timesMs: readonly number[]): number {
  const sorted = timesMs.toSorted((a, b) => a - b);
  let from = 0;
  return sorted.reduce((worst, atMs, index) => {
    while (atMs - (sorted[from] ?? atMs) >= 1000) from += 1;
    return Math.max(worst, index - from + 1);
  }, 0);
}
