import { execFile } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { eventually } from '../../test/support/eventually.js';
import { startWanSite } from '../../test/support/wan-site.js';
import type { WanSite } from '../../test/support/wan-site.js';
import { wanObstacle } from '../../test/support/wan.js';
import { makeBody } from '../body.js';
import { percentile } from '../statistics.js';
import { figure } from '../table.js';
import type { Finding, Scenario, ScenarioContext } from './scenario.js';

/**
 * A site behind 100 ms of round trip, 20 targets scraped at once, by an agent with one connection and by one with as many as it opens by itself,
 * in turn. Between two rounds of an agent the way is idle for a while, as between scrapes of a Prometheus: back-to-back rounds would hide
 * what TCP forgets meanwhile. Needs root and a Linux with network namespaces.
 */
export const wanScenario: Scenario = {
  name: 'wan',
  what: 'a site behind 100 ms of round trip: 20 targets at once, with one connection and with lanes',
  run: async ({ rounds, print }: ScenarioContext): Promise<Finding> => {
    const obstacle = wanObstacle();
    const rows: Row[] = [];
    if (obstacle === undefined) for (const bodyKb of BODIES_KB) for (const congestionControl of CONGESTION_CONTROLS) rows.push(...(await measureSite(congestionControl, bodyKb, rounds, print)));
    return {
      head: ["the site's TCP", 'KB', 'round trip ms', 'every s', 'lanes', 'p50 ms', 'p99 ms'],
      rows: rows.map((row) => [row.congestionControl, ...[row.bodyKb, row.rttMs, row.gapS, row.lanes, Math.round(row.p50Ms), Math.round(row.p99Ms)].map(String)]),
      notes: obstacle === undefined ? ['What the machine itself takes for 20 scrapes at once stands where the round trip is 0.'] : [`skipped: ${obstacle}`],
      data: rows,
    };
  },
};

const TARGETS = 20;
const RTT_MS = 100;
const BODIES_KB = [6, 30];
/** Of the site's kernel; what most have, and what some have. */
const CONGESTION_CONTROLS = ['cubic', 'bbr'];
const GAPS_S = [0.2, 5, 15];
/** By name of the agent. */
const AGENTS = { one: { gateway: { lanes: 1 } }, auto: {} };
const LANES_TIMEOUT_MS = 60_000;

interface Row {
  readonly congestionControl: string;
  readonly bodyKb: number;
  readonly rttMs: number;
  readonly gapS: number;
  readonly agent: string;
  readonly lanes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the site's connections just before the last round, segments. */
  readonly windows: readonly number[];
}

async function windowsOf(site: WanSite): Promise<readonly number[]> {
  const { stdout } = await promisify(execFile)('ip', ['netns', 'exec', site.wan.namespace, 'ss', '-tin', 'dst', site.wan.gatewayAddress]);
  return [...stdout.matchAll(/ cwnd:(\d+)/g)].map(([, segments]) => Number(segments));
}

/** All agents in turn, each `rounds` times, with `gapS` between two rounds of one. */
async function measure(site: WanSite, rounds: number, gapS: number): Promise<readonly Pick<Row, 'agent' | 'lanes' | 'p50Ms' | 'p99Ms' | 'windows'>[]> {
  const names = Object.keys(AGENTS);
  const times = new Map<string, number[]>(names.map((name) => [name, []]));
  let windows: readonly number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) {
      await setTimeout((gapS * 1000) / names.length);
      windows = await windowsOf(site);
      const scrapes = await site.scrapeAll(name);
      const failed = scrapes.find(({ status }) => status !== 200);
      if (failed !== undefined) throw new Error(`a scrape failed: ${failed.status} ${failed.reason}`);
      times.get(name)?.push(...scrapes.map(({ ms }) => ms));
    }
  }
  return Promise.all(
    [...times].map(async ([agent, all]) => {
      const sorted = all.toSorted((a, b) => a - b);
      return { agent, lanes: await lanesOf(site, agent), p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99), windows };
    }),
  );
}

async function lanesOf(site: WanSite, agent: string): Promise<number> {
  return [...(await site.agent(agent).metric('scrapeway_agent_tunnel_lanes')).values()][0] ?? 0;
}

async function measureSite(congestionControl: string, bodyKb: number, rounds: number, print: (line: string) => void): Promise<readonly Row[]> {
  await using site = await startWanSite({ agents: AGENTS, targets: TARGETS, gzip: makeBody(bodyKb * 1024).gzipped, shape: { rttMs: RTT_MS }, congestionControl });
  await eventually(async () => {
    if ((await lanesOf(site, 'auto')) < TARGETS / 2) throw new Error('the lanes are not open');
  }, { timeoutMs: LANES_TIMEOUT_MS });
  const rows: Row[] = [];
  for (const [rttMs, gaps] of [[0, GAPS_S.slice(0, 1)], [RTT_MS, GAPS_S]] as const) {
    site.wan.shape({ rttMs });
    // connections, caches, the compiler
    for (const agent of Object.keys(AGENTS)) for (let warm = 0; warm < 3; warm += 1) await site.scrapeAll(agent);
    for (const gapS of gaps) {
      for (const figures of await measure(site, rounds, gapS)) rows.push({ congestionControl, bodyKb, rttMs, gapS, ...figures });
      print(`${congestionControl}, ${bodyKb} KB, ${rttMs} ms, every ${gapS} s: ${rows.slice(-2).map((row) => `${row.agent} p50 ${figure(row.p50Ms)} p99 ${figure(row.p99Ms)}`).join('; ')}`);
    }
  }
  return rows;
}
