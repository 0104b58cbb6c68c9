import { describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { eventually } from '../../test/support/eventually.js';
import { answerTo, connectHeaders, openScrape, scrape, startHubRig, stateWith } from '../../test/support/hub-rig.js';
import type { HubRig, ScrapeAnswer, ScrapeHandler, ScrapeOptions } from '../../test/support/hub-rig.js';

/** A site with several agents at the hub: who is asked, and who instead (ADR 31). */

const says =
  (body: string, headers: Readonly<Record<string, string | number>> = {}): ScrapeHandler =>
  (stream) => {
    if (stream.destroyed) return;
    stream.respond({ ':status': 200, ...headers });
    stream.end(body);
  };
const fails = (reason: string, status = 502): ScrapeHandler => says('scrapeway: failed\n', { ':status': status, 'x-scrapeway-reason': reason });
const hangs: ScrapeHandler = () => {};

/** `a: up 1` for an answer of member a; the reason for one of ours. */
function inWords({ status, headers, body, reason }: ScrapeAnswer): string {
  return `${String(headers['x-scrapeway-member'] ?? 'hub')}: ${reason ?? `${status} ${body.toString()}`}`;
}

async function ask(rig: HubRig, { members = 'a b', hedge, ...options }: ScrapeOptions & { readonly members?: string; readonly hedge?: string } = {}): Promise<string> {
  const session = await rig.envoy();
  return inWords(await scrape(session, { agent: 'paris', ...options, headers: { 'x-scrapeway-members': members, ...(hedge !== undefined && { 'x-scrapeway-hedge': hedge }) } }));
}

describe('who is asked', () => {
  it('the first of the list that is there', async () => {
    await using rig = await startHubRig();
    await rig.agent('b', { onScrape: says('from b') });
    expect(await ask(rig)).toBe('b: 200 from b');
    await rig.agent('a', { onScrape: says('from a') });
    expect(await ask(rig)).toBe('a: 200 from a');
    expect(await ask(rig, { members: 'b a' })).toBe('b: 200 from b');
  });

  it('nobody there: agent_away at once; all lost a moment ago: waits for whoever comes first', async () => {
    await using rig = await startHubRig();
    expect(await ask(rig)).toBe('hub: agent_away');
    for (const name of ['a', 'b']) (await rig.agent(name)).socket.destroy();
    await eventually(() => expect(rig.states.filter((state) => state.startsWith('down')).toSorted()).toEqual(['down a', 'down b']));
    const asked = ask(rig);
    await eventually(async () => expect(await rig.metric('scrapeway_hub_scrapes_waited_total')).toBe(1));
    await rig.agent('b', { onScrape: says('from b') });
    expect(await asked).toBe('b: 200 from b');
  });

  it('a single agent\'s answer does not say whose it is', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: says('up 1', { 'x-scrapeway-member': 'forged' }) });
    expect((await scrape(await rig.envoy())).headers['x-scrapeway-member']).toBeUndefined();
  });
});

describe('failover within the scrape', () => {
  it.each(['target_unknown', 'target_dns', 'target_refused', 'target_unreachable', 'target_reset', 'target_tls', 'agent_overloaded', 'agent_draining', 'agent_error'])('after %s at one member', async (reason) => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: fails(reason) });
    await rig.agent('b', { onScrape: says('from b') });
    expect(await ask(rig)).toBe('b: 200 from b');
    expect(await rig.metric('scrapeway_hub_failovers_total', { agent: 'a', reason })).toBe(1);
  });

  it.each(['agent_denied', 'target_timeout', 'target_too_large', 'target_garbage'])('not after %s: it would be the same, or is a decision', async (reason) => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: fails(reason) });
    await rig.agent('b', { onScrape: says('from b') });
    expect(await ask(rig)).toBe(`a: ${reason}`);
  });

  it('not after the target\'s own answer, whatever it is', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: says('busy', { ':status': 503 }) });
    await rig.agent('b', { onScrape: says('from b') });
    expect(await ask(rig)).toBe('a: 503 busy');
  });

  it('when the tunnel breaks, the stream is reset, or the agent has no room', async () => {
    await using rig = await startHubRig();
    await rig.agent('b', { onScrape: says('from b') });
    const lost = await rig.agent('a', { onScrape: () => lost.socket.destroy() });
    expect(await ask(rig)).toBe('b: 200 from b');
    await eventually(() => expect(rig.states).toContain('down a'));
    const resets = await rig.agent('a', { onScrape: (stream) => stream.close(2) });
    expect(await ask(rig)).toBe('b: 200 from b');
    resets.socket.destroy();
    await eventually(() => expect(rig.states.filter((state) => state === 'down a')).toHaveLength(2));
    await rig.agent('a', { settings: { maxConcurrentStreams: 1 }, onScrape: says('never') });
    expect(await ask(rig)).toBe('b: 200 from b');
    for (const reason of ['agent_lost', 'agent_error', 'agent_busy']) expect([reason, await rig.metric('scrapeway_hub_failovers_total', { reason })]).toEqual([reason, 1]);
  });

  it('never once the answer has begun: it breaks off', async () => {
    await using rig = await startHubRig();
    const a = await rig.agent('a', { onScrape: (stream) => (stream.respond({ ':status': 200 }), stream.write('half')) });
    let asked = 0;
    await rig.agent('b', { onScrape: () => (asked += 1) });
    const request = openScrape(await rig.envoy(), { agent: 'paris', headers: { 'x-scrapeway-members': 'a b' } });
    const answer = answerTo(request);
    await once(request, 'data');
    a.socket.destroy();
    await expect(answer).rejects.toThrow('NGHTTP2_INTERNAL_ERROR');
    expect(asked).toBe(0);
  });

  it('never for a method that might change something', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: fails('target_refused') });
    await rig.agent('b', { onScrape: says('from b') });
    expect(await ask(rig, { method: 'POST', body: Buffer.from('x') })).toBe('a: target_refused');
  });

  it('through all members; at the end tells what an agent has seen rather than that one was lost', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: fails('target_refused') });
    const b = await rig.agent('b', { onScrape: () => b.socket.destroy() });
    expect(await ask(rig)).toBe('hub: target_refused');
    expect(await ask(rig, { members: 'a c' })).toBe('a: target_refused');
    expect(await rig.metric('scrapeway_hub_scrapes_total', { outcome: 'target_refused' })).toBe(2);
  });

  it('of a CONNECT before it is established', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: fails('target_refused') });
    await rig.agent('b', { onScrape: (stream) => stream.respond({ ':status': 200 }) });
    const stream = (await rig.envoy()).request({ ...connectHeaders(), 'x-scrapeway-agent': 'paris', 'x-scrapeway-members': 'a b' });
    stream.on('error', () => {});
    const head = await new Promise<Record<string, unknown>>((resolve) => {
      stream.once('response', (headers) => resolve({ ...headers }));
    });
    expect([head[':status'], head['x-scrapeway-member']]).toEqual([200, 'b']);
    stream.close();
  });
});

describe('a second member is asked', () => {
  it('of a frozen one: after a part of the time, and the next scrapes go past it until it is heard again', async () => {
    await using rig = await startHubRig({ timing: { keepAlive: { intervalMs: 30_000, timeoutMs: 60_000 } } });
    const a = await rig.agent('a', { freezable: true, onScrape: says('from a') });
    await rig.agent('b', { onScrape: says('from b') });
    expect(await ask(rig)).toBe('a: 200 from a');
    a.freeze();
    const startMs = performance.now();
    expect(await ask(rig, { timeoutMs: 3000 })).toBe('b: 200 from b');
    expect(performance.now() - startMs).toBeLessThan(2700);
    const againMs = performance.now();
    expect(await ask(rig, { timeoutMs: 10_000 })).toBe('b: 200 from b');
    expect(performance.now() - againMs).toBeLessThan(2500);
    expect(await rig.metric('scrapeway_hub_hedges_total', { cause: 'silent', outcome: 'won' })).toBe(1);
    a.thaw();
    await eventually(async () => expect(await ask(rig)).toBe('a: 200 from a'));
  });

  it('not of one whose target is slow, while its tunnel lives: that is what `hedge` is for', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: (stream) => setTimeout(() => says('slow a')(stream, {}), 600) });
    await rig.agent('b', { onScrape: says('from b') });
    expect(await ask(rig, { timeoutMs: 1000 })).toBe('a: 200 slow a'); // a quarter of this is enough to be silent
    expect(await rig.metric('scrapeway_hub_hedges_total')).toBe(0);
    expect(await ask(rig, { timeoutMs: 1000, hedge: '50' })).toBe('b: 200 from b');
    expect(await rig.metric('scrapeway_hub_hedges_total', { cause: 'slow', outcome: 'won' })).toBe(1);
  });

  it('after p95 of what the target usually takes, and the loser is cancelled', async () => {
    await using rig = await startHubRig();
    let slow = false;
    let cancelled = 0;
    await rig.agent('a', { onScrape: (stream, headers) => (stream.once('aborted', () => (cancelled += 1)), slow ? hangs(stream, headers) : says('from a')(stream, headers)) });
    await rig.agent('b', { onScrape: says('from b') });
    for (let i = 0; i < 10; i += 1) expect(await ask(rig, { hedge: 'p95' })).toBe('a: 200 from a');
    slow = true;
    expect(await ask(rig, { hedge: 'p95' })).toBe('b: 200 from b');
    await eventually(() => expect(cancelled).toBe(1));
  });

  it('if the second fails the first still may answer; if the first fails the second has it', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: (stream) => setTimeout(() => says('slow a')(stream, {}), 200) });
    await rig.agent('b', { onScrape: fails('target_refused') });
    expect(await ask(rig, { hedge: '20' })).toBe('a: 200 slow a');
    expect(await rig.metric('scrapeway_hub_hedges_total', { outcome: 'failed' })).toBe(1);
    const c = await rig.agent('c', { onScrape: () => setTimeout(() => c.socket.destroy(), 100) });
    expect(await ask(rig, { hedge: '20', members: 'c a' })).toBe('a: 200 slow a');
    expect(await rig.metric('scrapeway_hub_failovers_total', { agent: 'c' })).toBe(1);
  });
});

describe('a site that changes', () => {
  it('makes its members dial again: their scrapes come by another name now', async () => {
    await using rig = await startHubRig();
    const a = await rig.agent('a');
    await rig.agent('b');
    rig.hub.setState({ ...stateWith(['a', 'b']), sites: [{ name: 'paris', agents: ['a'], order: 'preference', hedge: undefined }] });
    await a.closed;
    expect(a.heard).toContain('{"type":"draining"}');
    expect(rig.states).toEqual(['up a', 'up b', 'down a']);
    const asked = ask(rig, { members: 'a' });
    await eventually(async () => expect(await rig.metric('scrapeway_hub_scrapes_waited_total')).toBe(1));
    await rig.agent('a', { home: 'paris', onScrape: says('from a') });
    expect(await asked).toBe('a: 200 from a');
  });
});

describe('one name, two certificates', () => {
  const changes = (rig: HubRig, process: string): Promise<number> => rig.metric('scrapeway_hub_agent_certificate_changes_total', { process });

  it('a second process is refused while the first lives, whatever its certificate', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { serial: '01' });
    const { head } = await rig.dial('a', { serial: '02' });
    expect(head).toMatch(/^HTTP\/1.1 409 /);
    expect(await changes(rig, 'other')).toBe(0);
  });

  it.each([
    ['of the same issuer is a successor: renewed, then restarted', 'CN=ca', 'CN=ca', 'successor'],
    ['of another issuer is somebody else', 'CN=ca', 'CN=another', 'other'],
    ['of which Envoy says no issuer may be anybody', undefined, undefined, 'other'],
  ])('one that comes when the first is gone is let in, and shown: one %s', async (_, first, second, process) => {
    await using rig = await startHubRig();
    (await rig.agent('a', { serial: '01', ...(first && { issuer: first }) })).socket.destroy();
    await eventually(() => expect(rig.states).toContain('down a'));
    await rig.agent('a', { serial: '02', ...(second && { issuer: second }) });
    expect(await changes(rig, process)).toBe(1);
    expect(await rig.metric('scrapeway_hub_agent_certificate_changes_total')).toBe(1);
  });

  it('one that wanted the name while the first lived is no successor, though it comes in when the first has gone', async () => {
    await using rig = await startHubRig();
    const issuer = 'CN=ca';
    const instance = randomUUID();
    const first = await rig.agent('a', { serial: '01', issuer });
    expect((await rig.dial('a', { serial: '02', issuer, instance })).accepted).toBe(false);
    first.socket.destroy();
    await eventually(() => expect(rig.states).toContain('down a'));
    await rig.agent('a', { serial: '02', issuer, instance });
    expect([await changes(rig, 'other'), await changes(rig, 'successor')]).toEqual([1, 0]);
  });

  it('one that takes the name over from a process that is silent, but not gone, is no successor', async () => {
    await using rig = await startHubRig({ timing: { conflictPingMs: 50 } });
    const issuer = 'CN=ca';
    const first = await rig.agent('a', { serial: '01', issuer, freezable: true });
    first.freeze();
    await rig.agent('a', { serial: '02', issuer });
    expect([await changes(rig, 'other'), await changes(rig, 'successor')]).toEqual([1, 0]);
  });

  it('one that knows the first one\'s Tunnel-Instance is shown: only a renewal looks like that', async () => {
    await using rig = await startHubRig();
    const instance = randomUUID();
    await rig.agent('a', { instance, serial: '01' });
    await rig.agent('a', { instance, serial: '01' });
    expect(await changes(rig, 'same')).toBe(0);
    await rig.agent('a', { instance, serial: '02' });
    expect(await changes(rig, 'same')).toBe(1);
  });
});
