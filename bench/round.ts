import { createTempDir } from '../test/support/temp-dir.js';
import { startChild } from './child.js';
import type { Child } from './child.js';
import type { Contestant, Round } from './contestant.js';
import type { LoadMessage, LoadOptions } from './load.js';
import { foreignShare, look, usageBetween } from './measure.js';
import type { Subject } from './measure.js';

/** One contestant, once: started, warmed up, loaded, measured, stopped. */

export interface RoundPlan extends Omit<Round, 'dir'>, Pick<LoadOptions, 'connections' | 'bodyDigest' | 'warmUpSeconds' | 'seconds'> {}

export interface RoundResult {
  readonly scrapesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of all processors, 0 to 1: what went to neither servers nor clients. Much of it: the rates are worth little, CPU per scrape still something. */
  readonly foreignShare: number;
  readonly processes: readonly ProcessFigures[];
}

export interface ProcessFigures {
  readonly role: string;
  /** server: its cost counts; client: the load generator and the emulated agents, which share the machine. */
  readonly side: 'server' | 'client';
  readonly cpuUsPerScrape: number;
  readonly residentMb: number;
  /** By name, the busiest first. */
  readonly threads: readonly { readonly name: string; readonly cpuUsPerScrape: number }[];
}

const CONNECT_TIMEOUT_MS = 20_000;
const MESSAGE_SLACK_MS = 20_000;

/** Rejects when the contestant does not start, ends on its own, or answers any scrape with anything but the target's body. */
export async function runRound(contestant: Contestant, plan: RoundPlan): Promise<RoundResult> {
  await using started = new AsyncDisposableStack();
  const dir = started.use(await createTempDir());
  const { servers, agentsPid, load } = await contestant.start({ ...plan, dir: dir.path }, started);
  // `await`: what is in use here ends when the round has, not when it has begun
  return await underLoad(servers, [{ role: 'agents', pid: agentsPid }], { ...load, ...plan }, dir.path);
}

/** Loads what runs already. `others`: who besides the load generator takes part without being measured for its cost. */
export async function underLoad(servers: readonly Subject[], others: readonly Subject[], load: LoadOptions, dir: string): Promise<RoundResult> {
  await using generator = await startChild<LoadOptions, LoadMessage>('load', dir, load);
  const clients = [...others, { role: 'load', pid: generator.pid }];
  await receive(generator, 'started', CONNECT_TIMEOUT_MS + load.warmUpSeconds * 1000);
  const before = look([...servers, ...clients]);
  await receive(generator, 'stopped', MESSAGE_SLACK_MS + load.seconds * 1000);
  const after = look([...servers, ...clients]);
  const { scrapes, seconds, p50Ms, p99Ms, failures, firstFailure } = await receive(generator, 'result', MESSAGE_SLACK_MS);
  if (failures > 0) throw new Error(`${failures} of ${scrapes} scrapes failed; the first: ${firstFailure}`);
  if (scrapes === 0) throw new Error('not one scrape was answered');
  const perScrape = (cpuMs: number): number => (cpuMs * 1000) / scrapes;
  return {
    scrapesPerSecond: scrapes / seconds,
    p50Ms,
    p99Ms,
    foreignShare: foreignShare(before, after),
    processes: usageBetween(before, after).map(({ role, cpuMs, residentBytes, threads }) => ({
      role,
      side: servers.some((server) => server.role === role) ? 'server' : 'client',
      cpuUsPerScrape: perScrape(cpuMs),
      residentMb: residentBytes / 2 ** 20,
      threads: threads.map((thread) => ({ name: thread.name, cpuUsPerScrape: perScrape(thread.cpuMs) })),
    })),
  };
}

async function receive<Type extends LoadMessage['type']>(generator: Child<LoadMessage>, type: Type, timeoutMs: number): Promise<Extract<LoadMessage, { type: Type }>> {
  const message = await generator.next(timeoutMs);
  if (!isOfType(message, type)) throw new Error(`the load generator said "${message.type}" where "${type}" was due`);
  return message;
}

function isOfType<Type extends LoadMessage['type']>(message: LoadMessage, type: Type): message is Extract<LoadMessage, { type: Type }> {
  return message.type === type;
}
