import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { binary } from '../test/support/binaries.js';
import { projectDir } from '../test/support/project.js';

/** What a figure depends on besides the code. */
export interface Machine {
  readonly cpu: string;
  readonly processors: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  readonly envoy: string;
  /** Commit of the project, with `-dirty` where the work tree differs; undefined outside of git. */
  readonly commit: string | undefined;
  /** One-minute load average before the first round: somebody else's. */
  readonly loadBefore: number;
}

export async function describeMachine(): Promise<Machine> {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    processors: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    envoy: /\/(\d+\.\d+\.\d+)\//.exec((await output(await binary('envoy'), ['--version'])) ?? '')?.[1] ?? 'unknown',
    commit: await output('git', ['describe', '--always', '--dirty', '--abbrev=12', '--exclude=*']),
    loadBefore: Number((await readFile('/proc/loadavg', 'utf8')).split(' ')[0]),
  };
}

async function output(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    return (await promisify(execFile)(command, args, { cwd: projectDir, timeout: 10_000 })).stdout.trim();
  } catch {
    return undefined;
  }
}
