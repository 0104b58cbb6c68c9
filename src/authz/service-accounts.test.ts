import { describe, expect, it } from '@jest/globals';
import { manualClock } from '../../test/support/manual-clock.js';
import type { TokenReviewSpec, TokenVerdict } from '../model/kubernetes.js';
import { createServiceAccounts } from './service-accounts.js';
import type { Reviewed, ServiceAccountsOptions } from './service-accounts.js';

const SPEC: TokenReviewSpec = { access: { kind: 'in-cluster' }, audiences: ['scrapeway'], cacheMs: 10_000, timeoutMs: 2000 };
const NOW_MS = Date.parse('2030-01-01T00:00:00Z');
const PROMETHEUS: TokenVerdict = { kind: 'account', namespace: 'shop', name: 'prometheus' };
const REFUSED: TokenVerdict = { kind: 'refused', why: 'unknown' };
const AWAY: TokenVerdict = { kind: 'away', why: 'no answer' };

function token(claims: Readonly<Record<string, unknown>> = {}): string {
  const payload = { sub: 'system:serviceaccount:shop:prometheus', aud: ['scrapeway'], exp: NOW_MS / 1000 + 3600, ...claims };
  return ['{"alg":"RS256"}', JSON.stringify(payload), 'signature'].map((part) => Buffer.from(part).toString('base64url')).join('.');
}

/** With an API server that a test answers for. */
function accounts(options: Partial<ServiceAccountsOptions> = {}) {
  const clock = manualClock();
  const asked: { token: string; answer: (verdict: TokenVerdict) => void }[] = [];
  let questions = 0;
  const known = createServiceAccounts({
    ask: (text) => {
      questions += 1;
      return new Promise((answer) => asked.push({ token: text, answer }));
    },
    clock,
    wallMs: () => NOW_MS + clock.nowMs(),
    ...options,
  });
  known.configure(SPEC);
  const review = (text: string): Reviewed | Promise<Reviewed> | undefined => known.review(text, text);
  return {
    ...known,
    review,
    clock,
    questions: () => questions,
    /** Asks, and lets the API server say `verdict`, if it is asked. */
    told: async (text: string, verdict: TokenVerdict): Promise<Reviewed | undefined> => {
      const answer = review(text);
      await new Promise(setImmediate);
      asked.shift()?.answer(verdict);
      return answer;
    },
  };
}

describe('a token', () => {
  it.each([
    ['of no service account', token({ sub: 'user' })],
    ['without a subject', token({ sub: undefined })],
    ['that is no JWT', 'an-opaque-token'],
  ])('%s is none of ours, and nobody is asked', (_, text) => {
    const { review, questions } = accounts();
    expect([review(text), questions()]).toEqual([undefined, 0]);
  });

  it.each([
    ['that has ended', { exp: NOW_MS / 1000 }, 'it ended on 2030-01-01T00:00:00.000Z'],
    ['without an end', { exp: undefined }, 'it has no end: only tokens of TokenRequest are taken'],
    ['with no time for an end', { exp: 1e300 }, 'it has no end: only tokens of TokenRequest are taken'],
    ['for another audience', { aud: ['vault'] }, 'it is for another audience'],
    ['for no audience', { aud: undefined }, 'it is for another audience'],
  ])('%s is refused, and nobody is asked', (_, claims, why) => {
    const { review, questions } = accounts();
    expect([review(token(claims)), questions()]).toEqual([{ kind: 'refused', why }, 0]);
  });

  it('with its audience as plain text is like one with a list', async () => {
    expect(await accounts().told(token({ aud: 'scrapeway' }), PROMETHEUS)).toEqual(PROMETHEUS);
  });

  it('is not looked at where no review is configured', () => {
    const { configure, review } = accounts();
    configure(undefined);
    expect(review(token())).toBeUndefined();
  });
});

describe('what the API server said', () => {
  it.each([
    ['yes', PROMETHEUS, 10_000],
    ['no', REFUSED, 2000],
    ['nothing', AWAY, 1000],
  ])('%s counts at once, for its time and no longer', async (_, verdict, lastMs) => {
    const { told, review, questions, clock } = accounts();
    expect(await told(token(), verdict)).toEqual(verdict);
    clock.advance(lastMs - 1);
    expect(review(token())).toEqual(verdict);
    expect(questions()).toBe(1);
    clock.advance(1);
    expect(review(token())).toBeInstanceOf(Promise);
  });

  it("does not count beyond the token's own end", async () => {
    const ending = token({ exp: NOW_MS / 1000 + 4 });
    const { told, review, clock } = accounts();
    await told(ending, PROMETHEUS);
    clock.advance(3999);
    expect(review(ending)).toEqual(PROMETHEUS);
    clock.advance(1);
    expect(review(ending)).toMatchObject({ kind: 'refused', why: expect.stringContaining('it ended on') });
  });

  it('a yes is replaced by a no as soon as that is said', async () => {
    const { told, clock } = accounts();
    await told(token(), PROMETHEUS);
    clock.advance(10_000);
    expect(await told(token(), REFUSED)).toEqual(REFUSED);
    clock.advance(2000);
    expect(await told(token(), PROMETHEUS)).toEqual(PROMETHEUS);
  });

  it('is forgotten when the question changes, and not when it only is configured again', async () => {
    const { told, review, configure } = accounts();
    await told(token(), PROMETHEUS);
    configure({ ...SPEC });
    expect(review(token())).toEqual(PROMETHEUS);
    configure({ ...SPEC, audiences: ['scrapeway', 'other'] });
    expect(review(token())).toBeInstanceOf(Promise);
  });

  it('to the question of before does not answer the one of now', async () => {
    const { told, review, configure, questions } = accounts();
    const late = told(token(), PROMETHEUS);
    configure({ ...SPEC, cacheMs: 5000 });
    await late;
    expect(review(token())).toBeInstanceOf(Promise);
    expect(questions()).toBe(1);
  });
});

describe('bounds', () => {
  it('many requests with one token are one question', async () => {
    const { told, review, questions } = accounts();
    const [first, second] = [told(token(), PROMETHEUS), review(token())];
    await expect(Promise.all([first, second])).resolves.toEqual([PROMETHEUS, PROMETHEUS]);
    expect(questions()).toBe(1);
  });

  it('what finds no place in the line is busy; tokens that were good before have a line of their own', async () => {
    const { told, review, clock, questions } = accounts({ maxRunning: 1, maxWaiting: 1 });
    await told(token(), PROMETHEUS);
    clock.advance(10_000);
    for (const id of ['running', 'waiting']) void review(token({ jti: id }));
    await expect(review(token({ jti: 'too many' }))).resolves.toEqual({ kind: 'busy' });
    expect(questions()).toBe(2);
    void review(token());
    await new Promise(setImmediate);
    expect(questions()).toBe(3);
  });

  it('guessing makes only guesses forgotten', async () => {
    const { told, review } = accounts({ maxRemembered: 2 });
    await told(token(), PROMETHEUS);
    for (const id of ['1', '2', '3']) await told(token({ jti: id }), REFUSED);
    expect(review(token())).toEqual(PROMETHEUS);
    expect(review(token({ jti: '3' }))).toEqual(REFUSED);
    expect(review(token({ jti: '1' }))).toBeInstanceOf(Promise);
  });
});
