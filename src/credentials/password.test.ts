import { hash } from '@node-rs/bcrypt';
import { describe, expect, it } from '@jest/globals';
import { manualClock } from '../../test/support/manual-clock.js';
import { createPasswordChecker, decoyHash } from './password.js';
import type { PasswordCheckerOptions } from './password.js';

/** A checker over a bcrypt that a test answers: `answer(password)` is right when the hash says so. */
function checker(options: PasswordCheckerOptions = {}) {
  const running: { password: string; finish: () => void }[] = [];
  let runs = 0;
  const clock = manualClock();
  const passwords = createPasswordChecker({
    clock,
    verify: (password, bcryptHash) => {
      runs += 1;
      return new Promise((resolve) => running.push({ password, finish: () => resolve(bcryptHash === `hash of ${password}`) }));
    },
    ...options,
  });
  return {
    clock,
    ask: (user: string, password: string, bcryptHash = 'hash of right') => passwords.matches(user, password, bcryptHash),
    /** Lets what runs finish, and what waits behind it, until nothing is left. */
    async finishAll() {
      await new Promise(setImmediate);
      while (running.length > 0) {
        for (const { finish } of running.splice(0)) finish();
        await new Promise(setImmediate);
      }
    },
    runs: () => runs,
    running: () => running.length,
  };
}

describe('a password', () => {
  it('is checked against what htpasswd writes', async () => {
    const passwords = createPasswordChecker();
    const bcryptHash = await hash('secret', { cost: 4, version: '2y' });
    await expect(passwords.matches('scraper', 'secret', bcryptHash)).resolves.toBe('right');
    await expect(passwords.matches('scraper', 'Secret', bcryptHash)).resolves.toBe('wrong');
  });

  it('is wrong when the hash is none', async () => {
    await expect(createPasswordChecker().matches('scraper', 'secret', 'no hash')).resolves.toBe('wrong');
  });

  it('is wrong when bcrypt fails', async () => {
    const { ask } = checker({ verify: () => Promise.reject(new Error('out of memory')) });
    await expect(ask('u', 'right')).resolves.toBe('wrong');
  });

  it.each([
    ['right', 'right'],
    ['guess', 'wrong'],
  ])('%s is %s, and from then on known at once', async (password, answer) => {
    const { ask, finishAll, runs } = checker();
    const first = ask('u', password);
    await finishAll();
    await expect(first).resolves.toBe(answer);
    expect(ask('u', password)).toBe(answer);
    expect(runs()).toBe(1);
  });

  it('is checked anew when its hash has changed', async () => {
    const { ask, finishAll } = checker();
    const before = ask('u', 'right');
    await finishAll();
    await expect(before).resolves.toBe('right');
    const after = ask('u', 'right', 'hash of new');
    await finishAll();
    await expect(after).resolves.toBe('wrong');
  });

  it('is checked anew for another user', async () => {
    const { ask, finishAll, runs } = checker();
    const both = Promise.all([ask('u', 'right'), ask('v', 'right')]);
    await finishAll();
    await both;
    expect(runs()).toBe(2);
  });

  it('is checked anew after a time', async () => {
    const { ask, finishAll, clock, runs } = checker({ ttlMs: 1000 });
    const first = ask('u', 'right');
    await finishAll();
    await first;
    clock.advance(999);
    expect(ask('u', 'right')).toBe('right');
    clock.advance(1);
    const second = ask('u', 'right');
    await finishAll();
    await second;
    expect(runs()).toBe(2);
  });

  it('that many ask about at once is checked once', async () => {
    const { ask, finishAll, runs } = checker();
    const answers = Promise.all(Array.from({ length: 1000 }, () => ask('u', 'right')));
    await finishAll();
    expect(new Set(await answers)).toEqual(new Set(['right']));
    expect(runs()).toBe(1);
  });
});

describe('the bounds', () => {
  it('so many at a time, so many in line, the others told at once that we are busy', async () => {
    const { ask, finishAll, running } = checker({ maxRunning: 2, maxWaiting: 3 });
    const answers = Promise.all(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((password) => ask('u', password)));
    await new Promise(setImmediate);
    expect(running()).toBe(2);
    await finishAll();
    await expect(answers).resolves.toEqual(['wrong', 'wrong', 'wrong', 'wrong', 'wrong', 'busy', 'busy']);
  });

  it('busy is not remembered, and the places come free again', async () => {
    const { ask, finishAll } = checker({ maxRunning: 1, maxWaiting: 0 });
    const first = Promise.all([ask('u', 'a'), ask('u', 'right')]);
    await finishAll();
    await expect(first).resolves.toEqual(['wrong', 'busy']);
    const second = ask('u', 'right');
    await finishAll();
    await expect(second).resolves.toBe('right');
  });

  it('guesses make us forget guesses, never right passwords', async () => {
    const { ask, finishAll } = checker({ maxRemembered: 2 });
    for (const password of ['right', 'a', 'b', 'c']) {
      const answer = ask('u', password);
      await finishAll();
      await answer;
    }
    expect(ask('u', 'right')).toBe('right');
    expect(ask('u', 'c')).toBe('wrong');
    expect(ask('u', 'a')).toBeInstanceOf(Promise);
    await finishAll();
  });
});

describe('the decoy', () => {
  it('costs as much as the most expensive hash', async () => {
    const hashes = [await hash('x', { cost: 4 }), await hash('x', { cost: 5, version: '2y' })];
    expect(decoyHash(hashes)).toMatch(/^\$2b\$05\$.{53}$/);
  });

  it('is a hash to bcrypt: it is worked on, and matches nothing', async () => {
    const decoy = decoyHash(['$2y$12$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuuabcdefghi']) ?? '';
    const startMs = performance.now();
    await expect(createPasswordChecker().matches('u', '', decoy)).resolves.toBe('wrong');
    expect(performance.now() - startMs).toBeGreaterThan(20);
  });

  it('is none where there is no password to hide', () => {
    expect(decoyHash([])).toBeUndefined();
  });
});
