import { systemClock } from '../lib/clock.js';
import type { Clock } from '../lib/clock.js';
import { Turns } from '../lib/turns.js';
import type { ReviewToken, TokenReviewSpec, TokenVerdict } from '../model/kubernetes.js';
import { endOf, unverifiedPayload } from './token-claims.js';

/**
 * Tokens of service accounts: only the API server can say whose one is, and it is not asked for each scrape. Its yes counts for a
 * while (never beyond the token's own end), its no for a moment, and nobody is asked twice at once. What is remembered is under
 * the token's digest.
 *
 * Which tenant an account is, is looked up with each request: a tenant's change needs no new review.
 */
export interface ServiceAccounts {
  /** Undefined: no token of a service account. At once where the answer is remembered. `digest`: the token's SHA-256. Never rejects. */
  review(token: string, digest: string): Reviewed | Promise<Reviewed> | undefined;
  /** The same, where nobody has to be asked for it. */
  remembered(token: string, digest: string): TokenVerdict | undefined;
  /** Undefined = none are taken. Another specification forgets all answers. */
  configure(spec: TokenReviewSpec | undefined): void;
}

export type Reviewed = TokenVerdict | { readonly kind: 'busy' };

export interface ServiceAccountsOptions {
  /** Asks the API server. */
  readonly ask: ReviewToken;
  readonly clock?: Clock;
  /** Wall clock, ms since the epoch: tokens end by it. */
  readonly wallMs?: () => number;
  /** Tokens remembered of each sort: good ones apart from others, so that guessing makes us forget only guesses. Default: 10,000. */
  readonly maxRemembered?: number;
  /** Reviews at a time, and waiting for their turn; for tokens that were good before, and for others, each. Default: 4 and 64. */
  readonly maxRunning?: number;
  readonly maxWaiting?: number;
}

/** A token that was refused may be good soon: its account is made, the clocks agree. */
const REFUSED_MS = 2000;
/** So that what comes while the API server is away does not each wait for it. */
const AWAY_MS = 1000;

interface Remembered {
  readonly verdict: TokenVerdict;
  readonly untilMs: number;
}

export function createServiceAccounts({ ask, clock = systemClock, wallMs = Date.now, maxRemembered = 10_000, maxRunning = 4, maxWaiting = 64 }: ServiceAccountsOptions): ServiceAccounts {
  let spec: TokenReviewSpec | undefined;
  let good = new Memory(maxRemembered);
  let others = new Memory(maxRemembered);
  let underway = new Map<string, Promise<Reviewed>>();
  /** Strangers cannot take the turns of those that were good before. */
  const turns = { known: new Turns(maxRunning, maxWaiting), unknown: new Turns(maxRunning, maxWaiting) };

  async function askInTurn(token: string, digest: string, line: Turns): Promise<Reviewed> {
    const asked = { good, others };
    if (!(await line.take())) return { kind: 'busy' };
    const startMs = clock.nowMs();
    try {
      const verdict = await ask(token);
      if (verdict.kind === 'account') {
        // From when the question was put: what it says is not younger.
        asked.good.set(digest, { verdict, untilMs: startMs + Math.min(spec?.cacheMs ?? 0, (lastMs(token) ?? 0) - wallMs()) });
      } else {
        if (verdict.kind === 'refused') asked.good.delete(digest);
        asked.others.set(digest, { verdict, untilMs: clock.nowMs() + (verdict.kind === 'refused' ? REFUSED_MS : AWAY_MS) });
      }
      return verdict;
    } finally {
      line.giveBack();
    }
  }

  function remembered(token: string, digest: string): TokenVerdict | undefined {
    if (spec === undefined || !isOfServiceAccount(token)) return undefined;
    const found = [good.get(digest), others.get(digest)].find((each) => each !== undefined && each.untilMs > clock.nowMs());
    if (found !== undefined) return found.verdict;
    const problem = problemOf(token, spec, wallMs());
    return problem === undefined ? undefined : { kind: 'refused', why: problem };
  }

  return {
    configure(next) {
      if (JSON.stringify(next) === JSON.stringify(spec)) return;
      spec = next;
      // Answers that are still to come are to the old question: they are written where nobody looks.
      good = new Memory(maxRemembered);
      others = new Memory(maxRemembered);
      underway = new Map();
    },
    remembered,
    review(token, digest) {
      if (spec === undefined || !isOfServiceAccount(token)) return undefined;
      const there = remembered(token, digest);
      if (there !== undefined) return there;
      const same = underway.get(digest);
      if (same !== undefined) return same;
      const asking = underway;
      const answer = askInTurn(token, digest, good.has(digest) ? turns.known : turns.unknown).finally(() => asking.delete(digest));
      asking.set(digest, answer);
      return answer;
    },
  };
}

/** By its looks: every such token names its account as its subject. Whether it is one is the API server's to say. */
export function isOfServiceAccount(token: string): boolean {
  const subject = unverifiedPayload(token)?.get('sub');
  return typeof subject === 'string' && subject.startsWith('system:serviceaccount:');
}

/** What needs no question: a token that says itself that it has ended, or is for others. */
function problemOf(token: string, { audiences }: TokenReviewSpec, nowMs: number): string | undefined {
  const endMs = lastMs(token);
  // The tokens of old, kept in Secrets, have no end and no audience but the API server.
  if (endMs === undefined) return 'it has no end: only tokens of TokenRequest are taken';
  if (endMs <= nowMs) return `it ended on ${new Date(endMs).toISOString()}`;
  const audience = unverifiedPayload(token)?.get('aud');
  const all: readonly unknown[] = Array.isArray(audience) ? audience : [audience];
  return all.some((each) => audiences.some((ours) => ours === each)) ? undefined : 'it is for another audience';
}

/** When the token ends, as it says itself, ms since the epoch. */
export function lastMs(token: string): number | undefined {
  return endOf(unverifiedPayload(token));
}

/** The newest so many. */
class Memory extends Map<string, Remembered> {
  constructor(private readonly max: number) {
    super();
  }

  override set(digest: string, remembered: Remembered): this {
    this.delete(digest);
    super.set(digest, remembered);
    const [oldest] = this.keys();
    if (this.size > this.max && oldest !== undefined) this.delete(oldest);
    return this;
  }
}
