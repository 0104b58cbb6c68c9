import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { projectDir } from '../test/support/project.js';
import { createTempDir } from '../test/support/temp-dir.js';
import { makeBody } from './body.js';
import { startChild } from './child.js';
import { START_TIMEOUT_MS } from './contestant.js';
import { startSecureGateway } from './contestants/secure.js';
import type { AgentsMessage, AgentsOptions } from './emulated-agents.js';
import { describeMachine } from './machine.js';
import { findDescendant, look, usageBetween } from './measure.js';
import type { Look } from './measure.js';

/**
 * `npm run bench -- --herd [AGENTS]`: all agents lose one gateway at the same moment, killed with its Envoy, and it is started again at
 * once. How long until all are back, how many handshakes in the worst second, and what that costs.
 */

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

async function measure(count: number): Promise<Herd> {
  await using started = new AsyncDisposableStack();
  const runDir = started.use(await createTempDir());
  const dir = started.use(await createTempDir()).path;
  const agents = Array.from({ length: count }, (_, index) => `agent-${String(index + 1).padStart(5, '0')}`);
  const bodyFile = runDir.join('body.gz');
  await writeFile(bodyFile, makeBody(BODY_BYTES).gzipped);
  const round = { dir, runDir: runDir.path, agents, bodyFile };
  const { gateway, certificates } = await startSecureGateway(round, started);
  const emulated = started.use(await startChild<AgentsOptions, AgentsMessage>('emulated-agents', dir, {
    names: agents,
    dial: { kind: 'tls', host: '127.0.0.1', port: gateway.ports.agents, serverName: 'localhost', caFile: certificates.serverCaFile, certificateDir: `${runDir.path}/pki/agents` },
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

async function main(): Promise<void> {
  const machine = await describeMachine();
  const herd = await measure(Number(process.argv[2] ?? 1000));
  const base = path.join(projectDir, 'bench/results', `herd-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`);
  const columns = { agents: herd.agents, 'down ms': herd.downMs, 'half back ms': herd.halfBackMs, 'all back ms': herd.allBackMs, handshakes: herd.handshakes, 'in the worst second': herd.handshakesInWorstSecond, ...Object.fromEntries(Object.entries(herd.cpuMs).map(([role, ms]) => [`${role} CPU ms`, ms])), 'CPU ms in the worst second': herd.worstSecondCpuMs };
  const row = (cells: readonly unknown[]): string => `| ${cells.join(' | ')} |`;
  const markdown = [row(Object.keys(columns)), row(Object.keys(columns).map(() => '---')), row(Object.values(columns)), ''].join('\n');
  await mkdir(path.dirname(base), { recursive: true });
  await writeFile(`${base}.json`, `${JSON.stringify({ machine, herd }, null, 2)}\n`);
  await writeFile(`${base}.md`, markdown);
  process.stdout.write(`${markdown}written: ${path.relative(process.cwd(), base)}.{json,md}\n`);
}

await main();
