/**
 * The processes of the quick start: started with their output in files, ended together, found again after a crash.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const KILL_AFTER_MS = 15_000;

export interface Children {
  /** Starts one; `onExit` of `create` hears of it when it ends although nobody asked it to. */
  start(name: string, command: string, args: readonly string[]): void;
  /** SIGTERM to all, the newest first, SIGKILL to what is left; resolves when none is left. */
  stopAll(): Promise<void>;
  readonly logFile: (name: string) => string;
}

interface Child {
  readonly name: string;
  readonly process: ChildProcess;
}

/** `pidFile` remembers the running processes, so that a start after a kill -9 can end what was left behind. */
export function createChildren(logDir: string, pidFile: string, onExit: (name: string, how: string) => void): Children {
  const running: Child[] = [];
  let stopping = false;
  const logFile = (name: string): string => join(logDir, `${name}.log`);
  const remember = (): void => writeFileSync(pidFile, running.map((c) => `${c.process.pid ?? ''}\n`).join(''));

  return {
    logFile,
    start: (name, command, args) => {
      // Ctrl-C came while the start was still under way.
      if (stopping) return;
      const log = openSync(logFile(name), 'a');
      // its own process group, or Ctrl-C in a terminal would reach it before we could end things in order
      const child: Child = { name, process: spawn(command, args, { stdio: ['ignore', log, log], detached: true }) };
      closeSync(log);
      running.push(child);
      remember();
      child.process.once('error', (error) => onExit(name, error.message));
      child.process.once('exit', (code, signal) => {
        running.splice(running.indexOf(child), 1);
        remember();
        if (!stopping) onExit(name, signal ?? `exit code ${code ?? '?'}`);
      });
    },
    stopAll: async () => {
      stopping = true;
      for (const child of running.toReversed()) await stop(child.process);
      rmSync(pidFile, { force: true });
    },
  };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
  await gone;
  clearTimeout(kill);
}

/** Ends what an earlier run that was killed left behind: processes of the pid file whose command line names our state folder. */
export function endLeftovers(pidFile: string, stateDir: string): void {
  if (!existsSync(pidFile)) return;
  for (const line of readFileSync(pidFile, 'utf8').split('\n')) {
    const pid = Number(line);
    if (!Number.isInteger(pid) || pid < 2) continue;
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(stateDir)) process.kill(pid, 'SIGKILL');
    } catch {
      // gone already, or not ours to see
    }
  }
  rmSync(pidFile, { force: true });
}
