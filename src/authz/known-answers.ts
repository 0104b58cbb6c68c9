import { hash, randomBytes } from 'node:crypto';
import type { Question } from './question.js';
import type { TokenFindings } from './token-findings.js';

/**
 * Answers that were given before. A Prometheus asks the same question every fifteen seconds, and the answer is a function of question
 * and tables, so that its bytes may be given again until a table changes: then all are forgotten.
 *
 * The key is a keyed digest of everything that a question has (as passwords are remembered, password.ts), so that a field that is added to
 * questions counts by itself. Only what was allowed is kept: nobody fills this with guesses.
 */
export interface KnownAnswers {
  /** Undefined: this question is decided each time. */
  keyOf(question: Question): string | undefined;
  get(key: string): Buffer | undefined;
  /** `epoch`: as it was when the question came. What was decided on tables that have changed since is not kept. */
  keep(key: string, answer: Buffer, epoch: number): void;
  /** Another one after each `forget`. */
  readonly epoch: number;
  /** The tables have changed. */
  forget(): void;
}

/** How long an answer is given again at most, ms: a fraction of what a password's answer is remembered for. */
const MAX_AGE_MS = 60_000;
/** Two generations of this many, at about 1 KB: when the young one is full, it becomes the old one, and the old one is dropped. */
const MAX_YOUNG = 8192;

export function createKnownAnswers(nowMs: () => number): KnownAnswers {
  // In front, and no HMAC: nobody gets to see a digest, let alone to extend one.
  const secret = randomBytes(32).toString('hex');
  let young = new Map<string, Buffer>();
  let old: ReadonlyMap<string, Buffer> = new Map();
  let epoch = 0;
  let turnedMs = nowMs();

  function turn(): void {
    old = young;
    young = new Map();
    turnedMs = nowMs();
  }

  return {
    keyOf: (question) => (saysNothing(question.token) ? hash('sha256', secret + everything(question), 'base64') : undefined),
    get(key) {
      if (nowMs() - turnedMs > MAX_AGE_MS / 2) turn();
      return young.get(key) ?? old.get(key);
    },
    keep(key, answer, asked) {
      if (asked !== epoch) return;
      if (young.size >= MAX_YOUNG) turn();
      young.set(key, answer);
    },
    get epoch() {
      return epoch;
    },
    forget() {
      epoch += 1;
      young = new Map();
      old = new Map();
    },
  };
}

/** Envoy found no token. What a token says ends with the token, which nobody here watches. */
function saysNothing(token: TokenFindings | undefined): boolean {
  return token === undefined || (token.payload === undefined && token.failures.size === 0);
}

/** No two questions have it alike: lengths stand before the values, and `-` for what is absent. */
function everything(question: Question): string {
  let text = '';
  for (const value of Object.values(question)) text += typeof value === 'string' ? `${value.length}:${value}` : '-';
  return text;
}
