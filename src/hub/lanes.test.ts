import { describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { ServerHttp2Stream } from 'node:http2';
import { eventually } from '../../test/support/eventually.js';
import { scrape, startHubRig, stateWith } from '../../test/support/hub-rig.js';
import type { HubRig, RigAgent } from '../../test/support/hub-rig.js';

/** Several connections of one tunnel: what the hub does with them, and what they may not do. */

const GATEWAY = 'gw-1';

interface Laned {
  readonly main: RigAgent;
  readonly lane: RigAgent;
  /** Scrapes that wait for an answer, by where they came. */
  readonly waiting: Readonly<Record<'main' | 'lane', ServerHttp2Stream[]>>;
  answerAll(): void;
}

async function withLane(rig: HubRig): Promise<Laned> {
  const instance = randomUUID();
  const waiting: Laned['waiting'] = { main: [], lane: [] };
  const main = await rig.agent('a', { instance, onScrape: (stream) => waiting.main.push(stream) });
  const lane = await rig.agent('a', { instance, lane: GATEWAY, onScrape: (stream) => waiting.lane.push(stream) });
  return {
    main,
    lane,
    waiting,
    answerAll: () => {
      for (const stream of [...waiting.main.splice(0), ...waiting.lane.splice(0)]) {
        stream.respond({ ':status': 200 });
        stream.end('up 1\n');
      }
    },
  };
}

describe('a tunnel with a lane', () => {
  it('has its scrapes spread: each goes where the fewest are in flight', async () => {
    await using rig = await startHubRig();
    const { waiting, answerAll } = await withLane(rig);
    const envoy = await rig.envoy();
    const answers = Array.from({ length: 6 }, () => scrape(envoy));
    await eventually(() => expect([waiting.main.length, waiting.lane.length]).toEqual([3, 3]));
    answerAll();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array.from({ length: 6 }, () => 200));
  });

  it('is one agent: up once, registered once, and down when the tunnel goes, whatever its lanes do', async () => {
    await using rig = await startHubRig();
    const { main, lane } = await withLane(rig);
    lane.say({ type: 'targets', revision: 7, targets: [] });
    main.say({ type: 'targets', revision: 1, targets: [] });
    await eventually(() => expect(lane.heard.length).toBe(1));
    await eventually(() => expect(main.heard.length).toBe(1));
    expect(rig.registrations.map(({ revision }) => revision)).toEqual([1]);
    lane.socket.destroy();
    await eventually(async () => expect(await rig.metric('scrapeway_hub_tunnels')).toBe(1));
    expect(rig.states).toEqual(['up a']);
    main.socket.destroy();
    await eventually(() => expect(rig.states).toEqual(['up a', 'down a']));
  });

  it('loses the lane: what was asked there and not answered is asked again on the tunnel', async () => {
    await using rig = await startHubRig();
    const { lane, waiting, answerAll } = await withLane(rig);
    const envoy = await rig.envoy();
    const answers = [scrape(envoy), scrape(envoy)];
    await eventually(() => expect([waiting.main.length, waiting.lane.length]).toEqual([1, 1]));
    lane.socket.destroy();
    await eventually(() => expect(waiting.main.length).toBe(2));
    waiting.lane.splice(0);
    answerAll();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200]);
  });

  it('goes: its lane finishes its scrapes and closes', async () => {
    await using rig = await startHubRig();
    const { main, lane, waiting, answerAll } = await withLane(rig);
    const envoy = await rig.envoy();
    const answers = [scrape(envoy), scrape(envoy)];
    await eventually(() => expect([waiting.main.length, waiting.lane.length]).toEqual([1, 1]));
    main.say({ type: 'draining' });
    await eventually(() => expect(rig.states).toEqual(['up a', 'down a']));
    answerAll();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200]);
    await Promise.all([main.closed, lane.closed]);
  });

  it('is cut off with its lanes', async () => {
    await using rig = await startHubRig();
    const { main, lane } = await withLane(rig);
    rig.hub.setState(stateWith(['b']));
    await Promise.all([main.closed, lane.closed]);
    expect(await rig.metric('scrapeway_hub_tunnels')).toBe(0);
  });
});

describe('a lane', () => {
  it.each([
    ['of a tunnel to another gateway, where a load balancer led it here', (instance: string) => ({ instance, lane: 'gw-2' })],
    ['of another process', () => ({ instance: randomUUID(), lane: GATEWAY })],
    ['above what the operator allows', (instance: string) => ({ instance, lane: GATEWAY })],
  ])('%s is refused, and the tunnel is not touched', async (_, options) => {
    await using rig = await startHubRig({ maxLanes: 2 });
    const instance = randomUUID();
    const { head } = await rig.dial('a', { instance });
    expect(head).toMatch(/\r\nx-scrapeway-lanes: 2$/);
    expect((await rig.dial('a', { instance, lane: GATEWAY })).accepted).toBe(true);
    const refused = await rig.dial('a', options(instance));
    expect(refused.head).toMatch(/^HTTP\/1\.1 409 /);
    expect(refused.head).toContain('x-scrapeway-reason: lane_refused');
    expect(await rig.metric('scrapeway_hub_tunnels')).toBe(2);
  });
});
