/**
 * A gateway's name, resolved now, now and then, and soon after something failed. A resolver that fails changes nothing: the tunnels
 * that are up do not need it, and where there is none yet the name itself is dialled, so that the dial says what is wrong.
 */
import { lookup } from 'node:dns/promises';
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import { hostsOf } from './addresses.js';
import type { FoundAddress, Lookup } from './addresses.js';

export interface ResolverOptions {
  readonly name: string;
  readonly lookup: Lookup;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The hosts to dial, by the latest answer. */
  readonly take: (hosts: readonly string[]) => void;
  /** Is any tunnel up that goes this way? */
  readonly anyUp: () => boolean;
}

export interface Resolver {
  /** A dial has failed: the name may stand for something else by now. */
  soon(): void;
  stop(): void;
}

/** Between two answers, ms, a quarter more or less. */
const REFRESH_MS = 30_000;
/** The same where something failed. */
const REFRESH_SOON_MS = 1_000;
const LOOKUP_TIMEOUT_MS = 5_000;

export const systemLookup: Lookup = (host) => lookup(host, { all: true, order: 'verbatim' });

/** Resolves at once. */
export function startResolver({ name, lookup: find, clock, logger, take, anyUp }: ResolverOptions): Resolver {
  let stopped = false;
  let cancel: () => void = () => undefined;
  let isSoon = false;
  let hosts: readonly string[] | undefined;
  let lastFamily: number | undefined;

  const schedule = (delayMs: number, soon: boolean): void => {
    cancel();
    isSoon = soon;
    if (!stopped) cancel = clock.after(delayMs * (0.75 + Math.random() / 2), () => void resolve());
  };
  const accept = (found: readonly FoundAddress[]): void => {
    // neither family may be forgotten: where nothing of one answers, the other has its turn
    hosts = hostsOf(name, found, hosts === undefined || anyUp() ? undefined : lastFamily);
    lastFamily = found.find(({ address }) => address === hosts?.[0])?.family;
    take(hosts);
  };
  const resolve = async (): Promise<void> => {
    schedule(REFRESH_MS, false);
    const found = await inTime(find(name), clock);
    if (stopped) return;
    if (found !== undefined && found.length > 0) return accept(found);
    logger.warn({ name }, "the gateway's name does not resolve; what is known of it stays");
    if (hosts === undefined) take((hosts = [name]));
  };
  void resolve();
  return {
    soon: () => {
      if (!isSoon) schedule(REFRESH_SOON_MS, true);
    },
    stop: () => {
      stopped = true;
      cancel();
    },
  };
}

/** Undefined: it failed, or took too long. */
function inTime(found: Promise<readonly FoundAddress[]>, clock: Clock): Promise<readonly FoundAddress[] | undefined> {
  return new Promise((resolve) => {
    const cancel = clock.after(LOOKUP_TIMEOUT_MS, () => resolve(undefined));
    const settle = (result: readonly FoundAddress[] | undefined): void => {
      cancel();
      resolve(result);
    };
    found.then(settle, () => settle(undefined));
  });
}
