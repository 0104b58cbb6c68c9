import { hash, randomBytes } from 'node:crypto';
import { verify as bcryptVerify } from '@node-rs/bcrypt';
import { systemClock } from '../lib/clock.js';
import type { Clock } from '../lib/clock.js';
import { Turns } from '../lib/turns.js';

/**
 * bcrypt is slow on purpose (50 to 300 ms), and a Prometheus shows its password with every scrape. So each distinct question
 * (user, password, hash) is answered by bcrypt once, off the event loop, and remembered under a keyed digest. Passwords are not
 * kept, and the key is this process's own, so that a heap dump holds nothing to try a dictionary on.
 *
 * The hash is part of the question: a changed password is a new question at once, whatever is still remembered.
 */
export interface PasswordChecker {
  /** At once where the answer is remembered. `busy` when too many others wait. Never rejects. */
  matches(user: string, password: string, bcryptHash: string): Answer | Promise<Answer>;
}

export type Answer = 'right' | 'wrong' | 'busy';

export interface PasswordCheckerOptions {
  readonly clock?: Clock;
  /** How long an answer is remembered, ms. Default: 5 min. */
  readonly ttlMs?: number;
  /** Answers remembered of each sort: right ones apart from wrong ones, so that guessing makes us forget only guesses. Default: 10,000. */
  readonly maxRemembered?: number;
  /** Runs of bcrypt at a time; each occupies one of libuv's four threads. Default: 2. */
  readonly maxRunning?: number;
  /** Questions waiting for their turn. Default: 64. */
  readonly maxWaiting?: number;
  /** Default: bcrypt. */
  readonly verify?: (password: string, bcryptHash: string) => Promise<boolean>;
}

export function createPasswordChecker(options: PasswordCheckerOptions = {}): PasswordChecker {
  const { clock = systemClock, ttlMs = 300_000, maxRemembered = 10_000, maxRunning = 2, maxWaiting = 64 } = options;
  const verify = options.verify ?? ((password: string, bcryptHash: string) => bcryptVerify(password, bcryptHash));
  const digest = keyedDigest();
  const right = new ExpiringSet(clock, ttlMs, maxRemembered);
  const wrong = new ExpiringSet(clock, ttlMs, maxRemembered);
  const turns = new Turns(maxRunning, maxWaiting);
  /** A thousand targets scraped at once with one password are one run of bcrypt. */
  const underway = new Map<string, Promise<Answer>>();

  async function ask(question: string, password: string, bcryptHash: string): Promise<Answer> {
    if (!(await turns.take())) return 'busy';
    try {
      const matches = await verify(password, bcryptHash);
      (matches ? right : wrong).add(question);
      return matches ? 'right' : 'wrong';
    } catch {
      return 'wrong'; // not a bcrypt hash: nothing matches it
    } finally {
      turns.giveBack();
    }
  }

  return {
    matches(user, password, bcryptHash) {
      const question = digest(JSON.stringify([user, password, bcryptHash]));
      if (right.has(question)) return 'right';
      if (wrong.has(question)) return 'wrong';
      const same = underway.get(question);
      if (same !== undefined) return same;
      const answer = ask(question, password, bcryptHash).finally(() => underway.delete(question));
      underway.set(question, answer);
      return answer;
    },
  };
}

/**
 * A hash that no password is known for, as expensive as the most expensive of `hashes`: an unknown user is checked against it,
 * so that the time of a refusal does not tell who exists. Undefined when there is no hash, and so no user to hide.
 */
export function decoyHash(hashes: readonly string[]): string | undefined {
  const costs = hashes.map((bcryptHash) => Number(/^\$2[abxy]\$(\d\d)\$/.exec(bcryptHash)?.[1] ?? 0));
  const cost = Math.max(...costs, 0);
  return cost === 0 ? undefined : `$2b$${String(cost).padStart(2, '0')}$${'.'.repeat(22)}${'x'.repeat(30)}u`;
}

/** HMAC's nesting by two one-shot hashes with keys of this process: 1 µs, where `createHmac` takes 17. */
function keyedDigest(): (text: string) => string {
  const [inner, outer] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')];
  return (text) => hash('sha256', outer + hash('sha256', inner + text, 'hex'), 'base64');
}

/** Members leave after a time, the oldest when there are too many. */
class ExpiringSet {
  private readonly expiryMs = new Map<string, number>();

  constructor(
    private readonly clock: Clock,
    private readonly ttlMs: number,
    private readonly max: number,
  ) {}

  has(member: string): boolean {
    const expiryMs = this.expiryMs.get(member);
    if (expiryMs === undefined) return false;
    if (expiryMs > this.clock.nowMs()) return true;
    this.expiryMs.delete(member);
    return false;
  }

  add(member: string): void {
    this.expiryMs.delete(member);
    this.expiryMs.set(member, this.clock.nowMs() + this.ttlMs);
    if (this.expiryMs.size <= this.max) return;
    const [oldest] = this.expiryMs.keys();
    if (oldest !== undefined) this.expiryMs.delete(oldest);
  }
}
