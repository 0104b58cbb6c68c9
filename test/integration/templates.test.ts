import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { textAnswer } from '../support/exporter.js';
import type { HttpAnswer } from '../support/http.js';
import type { ConfigFile } from '../support/scrapeway.js';
import { startWorld } from '../support/world.js';
import type { World } from '../support/world.js';

/** Limits that a target gets by its labels alone, through the real Envoy. */

const WEB = '/scrape/site-a/web';
const WEB_B = '/scrape/site-b/web';

describe('a template', () => {
  let world: World;
  const limitedTo = (limits: ConfigFile, selector = '{env="prod", agent="site-a"}'): ConfigFile => ({ templates: [{ name: 'prod', selector, tenants: ['team-a'], limits }] });
  const outcome = ({ status, headers }: HttpAnswer): string => `${status} ${headers['x-scrapeway-reason'] ?? ''}`.trim();
  /** Waits until the limits are in force, or are not any more. */
  const until = async (expected: string, path = WEB): Promise<void> => {
    await eventually(async () => expect(outcome(await world.ask('team-a', path))).toBe(expected), { timeoutMs: 10_000, intervalMs: 100 });
  };

  beforeAll(async () => {
    world = await startWorld();
  }, 60_000);
  afterAll(async () => world[Symbol.asyncDispose]());

  it('bounds the size of an answer', async () => {
    world.siteA.exporter.behave(textAnswer(`a ${'1'.repeat(5000)}\n`));
    await world.gateway.reconfigure(limitedTo({ maxBodySize: '1KiB' }));
    await until('502 body_too_large');
    expect(outcome(await world.ask('team-a', 'http://web.site-a.scrapeway/metrics'))).toBe('502 body_too_large');
    await world.gateway.reconfigure(limitedTo({ maxBodySize: '1MiB' }));
    await until('200');
  });

  it('bounds the scrapes of a tenant at one target', async () => {
    await world.gateway.reconfigure(limitedTo({ maxConcurrentScrapes: 2 }));
    world.siteA.exporter.behave({ kind: 'drip', body: Buffer.from('a 1\nb 1\nc 1\n'), pieceBytes: 4, everyMs: 500 });
    await eventually(
      async () => {
        const answers = await Promise.all(Array.from({ length: 5 }, () => world.ask('team-a', WEB, { timeoutMs: 10_000 })));
        expect(answers.map(outcome).toSorted()).toEqual(['200', '200', '429 tenant_busy', '429 tenant_busy', '429 tenant_busy']);
      },
      { timeoutMs: 15_000 },
    );
  });

  it('bounds the time of a scrape, whatever the client asks for', async () => {
    world.siteA.exporter.behave({ kind: 'hang' });
    await world.gateway.reconfigure(limitedTo({ maxScrapeTimeout: '1s' }));
    await eventually(
      async () => {
        const startMs = performance.now();
        const answer = await world.ask('team-a', WEB, { headers: { 'x-prometheus-scrape-timeout-seconds': '20' }, timeoutMs: 10_000 });
        expect(answer.status).toBe(504);
        expect(performance.now() - startMs).toBeLessThan(8000);
      },
      { timeoutMs: 20_000 },
    );
  });

  it('bounds the rate at one target, and leaves other targets and what a client says of itself alone', async () => {
    world.siteA.exporter.behave(textAnswer());
    await world.gateway.reconfigure(limitedTo({ requestsPerSecond: 1, burst: 3 }));
    await eventually(
      async () => {
        const answers = await Promise.all(Array.from({ length: 12 }, () => world.ask('team-a', WEB, { headers: { 'x-scrapeway-max-scrapes': '0' } })));
        const limited = answers.map(outcome).filter((each) => each === '429 rate_limited').length;
        expect(limited).toBeGreaterThanOrEqual(6);
        expect(answers.map(outcome)).not.toContain('429 tenant_busy');
      },
      { timeoutMs: 15_000, intervalMs: 500 },
    );
    const others = await Promise.all(Array.from({ length: 12 }, () => world.ask('team-b', WEB_B)));
    expect(new Set(others.map(outcome))).toEqual(new Set(['200']));
  });

  it('stops bounding when its labels do not match any more', async () => {
    await world.gateway.reconfigure(limitedTo({ requestsPerSecond: 1, burst: 1 }, '{env="test"}'));
    await eventually(
      async () => {
        const answers = await Promise.all(Array.from({ length: 12 }, () => world.ask('team-a', WEB)));
        expect(new Set(answers.map(outcome))).toEqual(new Set(['200']));
      },
      { timeoutMs: 15_000, intervalMs: 500 },
    );
  });
});
