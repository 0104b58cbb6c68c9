/**
 * Envoy as a child process (`scrapeway up`).
 *
 * The one idea: a shell of five lines stands between us and Envoy and holds our end of a pipe. When this process dies, however
 * it dies, the pipe closes and Envoy is killed with it: an orphaned Envoy would keep the ports and answer for a gateway that
 * is no longer there (Envoy's listeners use SO_REUSEPORT, so a second one would even share them).
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import type { Logger } from '../lib/logger.js';

/** `$@` is Envoy and its arguments. TERM is passed on; the end of standard input kills. */
const GUARD = `
exec 3<&0
"$@" 3<&- </dev/null & child=$!
(cat <&3 >/dev/null 2>&1; kill -KILL $child 2>/dev/null) & guard=$!
trap 'kill -TERM $child 2>/dev/null' TERM
while :; do wait $child; code=$?; kill -0 $child 2>/dev/null || break; done
kill $guard 2>/dev/null
exit $code
`;

/** One JSON object per line, like our own log; %j is the message with its quotes escaped. */
const LOG_FORMAT = '{"level":"%l","time":"%Y-%m-%dT%T.%eZ","component":"envoy","logger":"%n","msg":"%j"}';

const RESTART_MIN_MS = 500;
const RESTART_MAX_MS = 10_000;
/** A run that lasted this long was a good one: the next restart is quick again. */
const STABLE_AFTER_MS = 30_000;
const KILL_AFTER_MS = 5_000;

export interface EnvoyOptions {
  readonly binary: string;
  readonly bootstrapPath: string;
  /** Envoy's worker threads; undefined = one per core. */
  readonly concurrency: number | undefined;
  readonly logLevel: string;
  /** Behind our own. */
  readonly extraArgs: readonly string[];
  readonly adminSocketPath: string;
  readonly logger: Logger;
}

export interface EnvoyProcess {
  /** Lets Envoy answer with "connection: close" and GOAWAY from now on; its listeners stay open until `stop`. */
  drain(): Promise<void>;
  /** Ends Envoy and resolves when it is gone. */
  stop(): Promise<void>;
}

/** Starts Envoy and starts it again, with a growing pause, whenever it ends by itself. */
export function startEnvoy(options: EnvoyOptions): EnvoyProcess {
  const { logger } = options;
  let child: ChildProcess | undefined;
  let stopping = false;
  let pauseMs = RESTART_MIN_MS;
  let restart: NodeJS.Timeout | undefined;

  const launch = (): void => {
    const startedMs = performance.now();
    const started = spawn('sh', ['-c', GUARD, 'envoy-guard', options.binary, ...envoyArguments(options)], {
      stdio: ['pipe', 'inherit', 'inherit'],
      // its own process group: Ctrl-C is ours to handle, Envoy must outlive it until the drain is done
      detached: true,
    });
    child = started;
    started.stdin.on('error', () => undefined); // EPIPE when Envoy is gone already
    started.once('error', (error) => logger.error({ err: error, binary: options.binary }, 'Envoy cannot be started'));
    started.once('exit', (code, signal) => {
      child = undefined;
      if (stopping) return;
      if (performance.now() - startedMs > STABLE_AFTER_MS) pauseMs = RESTART_MIN_MS;
      logger.error({ code, signal, restartInMs: pauseMs }, 'Envoy ended; starting it again');
      restart = setTimeout(launch, pauseMs);
      pauseMs = Math.min(pauseMs * 2, RESTART_MAX_MS);
    });
  };
  launch();

  return {
    drain: () => adminPost(options.adminSocketPath, '/drain_listeners?graceful&skip_exit'),
    stop: async () => {
      stopping = true;
      clearTimeout(restart);
      if (child === undefined) return;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      // closing the pipe makes the guard use SIGKILL
      const kill = setTimeout(() => child?.stdin?.end(), KILL_AFTER_MS);
      await gone;
      clearTimeout(kill);
    },
  };
}

function envoyArguments({ bootstrapPath, concurrency, logLevel, extraArgs }: EnvoyOptions): string[] {
  return [
    '-c', bootstrapPath,
    '--disable-hot-restart',
    '-l', logLevel,
    '--log-format', LOG_FORMAT,
    // an audit line should not wait 10 s (the default) in a buffer
    '--file-flush-interval-msec', '1000',
    ...(concurrency === undefined ? [] : ['--concurrency', String(concurrency)]),
    ...extraArgs,
  ];
}

/** POST to Envoy's admin socket. Resolves in any case: an Envoy that cannot be asked to drain is stopped all the same. */
export function adminPost(socketPath: string, path: string): Promise<void> {
  return new Promise((resolve) => {
    const call = request({ socketPath, path, method: 'POST', timeout: 2_000 }, (response) => {
      response.resume();
      response.once('close', () => resolve());
    });
    call.once('timeout', () => call.destroy());
    call.once('error', () => resolve());
    call.end();
  });
}
