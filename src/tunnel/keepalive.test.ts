import { describe, expect, it } from '@jest/globals';
import { createBackoff } from './backoff.js';
import { startKeepAlive } from './keepalive.js';

/** A clock that moves when told to. */
function manualClock() {
  let nowMs = 0;
  const timers = new Set<{ readonly atMs: number; readonly run: () => void }>();
  return {
    nowMs: () => nowMs,
    after: (delayMs: number, run: () => void) => {
      const timer = { atMs: nowMs + delayMs, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance: (ms: number) => {
      const untilMs = nowMs + ms;
      for (;;) {
        const [next] = [...timers].filter((t) => t.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs);
        if (next === undefined) break;
        timers.delete(next);
        nowMs = next.atMs;
        next.run();
      }
      nowMs = untilMs;
    },
    pending: () => timers.size,
  };
}

function watch(options = { intervalMs: 3500, timeoutMs: 8500 }) {
  const clock = manualClock();
  const events: string[] = [];
  const keepAlive = startKeepAlive(options, clock, {
    ping: () => events.push(`ping at ${clock.nowMs()}`),
    dead: (silentMs) => events.push(`dead after ${silentMs}`),
  });
  return { clock, events, keepAlive };
}

describe('keep-alive', () => {
  it('pings once after a silence and gives up after a longer one', () => {
    const { clock, events } = watch();
    clock.advance(20_000);
    expect(events).toEqual(['ping at 3500', 'dead after 8500']);
    expect(clock.pending()).toBe(0);
  });

  it('counts any received byte as life', () => {
    const { clock, events, keepAlive } = watch();
    for (let i = 0; i < 10; i++) {
      clock.advance(3000);
      keepAlive.received();
    }
    expect(events).toEqual([]);
  });

  it('starts over when the PING was answered', () => {
    const { clock, events, keepAlive } = watch();
    clock.advance(4000);
    keepAlive.received();
    clock.advance(8499);
    expect(events).toEqual(['ping at 3500', 'ping at 8500']);
    clock.advance(1);
    expect(events.at(-1)).toBe('dead after 8500');
  });

  const TIGHT = { intervalMs: 300, timeoutMs: 1000 };
  it.each<[string, number | undefined, typeof TIGHT, number]>([
    ['a way of which nothing is known yet', undefined, TIGHT, 8500],
    ['a short way', 10, TIGHT, 1000],
    ['a long way, which may lose packets', 300, TIGHT, 300 + 10 * 300],
    ['a way that is longer than any', 60_000, TIGHT, 8500],
    ['a long way, and the default', 300, { intervalMs: 3500, timeoutMs: 8500 }, 8500],
    ['a long way, and an operator who is patient', 300, { intervalMs: 3500, timeoutMs: 20_000 }, 20_000],
  ])('gives an answer the time that the way needs: %s', (_, roundTripMs, options, deadMs) => {
    const { clock, events, keepAlive } = watch(options);
    if (roundTripMs !== undefined) keepAlive.measured(roundTripMs);
    clock.advance(30_000);
    expect(events.at(-1)).toBe(`dead after ${deadMs}`);
  });

  it('learns the way little by little: one PING that was lost does not make it long', () => {
    const { clock, events, keepAlive } = watch(TIGHT);
    for (const roundTripMs of [100, 100, 100, 1000, 100]) keepAlive.measured(roundTripMs);
    clock.advance(10_000);
    expect(events.at(-1)).toBe('dead after 2285');
  });

  it('leaves no timer when stopped', () => {
    const { clock, events, keepAlive } = watch();
    keepAlive.stop();
    clock.advance(60_000);
    expect([events, clock.pending()]).toEqual([[], 0]);
  });
});

describe('back-off', () => {
  it.each([
    ['the least jitter', () => 0, [25, 50, 100, 100]],
    ['the most jitter', () => 1, [250, 500, 1000, 1000]],
  ])('doubles its bound up to the maximum, with %s', (_, random, expected) => {
    const backoff = createBackoff({ baseMs: 250, maxMs: 1000 }, random);
    expect(expected.map(() => Math.round(backoff.next()))).toEqual(expected);
    backoff.reset();
    expect(Math.round(backoff.next())).toBe(expected[0]);
  });
});
