import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { ServerHttp2Stream } from 'node:http2';
import { eventually } from '../../test/support/eventually.js';
import { answerTo, connectHeaders, openConnect, startHubRig } from '../../test/support/hub-rig.js';
import type { HubRig, ScrapeHandler } from '../../test/support/hub-rig.js';
import { manualClock } from '../../test/support/manual-clock.js';

/** CONNECT at the hub, between an emulated Envoy and an emulated agent. */

/** Takes every CONNECT and hands out the agent's end of it. */
function takeConnects(): { readonly onScrape: ScrapeHandler; readonly next: Promise<ServerHttp2Stream> } {
  const { promise, resolve } = Promise.withResolvers<ServerHttp2Stream>();
  return { onScrape: (stream) => (stream.respond({ ':status': 200 }), resolve(stream)), next: promise };
}

const echo: ScrapeHandler = (stream) => (stream.respond({ ':status': 200 }), stream.pipe(stream));

function outcome(rig: HubRig, name: string): Promise<number> {
  return rig.metric('scrapeway_hub_connects_total', { outcome: name });
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('a CONNECT', () => {
  it('reaches the target named by ext_authz, with none of the client\'s headers', async () => {
    await using rig = await startHubRig();
    let asked: Record<string, unknown> = {};
    await rig.agent('a', { onScrape: (stream, headers) => ((asked = { ...headers }), stream.respond({ ':status': 200, 'content-length': '5', 'x-own': 'no' }), stream.end('bytes')) });
    const { head, stream } = await openConnect(await rig.envoy());
    expect(Object.keys(head)).toEqual([':status']);
    expect((await collect(stream)).toString()).toBe('bytes');
    expect(Object.keys(asked).toSorted()).toEqual([':authority', ':method', 'x-scrapeway-timeout-ms']);
    expect(asked).toMatchObject({ ':method': 'CONNECT', ':authority': 'node' });
    expect(Number(asked['x-scrapeway-timeout-ms'])).toBeGreaterThan(9000);
  });

  it('carries bytes both ways at once, more than any window, and what was sent before the answer', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { settings: { initialWindowSize: 10_000 }, onScrape: (stream, headers) => setImmediate(() => echo(stream, headers)) });
    const sent = randomBytes(3_000_000);
    const stream = (await rig.envoy()).request(connectHeaders());
    stream.end(sent);
    expect((await collect(stream)).equals(sent)).toBe(true);
    expect(await rig.metric('scrapeway_hub_connect_bytes_to_target_total')).toBe(sent.length);
    expect(await rig.metric('scrapeway_hub_connect_bytes_to_client_total')).toBe(sent.length);
  });

  it('ends a direction at a time: the client first', async () => {
    await using rig = await startHubRig();
    const { onScrape, next } = takeConnects();
    await rig.agent('a', { onScrape });
    const { stream } = await openConnect(await rig.envoy());
    stream.end('question');
    const agentEnd = await next;
    expect((await collect(agentEnd)).toString()).toBe('question');
    expect(await rig.metric('scrapeway_hub_connects_open')).toBe(1);
    agentEnd.end('answer');
    expect((await collect(stream)).toString()).toBe('answer');
    await eventually(async () => expect(await outcome(rig, 'closed')).toBe(1));
    expect(await rig.metric('scrapeway_hub_connects_open')).toBe(0);
  });

  it('ends a direction at a time: the target first', async () => {
    await using rig = await startHubRig();
    const { onScrape, next } = takeConnects();
    await rig.agent('a', { onScrape });
    const { stream } = await openConnect(await rig.envoy());
    const agentEnd = await next;
    // before the end: node:http2 closes a stream that was answered and never read
    const received = collect(agentEnd);
    agentEnd.end('greeting');
    expect((await collect(stream)).toString()).toBe('greeting');
    expect(await outcome(rig, 'closed')).toBe(0);
    stream.end('thanks');
    expect((await received).toString()).toBe('thanks');
    await eventually(async () => expect(await outcome(rig, 'closed')).toBe(1));
  });

  it('is reset on one side when it is on the other', async () => {
    await using rig = await startHubRig();
    const { onScrape, next } = takeConnects();
    await rig.agent('a', { onScrape });
    const { stream } = await openConnect(await rig.envoy());
    (await next).destroy(new Error('broken'));
    await eventually(() => expect(stream.rstCode).toBe(0xa));
    expect(await outcome(rig, 'broken')).toBe(1);
  });

  it('is told to the agent when the client goes away', async () => {
    await using rig = await startHubRig();
    const { onScrape, next } = takeConnects();
    await rig.agent('a', { onScrape });
    const { stream } = await openConnect(await rig.envoy());
    const agentEnd = await next;
    const closed = new Promise<void>((resolve) => void agentEnd.once('close', () => resolve()));
    stream.close(8);
    await closed;
    expect(agentEnd.rstCode).toBe(8);
    expect(await outcome(rig, 'closed')).toBe(1);
  });

  it('breaks with its tunnel', async () => {
    await using rig = await startHubRig();
    const { onScrape, next } = takeConnects();
    const agent = await rig.agent('a', { onScrape });
    const { stream } = await openConnect(await rig.envoy());
    await next;
    agent.socket.destroy();
    await eventually(() => expect(stream.destroyed).toBe(true));
    expect(stream.rstCode).toBe(0xa);
  });

  it('holds the agent back while the client does not read', async () => {
    await using rig = await startHubRig();
    const { onScrape, next } = takeConnects();
    await rig.agent('a', { onScrape });
    const { stream } = await openConnect(await rig.envoy());
    stream.pause();
    const agentEnd = await next;
    while (agentEnd.write(Buffer.alloc(64 * 1024))) await new Promise((resolve) => setImmediate(resolve));
    expect(await rig.metric('scrapeway_hub_queued_bytes')).toBeLessThan(2 ** 20);
  });

  it('is no scrape in any metric', async () => {
    await using rig = await startHubRig();
    const { onScrape, next } = takeConnects();
    await rig.agent('a', { onScrape });
    await openConnect(await rig.envoy());
    (await next).end();
    expect(await rig.metric('scrapeway_hub_scrapes_in_flight')).toBe(0);
    expect(await rig.metric('scrapeway_hub_scrapes_total')).toBe(0);
  });
});

describe('a CONNECT that is refused', () => {
  it('by the agent carries its reason, and ends though the client does not', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: (stream) => (stream.respond({ ':status': 403, 'x-scrapeway-reason': 'agent_denied' }), stream.end('no')) });
    const answer = await answerTo((await rig.envoy()).request(connectHeaders()));
    expect([answer.status, answer.reason, answer.body.toString()]).toEqual([403, 'agent_denied', "scrapeway: not on the agent's allow-list\n"]);
    expect(await outcome(rig, 'agent_denied')).toBe(1);
  });

  it.each([204, 302])('with %d and no reason is a misbehaviour of the agent', async (status) => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: (stream) => stream.respond({ ':status': status }, { endStream: true }) });
    expect((await answerTo((await rig.envoy()).request(connectHeaders()))).reason).toBe('agent_misbehaved');
  });

  it('by its deadline, if no head comes', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: () => {} });
    const answer = await answerTo((await rig.envoy()).request(connectHeaders(200)));
    expect([answer.status, answer.reason]).toEqual([504, 'agent_timeout']);
  });

  it('because nobody is there', async () => {
    await using rig = await startHubRig();
    const answer = await answerTo((await rig.envoy()).request(connectHeaders()));
    expect([answer.status, answer.reason]).toEqual([503, 'agent_away']);
  });

  it('because ext_authz did not resolve it', async () => {
    await using rig = await startHubRig();
    const answer = await answerTo((await rig.envoy()).request({ ':method': 'CONNECT', ':authority': 'x:443', 'x-scrapeway-agent': 'a' }));
    expect([answer.status, answer.reason]).toEqual([500, 'gateway_error']);
  });
});

describe('the life of a CONNECT', () => {
  it('has no deadline once it is established', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: (stream, headers) => headers[':authority'] === 'node' && echo(stream, headers) });
    const session = await rig.envoy();
    const { stream } = await openConnect(session, 50);
    // another one's deadline, later than this one's would have been
    const late = await answerTo(session.request({ ...connectHeaders(200), 'x-scrapeway-target': 'silent' }));
    expect(late.reason).toBe('agent_timeout');
    stream.end('still here');
    expect((await collect(stream)).toString()).toBe('still here');
  });

  it('ends when nothing has moved for too long', async () => {
    const clock = manualClock();
    await using rig = await startHubRig({ clock, timing: { connectIdleMs: 100 } });
    await rig.agent('a', { onScrape: echo });
    const { stream } = await openConnect(await rig.envoy());
    for (let i = 0; i < 10; i += 1) {
      clock.advance(99);
      stream.write('x');
      await once(stream, 'data');
    }
    expect(await outcome(rig, 'idle')).toBe(0);
    clock.advance(100);
    await eventually(async () => expect(await outcome(rig, 'idle')).toBe(1));
    await eventually(() => expect(stream.rstCode).toBe(8));
  });

  it('ends soon after nobody would let it through any more, and others stay', async () => {
    const clock = manualClock();
    let goodUntilMs = Infinity;
    await using rig = await startHubRig({ clock, mayStay: ({ tenant }, agent, target) => tenant !== 't' || agent !== 'a' || target === 'other' || clock.nowMs() < goodUntilMs });
    await rig.agent('a', { onScrape: echo });
    const { stream } = await openConnect(await rig.envoy());
    clock.advance(1500);
    stream.write('x');
    await once(stream, 'data');
    goodUntilMs = clock.nowMs();
    clock.advance(1000);
    await eventually(() => expect(stream.destroyed).toBe(true));
    expect(await outcome(rig, 'target_forbidden')).toBe(1);
  });

  it('holds up no drain once it is quiet', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: echo });
    const { stream } = await openConnect(await rig.envoy());
    await rig.hub.drain();
    await eventually(() => expect(stream.destroyed).toBe(true));
  });
});
