import { describe, expect, it } from '@jest/globals';
import { setTimeout } from 'node:timers/promises';
import { makeBody } from '../../bench/body.js';
import { eventually } from '../support/eventually.js';
import type { ConfigFile, RunningScrapeway } from '../support/scrapeway.js';
import { startWanSite } from '../support/wan-site.js';
import type { WanSite } from '../support/wan-site.js';
import { wanObstacle } from '../support/wan.js';
import type { Wan, Ways } from '../support/wan.js';

/**
 * A site in a network namespace, behind a link that delays and loses packets: what TCP makes of it is part of the figures. What the
 * figures are made of, and more of them: `npm run bench -- --scenario wan`, docs/wan.md.
 */

const TARGETS = 20;
const ROUNDS = 6;
/** Many times longer than TCP remembers how much the way takes. */
const IDLE_MS = 2000;
const gzip = makeBody(6 * 1024).gzipped;
const obstacle = wanObstacle();
const onWan = obstacle === undefined ? it : it.skip;
if (obstacle !== undefined) process.stdout.write(`netns.test.ts is skipped: ${obstacle}\n`);

/** Keep-alives of both ends, as configured. */
const KEEP_ALIVES: Readonly<Record<'by default' | 'of 1 s', { readonly agent: ConfigFile; readonly gateway: ConfigFile }>> = {
  'by default': { agent: {}, gateway: {} },
  'of 1 s': { agent: { keepAlive: { interval: '300ms', timeout: '1s' } }, gateway: { tunnel: { keepAliveInterval: '300ms', keepAliveTimeout: '1s', reconnectGrace: '0s' } } },
};

function startSite(shape: Parameters<Wan['shape']>[0], keepAlive: keyof typeof KEEP_ALIVES = 'by default', more: { readonly congestionControl?: string } = {}): Promise<WanSite> {
  const { agent, gateway } = KEEP_ALIVES[keepAlive];
  return startWanSite({ agents: { 'site-a': { config: agent } }, gateway, targets: TARGETS, gzip, shape, ...more });
}

const valueOf = async (process: RunningScrapeway, metric: string): Promise<number | undefined> => [...(await process.metric(metric)).values()][0];
const tunnelsUp = (site: WanSite): number => (site.agent('site-a').process.log().match(/tunnel up/g) ?? []).length;

function percentiles(times: readonly number[]): Readonly<Record<'least' | 'p50' | 'p99', number>> {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => Math.round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Infinity);
  return { least: at(0), p50: at(0.5), p99: at(0.99) };
}

/** From now: until the hub says so and the agent says so, ms. */
async function whenNoticed(site: WanSite): Promise<{ readonly hubMs: number; readonly agentMs: number }> {
  const fromMs = performance.now();
  const after = (): number => Math.round(performance.now() - fromMs);
  const [hubMs, agentMs] = await Promise.all([
    eventually(async () => expect((await site.scrape('site-a', 0, 1)).reason).toBe('agent_away'), { timeoutMs: 15_000 }).then(after),
    eventually(async () => expect(await valueOf(site.agent('site-a'), 'scrapeway_agent_tunnel_up')).toBe(0), { timeoutMs: 15_000 }).then(after),
  ]);
  return { hubMs, agentMs };
}

describe('a site behind a WAN', () => {
  onWan(`with 100 ms of round trip, idle between rounds: ${TARGETS} targets scraped at once take p50 < 150 ms, p99 < 250 ms, beyond what they take without`, async () => {
    await using site = await startSite({ rttMs: 100 }, 'by default', { congestionControl: 'cubic' });
    const scrapeAll = async (): Promise<readonly number[]> => {
      const scrapes = await site.scrapeAll('site-a');
      expect(scrapes.filter(({ status }) => status !== 200)).toEqual([]);
      return scrapes.map(({ ms }) => ms);
    };
    await eventually(async () => expect(await valueOf(site.agent('site-a'), 'scrapeway_agent_tunnel_lanes')).toBe(TARGETS / 2), { timeoutMs: 30_000 });
    const times: Record<0 | 100, number[]> = { 0: [], 100: [] };
    await scrapeAll();
    // in turn, so that whatever else the machine does falls on both alike
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const rttMs of [0, 100] as const) {
        site.wan.shape({ rttMs });
        if (rttMs > 0) await setTimeout(IDLE_MS);
        times[rttMs].push(...(await scrapeAll()));
      }
    }
    const figures = { without: percentiles(times[0]), with: percentiles(times[100]) };
    process.stdout.write(`${TARGETS * ROUNDS} scrapes, ${TARGETS} at once, ms: ${JSON.stringify(figures)}\n`);
    // less would mean that the link does not delay
    expect(figures.with.least).toBeGreaterThanOrEqual(100);
    expect(figures.with.p50 - figures.without.p50).toBeLessThan(150);
    expect(figures.with.p99 - figures.without.p99).toBeLessThan(250);
  }, 120_000);

  for (const keepAlive of ['by default', 'of 1 s'] as const) {
    onWan(`with 300 ms, 2 % loss and a keep-alive ${keepAlive}: no false alarm, no failed scrape`, async () => {
      await using site = await startSite({ rttMs: 300, lossPercent: 2 }, keepAlive);
      const untilMs = performance.now() + 10_000;
      for (let round = 0; performance.now() < untilMs; round += 1) {
        expect((await site.scrapeAll('site-a')).filter(({ status }) => status !== 200)).toEqual([]);
        // as long as a PING and its answer, so that these are on the way too
        await setTimeout(round % 2 === 0 ? 0 : IDLE_MS);
      }
      expect(await valueOf(site.agent('site-a'), 'scrapeway_agent_tunnel_up')).toBe(1);
      expect(await valueOf(site.gateway, 'scrapeway_hub_keepalive_losses_total')).toBe(0);
      expect(tunnelsUp(site)).toBe(1);
    }, 120_000);
  }

  onWan('that becomes a black hole is noticed by both ends in under 10 s; it comes back by itself, also as another process of a host that lost power', async () => {
    await using site = await startSite({ rttMs: 100, noReset: 'to the gateway' });
    expect((await site.scrape('site-a', 0)).reason).toBe('ok');
    site.wan.shape({ silent: 'both' });
    const { hubMs, agentMs } = await whenNoticed(site);
    process.stdout.write(`a black hole was noticed by the hub after ${hubMs} ms, by the agent after ${agentMs} ms\n`);
    expect(Math.max(hubMs, agentMs)).toBeLessThan(10_000);
    site.wan.shape({ silent: 'none' });
    await eventually(async () => expect((await site.scrape('site-a', 0, 1)).reason).toBe('ok'), { timeoutMs: 40_000 });
    // its end is not heard of, and its address, when it is back, says nothing of the old connection
    site.wan.shape({ silent: 'both' });
    site.agent('site-a').process.signal('SIGKILL');
    await site.agent('site-a').process.exited;
    site.wan.shape({ silent: 'none' });
    await using again = await site.startAgain('site-a');
    await again.waitUntilReady();
    expect((await site.scrape('site-a', 0)).reason).toBe('ok');
  }, 120_000);

  onWan('that loses all packets of one direction, with a keep-alive of 1 s: noticed by both ends long before the default would', async () => {
    await using site = await startSite({ rttMs: 100 }, 'of 1 s');
    for (const silent of ['to the site', 'to the gateway'] as const satisfies readonly Ways[]) {
      await eventually(async () => expect((await site.scrape('site-a', 0, 1)).reason).toBe('ok'), { timeoutMs: 40_000 });
      site.wan.shape({ silent });
      const { hubMs, agentMs } = await whenNoticed(site);
      process.stdout.write(`packets ${silent} lost: noticed by the hub after ${hubMs} ms, by the agent after ${agentMs} ms\n`);
      expect(Math.max(hubMs, agentMs)).toBeLessThan(8_000);
      site.wan.shape({ silent: 'none' });
    }
  }, 120_000);
});
