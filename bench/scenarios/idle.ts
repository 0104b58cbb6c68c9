import { setTimeout } from 'node:timers/promises';
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
 * Agents that are connected and not scraped: what each holds in Envoy and in the gateway, as the slope between a fifth of them and all (so that neither
 * process' own size counts), and what all of them cost while nothing happens but keep-alive.
 */
export const idleScenario: Scenario = { name: 'idle', what: 'idle agents over mTLS tunnels: memory of each, CPU of all', run };

const AGENTS = 5000;
/** After the last agent has registered: answers given, garbage collected. */
const SETTLE_MS = 15_000;
const IDLE_MS = 30_000;
const CONNECT_TIMEOUT_MS = 5 * START_TIMEOUT_MS;

async function run({ dir: runDir, agents: wanted, print }: ScenarioContext): Promise<Finding> {
  await using started = new AsyncDisposableStack();
  const dir = started.use(await createTempDir()).path;
  const agents = agentNames(wanted ?? AGENTS);
  const bodyFile = `${runDir}/body.gz`;
  await writeFile(bodyFile, makeBody(1024).gzipped);
  print(`${agents.length} certificates are being issued`);
  const { gateway, certificates } = await startSecureGateway({ dir, runDir, agents, bodyFile }, started);
  const subjects = [
    { role: 'Envoy', pid: findDescendant(gateway.process.pid, 'envoy') },
    { role: 'gateway', pid: gateway.process.pid },
  ];
  const connect = async (names: readonly string[]): Promise<void> => {
    const own = started.use(await createTempDir()).path;
    const emulated = started.use(
      await startChild<AgentsOptions, AgentsMessage>('emulated-agents', own, {
        names,
        dial: { kind: 'tls', host: '127.0.0.1', port: gateway.ports.agents, serverName: 'localhost', caFile: certificates.serverCaFile, certificateDir: `${runDir}/pki/agents` },
        registers: true,
        bodyFile,
      }),
    );
    await emulated.next(CONNECT_TIMEOUT_MS);
    await setTimeout(SETTLE_MS);
  };
  const few = Math.ceil(agents.length / 5);
  const empty = look(subjects);
  await connect(agents.slice(0, few));
  const afterFew = look(subjects);
  print(`${few} agents are connected`);
  await connect(agents.slice(few));
  const afterAll = look(subjects);
  print(`${agents.length} agents are connected`);
  await setTimeout(IDLE_MS);
  return finding(few, agents.length, { empty, afterFew, afterAll, afterIdle: look(subjects) });
}

interface Looks {
  readonly empty: Look;
  readonly afterFew: Look;
  readonly afterAll: Look;
  readonly afterIdle: Look;
}

function finding(few: number, all: number, looks: Looks): Finding {
  const residentOf = (at: Look, role: string): number => at.subjects.find((subject) => subject.role === role)?.residentBytes ?? 0;
  const idle = usageBetween(looks.afterAll, looks.afterIdle);
  const figures = idle.map(({ role, cpuMs, threads }) => ({
    role,
    emptyMb: residentOf(looks.empty, role) / 2 ** 20,
    fewMb: residentOf(looks.afterFew, role) / 2 ** 20,
    allMb: residentOf(looks.afterAll, role) / 2 ** 20,
    kbPerAgent: (residentOf(looks.afterAll, role) - residentOf(looks.afterFew, role)) / 1024 / (all - few),
    idleCpuPercent: (cpuMs / IDLE_MS) * 100,
    threads: threads.map((thread) => ({ name: thread.name, percent: (thread.cpuMs / IDLE_MS) * 100 })),
  }));
  const sum = (valueOf: (each: (typeof figures)[number]) => number): string => figure(figures.reduce((total, each) => total + valueOf(each), 0));
  return {
    head: ['process', 'RSS MB, no agent', `${few} agents`, `${all} agents`, 'KB/agent (slope)', `CPU % of one processor, ${all} idle`],
    rows: [
      ...figures.map((each) => [each.role, figure(each.emptyMb), figure(each.fewMb), figure(each.allMb), figure(each.kbPerAgent), figure(each.idleCpuPercent)]),
      ['both', sum(({ emptyMb }) => emptyMb), sum(({ fewMb }) => fewMb), sum(({ allMb }) => allMb), sum(({ kbPerAgent }) => kbPerAgent), sum(({ idleCpuPercent }) => idleCpuPercent)],
    ],
    notes: [
      'The configuration has all agents from the start. Keep-alive: the hub asks each tunnel that has been quiet for 3.5 s.',
      ...figures.map(({ role, threads }) => `idle, ${role}: ${threads.filter(({ percent }) => percent >= 0.1).map(({ name, percent }) => `${name} ${figure(percent)} %`).join(', ') || 'nothing to speak of'}`),
    ],
    data: figures,
  };
}
