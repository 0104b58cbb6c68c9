/**
 * An agent's certificate is renewed when two thirds of its life are over, each agent at a moment of its own. Tunnels that are up are not
 * touched: the new certificate is for the next dial. What fails is tried again, ever more rarely, but often enough to succeed.
 */
import type { Logger } from '../lib/logger.js';
import type { Clock } from '../lib/clock.js';
import { certificateInfo } from '../lib/certificate.js';
import type { Result } from '../lib/result.js';
import type { Identity } from './client.js';

export interface RenewalOptions {
  /** Asks one gateway after the other. */
  readonly ask: (current: Identity) => Promise<Result<Identity, string>>;
  /** Puts it where the agent reads it from. */
  readonly keep: (next: Identity) => Promise<void>;
  readonly onOutcome: (renewed: boolean) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly wallMs?: () => number;
  readonly random?: () => number;
}

export interface Renewal {
  /** The certificate in use, now and whenever it has changed. */
  use(identity: Identity): void;
  stop(): void;
}

const DUE_SHARE = 2 / 3;
/** Of the life, before and after: a thousand agents that joined together do not renew together. */
const JITTER_SHARE = 0.05;
/** The wall clock may jump: it is looked at this often at least, ms. */
const MAX_LOOK_MS = 60_000;
const RETRY_MAX_MS = 10 * 60_000;
const RETRY_MIN_MS = 500;

export function startRenewal({ ask, keep, onOutcome, clock, logger, wallMs = Date.now, random = Math.random }: RenewalOptions): Renewal {
  let identity: Identity | undefined;
  let dueMs = Infinity;
  let lifeMs = 0;
  let failures = 0;
  let busy = false;
  let stopped = false;
  let cancel: () => void = () => undefined;

  const look = (): void => {
    cancel();
    if (stopped || busy) return;
    const leftMs = dueMs - wallMs();
    if (leftMs <= 0) return void attempt();
    cancel = clock.after(Math.min(leftMs, MAX_LOOK_MS), look);
  };
  const attempt = async (): Promise<void> => {
    if (identity === undefined) return;
    busy = true;
    const fault = await renewNow(identity);
    busy = false;
    onOutcome(fault === undefined);
    if (fault !== undefined) {
      failures += 1;
      // never so rarely that the certificate expires in between
      const boundMs = Math.max(RETRY_MIN_MS, Math.min(RETRY_MAX_MS, lifeMs / 30, RETRY_MIN_MS * 2 ** Math.min(failures, 20)));
      const retryInMs = boundMs * (0.5 + random() / 2);
      logger.warn({ fault, retryInMs: Math.round(retryInMs) }, 'the certificate was not renewed');
      dueMs = wallMs() + retryInMs;
    }
    look();
  };
  const renewNow = async (current: Identity): Promise<string | undefined> => {
    try {
      const next = await ask(current);
      if (!next.ok) return next.error;
      await keep(next.value);
      use(next.value);
      logger.info({ renewInMs: Math.round(dueMs - wallMs()) }, 'certificate renewed');
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  const use = (next: Identity): void => {
    if (next.certificate === identity?.certificate) return;
    const info = certificateInfo(next.certificate);
    if (!info.ok) return;
    identity = next;
    failures = 0;
    const { notBefore, notAfter } = info.value;
    lifeMs = notAfter.getTime() - notBefore.getTime();
    dueMs = notBefore.getTime() + lifeMs * (DUE_SHARE + JITTER_SHARE * (2 * random() - 1));
    look();
  };
  return {
    use,
    stop: () => {
      stopped = true;
      cancel();
    },
  };
}
