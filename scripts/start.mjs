/**
 * `npm start [-- --check]`: the set-up, then the quick start, which this process only accompanies: it hands signals on and
 * takes over the exit code.
 *
 * Ctrl-C must reach the quick start once. A terminal signals its whole foreground group, and npm signals its child again; so
 * the quick start gets a process group of its own, and of the signals that arrive here within a moment only the first is
 * passed on. Should this process be killed outright, the IPC channel ends and the quick start sees `disconnect`.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodePath } from './lib/dependencies.mjs';
import { SetupError } from './lib/run.mjs';
import { runCommand, setUp } from './lib/setup.mjs';

const projectDir = dirname(dirname(fileURLToPath(import.meta.url)));
/** Signals closer together than this are one press of Ctrl-C. */
const SAME_PRESS_MS = 500;

function passOnSignals(child) {
  let lastAt = -Infinity;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      const now = performance.now();
      if (now - lastAt >= SAME_PRESS_MS) child.kill(signal);
      lastAt = now;
    });
  }
}

function quickStart(env) {
  return new Promise((resolve, reject) => {
    const child = spawn(nodePath(projectDir), [join(projectDir, 'dist/src/main/quickstart/quickstart.js'), ...process.argv.slice(2)], {
      env: { ...process.env, ...env },
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
      detached: true,
    });
    passOnSignals(child);
    child.on('error', (error) => reject(new SetupError(`the quick start could not be run: ${error.message}`)));
    child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}

await runCommand(async () => quickStart(await setUp(projectDir, 'start')));
