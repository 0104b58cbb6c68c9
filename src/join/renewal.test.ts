import { describe, expect, it } from '@jest/globals';
import { manualClock } from '../../test/support/manual-clock.js';
import { silentLogger } from '../lib/logger.js';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { createAuthority, createRequest, issueRequested, readRequest } from '../pki/certificate.js';
import type { Identity } from './client.js';
import { startRenewal } from './renewal.js';

const HOUR_MS = 3_600_000;
/** The epoch of the manual clock, so that certificates have dates. */
const START_MS = Date.UTC(2030, 0, 1);

const authority = await createAuthority({ commonName: 'ca', days: 3650, nowMs: START_MS });
async function certificate(fromMs: number, lifeMs: number): Promise<Identity> {
  const { requestPem, privateKeyPem } = await createRequest('a');
  const request = await readRequest(requestPem);
  if (!request.ok) throw new Error(request.error);
  const pem = await issueRequested(authority, request.value, { commonName: 'a', sans: [], usage: 'client', notBefore: new Date(fromMs), notAfter: new Date(fromMs + lifeMs) });
  return { certificate: pem, key: privateKeyPem, ca: '' };
}

/** Lets what was begun go on. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function start(ask: () => Promise<Result<Identity, string>>, random = 0.5, jumpMs = () => 0, isFull = () => false) {
  const clock = manualClock();
  const asked: number[] = [];
  const outcomes: boolean[] = [];
  const kept: Identity[] = [];
  const renewal = startRenewal({
    ask: () => (asked.push(clock.nowMs()), ask()),
    keep: async (next) => {
      if (isFull()) throw new Error('ENOSPC: no space left on device');
      kept.push(next);
    },
    onOutcome: (renewed) => outcomes.push(renewed),
    clock,
    logger: silentLogger,
    wallMs: () => START_MS + clock.nowMs() + jumpMs(),
    random: () => random,
  });
  const pass = async (ms: number, stepMs = 60_000): Promise<void> => {
    for (let left = ms; left > 0; left -= stepMs) {
      clock.advance(Math.min(stepMs, left));
      await settle();
    }
  };
  return { renewal, asked, outcomes, kept, pass };
}

describe('renewal', () => {
  it('asks at two thirds of the life, keeps the new certificate, and goes on with that', async () => {
    const second = await certificate(START_MS + 16 * HOUR_MS, 24 * HOUR_MS);
    const { renewal, asked, outcomes, kept, pass } = start(async () => ok(second));
    renewal.use(await certificate(START_MS, 24 * HOUR_MS));
    await pass(24 * HOUR_MS);
    expect([asked, outcomes, kept]).toEqual([[16 * HOUR_MS], [true], [second]]);
    renewal.stop();
  });

  it.each([[0, 0.65], [1, 0.75]])('spreads agents over a tenth of the life: random %d → no sooner than %d of it, less two minutes', async (random, share) => {
    const { renewal, asked, pass } = start(async () => err('no'), random);
    renewal.use(await certificate(START_MS, 24 * HOUR_MS));
    await pass((share - 0.04) * 24 * HOUR_MS);
    if (random === 0) expect(asked).toHaveLength(0);
    await pass(0.1 * 24 * HOUR_MS);
    expect(asked.length).toBeGreaterThan(0);
    renewal.stop();
  });

  it('that fails is tried again, ever more rarely, but every ten minutes at least', async () => {
    const { renewal, asked, outcomes, pass } = start(async () => err('no gateway'));
    renewal.use(await certificate(START_MS, 24 * HOUR_MS));
    await pass(16 * HOUR_MS + 1);
    await pass(60_000, 250);
    expect(asked.length).toBeGreaterThan(4);
    const before = asked.length;
    await pass(HOUR_MS, 5_000);
    const pauses = asked.slice(before + 1).map((at, index) => at - (asked[before + index] ?? 0));
    expect(Math.max(...pauses)).toBeLessThanOrEqual(10 * 60_000);
    expect(asked.length - before).toBeLessThan(25);
    expect(outcomes.every((renewed) => !renewed)).toBe(true);
    renewal.stop();
  });

  it('that is got but cannot be written, since the disk is full, has failed: the old certificate stays, and it is tried again', async () => {
    const second = await certificate(START_MS + 16 * HOUR_MS, 24 * HOUR_MS);
    let isFull = true;
    const { renewal, outcomes, kept, pass } = start(async () => ok(second), 0.5, () => 0, () => isFull);
    renewal.use(await certificate(START_MS, 24 * HOUR_MS));
    await pass(17 * HOUR_MS);
    expect([new Set(outcomes), kept]).toEqual([new Set([false]), []]);
    isFull = false;
    await pass(HOUR_MS);
    expect([outcomes.at(-1), kept]).toEqual([true, [second]]);
    renewal.stop();
  });

  it('notices a wall clock that jumps, within a minute', async () => {
    let jumpMs = 0;
    const { renewal, asked, pass } = start(async () => err('no'), 0.5, () => jumpMs);
    renewal.use(await certificate(START_MS, 24 * HOUR_MS));
    await pass(60_000);
    jumpMs = 20 * HOUR_MS;
    await pass(60_000);
    expect(asked.length).toBeGreaterThan(0);
    renewal.stop();
  });

  it('does not begin again with the certificate that it knows, and ends when it is stopped', async () => {
    const { renewal, asked, pass } = start(async () => err('no'));
    const first = await certificate(START_MS, 24 * HOUR_MS);
    renewal.use(first);
    renewal.use(first);
    renewal.stop();
    await pass(24 * HOUR_MS);
    expect(asked).toEqual([]);
  });
});
