import { describe, expect, it } from '@jest/globals';
import { createTokenReviewer, verdictOf } from './token-reviewer.js';

const USER = { username: 'system:serviceaccount:shop:prometheus', groups: ['system:serviceaccounts'] };
const YES = { authenticated: true, user: USER, audiences: ['scrapeway'] };
const answer = (status: unknown, code = 201): Parameters<typeof verdictOf>[0] => ({ status: code, body: { kind: 'TokenReview', status } });

describe('a review', () => {
  it('says whose the token is', () => {
    expect(verdictOf(answer(YES), ['scrapeway'])).toEqual({ kind: 'account', namespace: 'shop', name: 'prometheus' });
  });

  it.each([
    ['without a yes', answer({ authenticated: false, error: 'token lookup failed' }), 'the API server does not know it: token lookup failed'],
    ['with something like a yes', answer({ ...YES, authenticated: 'true' }), 'the API server does not know it: no reason given'],
    ['with nothing in it', answer({}), 'the API server does not know it: no reason given'],
    ['for another audience', answer({ ...YES, audiences: ['vault'] }), 'it is for another audience'],
    ['of an authenticator that knows no audiences', answer({ authenticated: true, user: USER }), 'it is for another audience'],
    ['of a person', answer({ ...YES, user: { username: 'jane' } }), 'it is of no service account'],
    ['of a name with too many parts', answer({ ...YES, user: { username: 'system:serviceaccount:shop:prometheus:x' } }), 'it is of no service account'],
    ['of nobody', answer({ ...YES, user: undefined }), 'it is of no service account'],
  ])('%s refuses the token', (_, said, why) => {
    expect(verdictOf(said, ['scrapeway'])).toEqual({ kind: 'refused', why });
  });

  it.each([
    ['we may not ask', { status: 403, body: { message: 'cannot create tokenreviews' } }, 'the API server answers 403: cannot create tokenreviews'],
    ['it is overloaded', { status: 429, body: undefined }, 'the API server answers 429: '],
    ['it is something else', { status: 200, body: '<html>' }, 'the API server answers with something else'],
  ])('where %s says nothing of the token', (_, said, why) => {
    expect(verdictOf(said, ['scrapeway'])).toEqual({ kind: 'away', why });
  });

  it('of a server that is not there says nothing of the token', async () => {
    const review = createTokenReviewer({ access: { kind: 'server', url: 'https://127.0.0.1:1', caPem: undefined, tokenFile: import.meta.filename }, audiences: ['scrapeway'], cacheMs: 1000, timeoutMs: 1000 });
    await expect(review('token')).resolves.toMatchObject({ kind: 'away' });
  });

  it('with a token of our own that cannot be read says nothing of the token', async () => {
    const review = createTokenReviewer({ access: { kind: 'server', url: 'https://127.0.0.1:1', caPem: undefined, tokenFile: '/nowhere' }, audiences: ['scrapeway'], cacheMs: 1000, timeoutMs: 1000 });
    await expect(review('token')).resolves.toMatchObject({ kind: 'away', why: expect.stringContaining('ENOENT') });
  });
});
