/**
 * Further connections, lanes, of a tunnel that is up. TCP sends some 14 KB at once on a connection that is new or was idle, then waits a
 * round trip for leave to send more; a scrape of a whole site over 100 ms takes half a second so, and 100 ms over ten connections. (With
 * BBR it is its pauses to measure the way that cost as much.) The hub gives each scrape to the lane with the fewest in flight.
 *
 * The one idea: a lane is a connection and nothing else. Whether the agent is there, and what it offers, the tunnel says alone; lanes
 * come after it, one by one, and go with it.
 */
import { readFile } from 'node:fs/promises';
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import type { Result } from '../lib/result.js';
import { createBackoff } from '../tunnel/backoff.js';
import type { Dialled, DialFault } from './dial.js';
import type { Session } from './session.js';

/** Below, nobody would notice: a round trip costs less than a scrape. */
const FAR_MS = 25;
/** A scrape's answer is some 6 KB of gzip: two of them leave at once. */
const TARGETS_PER_LANE = 2;
const MAX_AUTO_LANES = 10;
/** The least of so many PINGs: one may have waited for something else. */
const PINGS = 5;
/** Between two dials: a thousand agents that come back at once have their tunnels first. */
const PAUSE = { baseMs: 500, maxMs: 500 };
const FAILED = { baseMs: 1000, maxMs: 60_000 };

/** How many connections a tunnel should have, itself included. Pure. */
export function lanesWanted(setting: number | 'auto', way: { readonly roundTripMs: number | undefined; readonly targets: number; readonly maxLanes: number }): number {
  const { roundTripMs = 0, targets, maxLanes } = way;
  const wanted = setting === 'auto' ? (roundTripMs < FAR_MS ? 1 : Math.min(Math.ceil(targets / TARGETS_PER_LANE), MAX_AUTO_LANES)) : setting;
  return Math.max(1, Math.min(wanted, maxLanes));
}

export interface LanesOptions {
  readonly setting: number | 'auto';
  /** What the gateway allows. */
  readonly maxLanes: number;
  readonly targetCount: () => number;
  readonly roundTrip: () => Promise<number | undefined>;
  readonly dial: (signal: AbortSignal) => Promise<Result<Dialled, DialFault>>;
  readonly open: (dialled: Dialled, onClose: () => void) => Session;
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Lanes {
  /** That are open, the tunnel itself not counted. */
  readonly count: () => number;
  /** The least that was seen; undefined before the first. */
  readonly roundTripMs: () => number | undefined;
  /** The targets may have changed. Lanes become more while the tunnel is up, never fewer. */
  review(): void;
  /** Opens no more; resolves when those that are open have finished their scrapes and are closed. */
  drain(): Promise<void>;
}

/** Starts measuring the way at once. */
export function startLanes(options: LanesOptions): Lanes {
  const { clock, logger, maxLanes } = options;
  const sessions = new Set<Session>();
  const pause = createBackoff(PAUSE);
  const failed = createBackoff(FAILED);
  const stop = new AbortController();
  let roundTripMs: number | undefined;
  /** A dial is on its way, or a pause before one. */
  let busy = false;

  const review = (): void => {
    if (busy || stop.signal.aborted) return;
    if (1 + sessions.size >= lanesWanted(options.setting, { roundTripMs, targets: options.targetCount(), maxLanes })) return;
    later(pause.next());
  };
  const later = (delayMs: number): void => {
    busy = true;
    const cancel = clock.after(delayMs, () => {
      stop.signal.removeEventListener('abort', cancel);
      void add();
    });
    stop.signal.addEventListener('abort', cancel);
  };
  const add = async (): Promise<void> => {
    const dialled = await options.dial(stop.signal);
    busy = false;
    if (stop.signal.aborted) {
      if (dialled.ok) dialled.value.socket.destroy();
      return;
    }
    if (!dialled.ok) {
      logger.debug({ cause: dialled.error.cause }, `no further lane: ${dialled.error.message}`);
      return later(failed.next());
    }
    failed.reset();
    const session: Session = options.open(dialled.value, () => {
      sessions.delete(session);
      if (!stop.signal.aborted) options.onChange();
      // a lane that ends as soon as it is open must not be opened again at once
      if (!busy && !stop.signal.aborted) later(failed.next());
    });
    sessions.add(session);
    options.onChange();
    review();
  };
  const measure = async (): Promise<void> => {
    for (let ping = 0; ping < PINGS; ping += 1) {
      const tookMs = await options.roundTrip();
      if (tookMs === undefined || stop.signal.aborted) return;
      roundTripMs = Math.min(roundTripMs ?? Infinity, tookMs);
    }
    options.onChange();
    review();
    await sayWhatIsLeft();
  };
  /** A long way, several targets, and one connection: then the kernel should remember what the way takes. */
  const sayWhatIsLeft = async (): Promise<void> => {
    const way = { roundTripMs, targets: options.targetCount(), maxLanes };
    if (lanesWanted('auto', { ...way, maxLanes: Infinity }) === 1 || lanesWanted(options.setting, way) > 1 || !(await forgetsWhenIdle())) return;
    logger.warn({ roundTripMs: Math.round(roundTripMs ?? 0) }, 'a long way and one connection: scrapes of several targets at once wait for TCP; allow more lanes, or set net.ipv4.tcp_slow_start_after_idle=0 here');
  };
  void measure();
  return {
    count: () => sessions.size,
    roundTripMs: () => roundTripMs,
    review,
    drain: async () => {
      stop.abort();
      await Promise.all([...sessions].map((session) => session.drain()));
    },
  };
}

/** Whether this kernel takes a connection that was idle for a new one; as far as can be known. */
async function forgetsWhenIdle(): Promise<boolean> {
  try {
    return (await readFile('/proc/sys/net/ipv4/tcp_slow_start_after_idle', 'utf8')).trim() === '1';
  } catch {
    return false;
  }
}
