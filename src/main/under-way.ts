import type { IncomingMessage, ServerResponse } from 'node:http';
import { systemClock } from '../lib/clock.js';
import type { Clock } from '../lib/clock.js';
import type { DesiredState } from '../model/desired-state.js';
import { UNTIL_HEADER } from '../model/stamps.js';
import { normalSerial, readUntil, Standing } from '../model/standing.js';
import type { Party } from '../model/standing.js';

/**
 * Queries and pushes under way, each with who is behind it: what ext_authz stamped. It ends them when the configuration knows their credentials no
 * more, or when the time of these is over, so that nothing that is revoked goes on for as long as a query may take.
 */
export class UnderWay {
  readonly #standing = new Standing();
  readonly #open = new Map<AbortController, { readonly party: Party; readonly sinceMs: number }>();
  readonly #clock: Clock;
  readonly #wallMs: () => number;

  constructor(clock: Clock = systemClock, wallMs: () => number = Date.now) {
    this.#clock = clock;
    this.#wallMs = wallMs;
    this.#keepReviewing();
  }

  setState(state: DesiredState): void {
    this.#standing.setState(state);
    this.#review(-Infinity);
  }

  /** Aborts as soon as whoever sent it would be let in no more; not once it is answered. */
  begin(request: IncomingMessage, response: ServerResponse): AbortSignal {
    const ending = new AbortController();
    this.#open.set(ending, { party: partyOf(request), sinceMs: this.#clock.nowMs() });
    response.once('close', () => this.#open.delete(ending));
    return ending.signal;
  }

  #keepReviewing(): void {
    this.#clock.after(REVIEW_MS, () => {
      // Who has just come was let in by a thread that may know a newer configuration than this one.
      this.#review(REVIEW_MS);
      this.#keepReviewing();
    });
  }

  #review(minAgeMs: number): void {
    const [nowMs, wallMs] = [this.#clock.nowMs(), this.#wallMs()];
    for (const [ending, { party, sinceMs }] of this.#open) {
      if (nowMs - sinceMs < minAgeMs || !(this.#standing.isRevoked(party) || this.#standing.isOver(party, wallMs))) continue;
      this.#open.delete(ending);
      ending.abort();
    }
  }
}

const REVIEW_MS = 1000;

function partyOf({ headers }: IncomingMessage): Party {
  const text = (name: string): string | undefined => {
    const value = headers[name];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    tenant: text('x-scrapeway-tenant'),
    credentials: text('x-scrapeway-credential') ?? '',
    serial: normalSerial(text('x-scrapeway-peer-serial')),
    certificate: text('x-forwarded-client-cert'),
    untilMs: readUntil(text(UNTIL_HEADER)),
  };
}
