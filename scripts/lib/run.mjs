/**
 * Runs one command of the set-up: bounded in time, its output kept and shown only if it fails.
 */
import { spawn } from 'node:child_process';

const KEPT_BYTES = 256 * 1024;
const KILL_GRACE_MS = 5_000;

/** A set-up step could not be done; the message is for a person and needs no stack. */
export class SetupError extends Error {}

/** The last `count` lines of a text. */
export function tail(text, count) {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}

/**
 * Resolves with what the command wrote to stdout; rejects with a SetupError that ends in the last lines of its output.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv, timeoutMs: number, shownLines?: number}} options
 * @returns {Promise<string>}
 */
export function run(command, args, { cwd, env, timeoutMs, shownLines = 30 }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let all = '';
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), KILL_GRACE_MS).unref();
    }, timeoutMs);
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout = (stdout + text).slice(-KEPT_BYTES);
      all = (all + text).slice(-KEPT_BYTES);
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      all = (all + text).slice(-KEPT_BYTES);
    });
    const fail = (what) => reject(new SetupError(`${command} ${args.join(' ')}: ${what}\n${tail(all, shownLines)}`.trimEnd()));
    child.on('error', (error) => {
      clearTimeout(timer);
      fail(error.code === 'ENOENT' ? 'no such command' : error.message);
    });
    // `exit`, not `close`: a grandchild that outlives the command may hold its pipes open.
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      setImmediate(() => {
        if (timedOut) fail(`not done after ${Math.round(timeoutMs / 1000)} s`);
        else if (code !== 0) fail(signal ? `killed by ${signal}` : `exit code ${code}`);
        else resolve(stdout);
      });
    });
  });
}
