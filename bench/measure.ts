import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { errnoOf } from '../src/lib/errno.js';
import { descendants, parseMachineTicks, parseResidentBytes, parseStat } from './proc.js';
import type { MachineTicks, ProcStat } from './proc.js';

/** What processes and their threads have used of the CPU between two looks, and the memory they hold. */

/** A process under measurement. Its role is what the table calls it. */
export interface Subject {
  readonly role: string;
  readonly pid: number;
}

export interface Look {
  readonly machine: MachineTicks;
  readonly subjects: readonly { readonly role: string; readonly process: ProcStat; readonly threads: readonly ProcStat[]; readonly residentBytes: number }[];
}

export interface Usage {
  readonly role: string;
  readonly cpuMs: number;
  readonly residentBytes: number;
  /** By the thread's name, those of one name together; the busiest first. */
  readonly threads: readonly { readonly name: string; readonly cpuMs: number }[];
}

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const MS_PER_TICK = 1000 / TICKS_PER_SECOND;

/** Throws where a subject is gone: it has crashed. */
export function look(subjects: readonly Subject[]): Look {
  return {
    machine: parseMachineTicks(read('/proc/stat') ?? ''),
    subjects: subjects.map(({ role, pid }) => {
      const process = parseStat(read(`/proc/${pid}/stat`) ?? '');
      if (process === undefined) throw new Error(`${role} has ended`);
      const threads = readdirSync(`/proc/${pid}/task`).flatMap((id) => parseStat(read(`/proc/${pid}/task/${id}/stat`) ?? '') ?? []);
      return { role, process, threads, residentBytes: parseResidentBytes(read(`/proc/${pid}/status`) ?? '') };
    }),
  };
}

/** CPU time between two looks at the same subjects; memory as it was at the second. */
export function usageBetween(before: Look, after: Look): readonly Usage[] {
  return after.subjects.map(({ role, process, threads, residentBytes }) => {
    const then = before.subjects.find((subject) => subject.process.id === process.id);
    const ticksThen = new Map(then?.threads.map(({ id, cpuTicks }) => [id, cpuTicks]));
    const byName = new Map<string, number>();
    for (const { id, name, cpuTicks } of threads) byName.set(name, (byName.get(name) ?? 0) + (cpuTicks - (ticksThen.get(id) ?? 0)) * MS_PER_TICK);
    return {
      role,
      cpuMs: (process.cpuTicks - (then?.process.cpuTicks ?? 0)) * MS_PER_TICK,
      residentBytes,
      threads: [...byName].map(([name, cpuMs]) => ({ name, cpuMs })).toSorted((a, b) => b.cpuMs - a.cpuMs),
    };
  });
}

/** Share of the machine's processors that went to anything but the subjects; the kernel's interrupts, those for the subjects too, are among it. */
export function foreignShare(before: Look, after: Look): number {
  const ticksOf = ({ subjects }: Look): number => subjects.reduce((sum, { process }) => sum + process.cpuTicks, 0);
  const foreign = after.machine.busy - before.machine.busy - (ticksOf(after) - ticksOf(before));
  return Math.max(0, foreign / (after.machine.total - before.machine.total));
}

/** The process called `name` that `pid` has started, itself or by others. */
export function findDescendant(pid: number, name: string): number {
  const all = readdirSync('/proc').flatMap((entry) => (/^\d+$/.test(entry) ? (parseStat(read(`/proc/${entry}/stat`) ?? '') ?? []) : []));
  const found = descendants(pid, all).find((each) => each.name === name);
  if (found === undefined) throw new Error(`process ${pid} has no descendant called ${name}`);
  return found.id;
}

/** Undefined: the process or thread has ended between listing and reading. */
function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
