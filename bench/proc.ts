/** Reads what Linux tells of processes and threads: /proc/<pid>/stat, its like in task/<tid>/, /proc/<pid>/status, and /proc/stat. Pure. */

export interface ProcStat {
  readonly id: number;
  readonly name: string;
  readonly parentId: number;
  /** User and system time, in clock ticks. */
  readonly cpuTicks: number;
}

/** Undefined for what is no such line. The name stands in parentheses and may itself contain blanks and parentheses. */
export function parseStat(text: string): ProcStat | undefined {
  const [, id, name, rest] = /^(\d+) \(([^]*)\) ([^)]*)$/.exec(text.trimEnd()) ?? [];
  if (id === undefined || name === undefined || rest === undefined) return undefined;
  // proc(5) counts from 1; `rest` begins with field 3, the state.
  const field = (number: number): number => Number(rest.split(' ')[number - 3]);
  const stat = { id: Number(id), name, parentId: field(4), cpuTicks: field(14) + field(15) };
  return Number.isNaN(stat.parentId + stat.cpuTicks) ? undefined : stat;
}

/** Resident memory in bytes, 0 where the text has none (a thread of the kernel). */
export function parseResidentBytes(status: string): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

/** All processors together since the start of the machine, in clock ticks. */
export interface MachineTicks {
  readonly busy: number;
  readonly total: number;
}

/** The first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal; what follows is contained in these. */
export function parseMachineTicks(text: string): MachineTicks {
  const ticks = (/^cpu +(.*)$/m.exec(text)?.[1] ?? '').split(' ').slice(0, 8).map(Number);
  const total = ticks.reduce((sum, each) => sum + each, 0);
  return { total, busy: total - (ticks[3] ?? 0) - (ticks[4] ?? 0) };
}

/** The processes below `id`, however deep, parents before children. */
export function descendants(id: number, all: readonly ProcStat[]): readonly ProcStat[] {
  const found: ProcStat[] = [];
  for (let parents = [id]; parents.length > 0; ) {
    const children = all.filter(({ parentId }) => parents.includes(parentId));
    found.push(...children);
    parents = children.map((child) => child.id);
  }
  return found;
}
