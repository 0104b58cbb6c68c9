/**
 * A child in a process group of its own, so that whatever it started and left can be found and ended.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const SETTLE_MS = 3_000;
const POLL_MS = 50;

function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Whether the group is empty within a moment: what was told to end may take it. */
async function emptiesItself(pid) {
  for (const deadline = performance.now() + SETTLE_MS; performance.now() < deadline; ) {
    if (!signalGroup(pid, 0)) return true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return false;
}

/**
 * Runs the command to its end, at most `timeoutMs`. No process of its group outlives it, nor this process if that is
 * interrupted.
 * @returns {Promise<{code: number | null, timedOut: boolean, leftProcesses: boolean}>}
 */
export function runGroup(command, args, { timeoutMs, ...options }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, detached: true });
    const interrupt = (signal) => {
      signalGroup(child.pid, 'SIGKILL');
      process.exit(128 + constants.signals[signal]);
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, interrupt);
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      signalGroup(child.pid, 'SIGKILL');
    }, timeoutMs);
    child.on('error', reject);
    child.on('exit', async (code) => {
      clearTimeout(timer);
      const leftProcesses = !timedOut && !(await emptiesItself(child.pid));
      signalGroup(child.pid, 'SIGKILL');
      for (const signal of signals) process.removeListener(signal, interrupt);
      resolve({ code, timedOut, leftProcesses });
    });
  });
}
