import { spawn } from 'node:child_process';
import { eventually } from './eventually.js';
import type { EventuallyOptions } from './eventually.js';

/**
 * A child process under test, with its output kept: whatever is waited for and does not come fails with the end of it.
 */

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface RunningProcess extends AsyncDisposable {
  readonly pid: number;
  /** Resolves when the process has ended and its output is complete. */
  readonly exited: Promise<Exit>;
  /** What it wrote to stdout and stderr, the last 4 MiB. */
  log(): string;
  /** Waits until `probe` does not throw; fails at once if the process ends, and with the end of its log. */
  until<T>(what: string, probe: () => T | Promise<T>, options?: Pick<EventuallyOptions, 'timeoutMs' | 'intervalMs'>): Promise<T>;
  /** Waits for output that matches. */
  waitForLog(pattern: RegExp, options?: Pick<EventuallyOptions, 'timeoutMs'>): Promise<RegExpExecArray>;
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM; SIGKILL if it has not ended after `graceMs` (5,000). Resolves with how it ended; harmless if it has. */
  stop(graceMs?: number): Promise<Exit>;
}

export interface ProcessOptions {
  /** For errors: "envoy". */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  /** Added to the environment of the tests. */
  readonly env?: Readonly<Record<string, string>>;
}

const LOG_MAX_CHARS = 4 * 1024 * 1024;
const TAIL_LINES = 30;
const GRACE_MS = 5_000;

export function startProcess({ name, command, args, cwd, env }: ProcessOptions): RunningProcess {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const keep = (text: string): void => {
    output = (output + text).slice(-LOG_MAX_CHARS);
  };
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);
  let ended: Exit | undefined;
  const exited = new Promise<Exit>((resolve) => {
    const end = (exit: Exit): void => {
      ended = exit;
      resolve(exit);
    };
    child.on('error', (error) => {
      keep(`${error.message}\n`);
      end({ code: null, signal: null });
    });
    child.on('close', (code, signal) => end({ code, signal }));
  });

  const tail = (): string => `--- the end of ${name}'s log\n${output.trimEnd().split('\n').slice(-TAIL_LINES).join('\n')}`;

  const hopeless = (): string | undefined => (ended === undefined ? undefined : `${name} has ended (${ended.signal ?? `exit code ${ended.code}`})`);

  async function until<T>(what: string, probe: () => T | Promise<T>, options: Pick<EventuallyOptions, 'timeoutMs' | 'intervalMs'> = {}): Promise<T> {
    try {
      return await eventually(probe, { ...options, what: `${name}: ${what}`, hopeless });
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : String(error)}\n${tail()}`, { cause: error });
    }
  }

  async function stop(graceMs = GRACE_MS): Promise<Exit> {
    if (ended !== undefined) return ended;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    try {
      return await exited;
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    pid: child.pid ?? -1,
    exited,
    log: () => output,
    until,
    waitForLog: (pattern, options) =>
      until(
        `a line like ${pattern.source}`,
        () => {
          const match = pattern.exec(output);
          if (match === null) throw new Error('no such line');
          return match;
        },
        options,
      ),
    signal: (signal) => {
      child.kill(signal);
    },
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop();
    },
  };
}
