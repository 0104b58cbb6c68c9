import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { startGoodScrapes } from '../support/good-scrapes.js';
import type { GoodScrapes } from '../support/good-scrapes.js';
import { fetchRaw, openRequest } from '../support/http.js';
import { ACK, answerWith, dialRaw, END_STREAM, Frame, frameBytes, PADDED, settingsPayload, uint32 } from '../support/raw-agent.js';
import type { RawAgent, RawAgentOptions, ScrapeAct } from '../support/raw-agent.js';
import { startWorld, worldTenants } from '../support/world.js';
import type { World } from '../support/world.js';

/**
 * The traps of the facts file h2-switch.md, sprung by an agent that does what it must not, through the real Envoy; while a
 * good agent's scrapes, a hundred in flight all the time, must not notice. Each trap's number is in its test's name.
 */

const BAD = '/scrape/site-x/web';
const TARGET = { name: 'web', scheme: 'http', host: '127.0.0.1', port: 1, path: '/metrics', labels: {} };

let world: World;
let good: GoodScrapes;
let hubBefore: string;

beforeAll(async () => {
  const tenants = (await worldTenants()).map((tenant) => ({ ...tenant, limits: { requestsPerSecond: 100_000 } }));
  const agents = ['site-a', 'site-b', 'site-x'].map((name) => ({ name, tenants: ['team-a', 'team-b'] }));
  world = await startWorld({ gateway: { tenants, agents, tunnel: { reconnectGrace: '0s' } } });
  good = await startGoodScrapes(world);
  hubBefore = await hubConnections();
});
afterAll(async () => {
  await good.stop();
  await world[Symbol.asyncDispose]();
});

/** What would change if a connection between Envoy and the hub was lost. */
async function hubConnections(): Promise<string> {
  const { body } = await fetchRaw({ url: 'http://admin/stats?filter=cluster.hub.upstream_cx_(destroy|protocol_error)', socketPath: world.dir.join('run/admin.sock') });
  return body.toString();
}

afterEach(async () => {
  await good.another(50);
  expect(good.failures).toEqual([]);
  expect(await hubConnections()).toBe(hubBefore);
});

async function hostile(onScrape: ScrapeAct, more: Partial<RawAgentOptions> = {}): Promise<RawAgent> {
  const agent = await eventually(
    async () => dialRaw({ port: world.gateway.ports.agents, certificate: await world.pki.agent('site-x'), caFile: world.pki.serverCaFile, onScrape, ...more }),
    { timeoutMs: 15_000, intervalMs: 200 },
  );
  if (more.mute === true) return agent;
  await eventually(() => expect(agent.controlStream).toBe(1), { timeoutMs: 30_000 });
  const revision = agent.register([TARGET]);
  await eventually(() => expect(agent.heard).toContainEqual({ type: 'registered', revision, accepted: 1, faults: [] }), { timeoutMs: 30_000 });
  return agent;
}

/** One scrape of the bad agent: `200`, a reason, or `broken` where the answer began and broke off. */
async function outcome(headers: Readonly<Record<string, string>> = {}): Promise<string> {
  try {
    const { status, headers: answered } = await world.ask('team-a', BAD, { headers, timeoutMs: 40_000 });
    return String(answered['x-scrapeway-reason'] ?? status);
  } catch {
    return 'broken';
  }
}

/** The reason with which the hub has closed the tunnel. */
async function closedFor(agent: RawAgent): Promise<string | undefined> {
  await agent.closed;
  return agent.goaway?.detail;
}

const OK = [':status', '200'];

describe('trap 1: an answer that is no valid message fails its own scrape', () => {
  it.each<[string, readonly string[]]>([
    ['an upper-case name', [...OK, 'X-Upper', '1']],
    ['no :status', ['content-type', 'text/plain']],
    ['a second :status', [...OK, ...OK]],
    [':status 20', [':status', '20']],
    [':status 101', [':status', '101']],
    [':status 1000', [':status', '1000']],
    [':status with a sign', [':status', '+20']],
    ['a request pseudo-header', [...OK, ':path', '/']],
    ['an unknown pseudo-header', [...OK, ':x', '/']],
    ['a pseudo-header behind a field', ['x', '1', ...OK]],
    ['connection', [...OK, 'connection', 'close']],
    ['transfer-encoding', [...OK, 'transfer-encoding', 'chunked']],
    ['upgrade', [...OK, 'upgrade', 'h2c']],
    ['te', [...OK, 'te', 'gzip']],
    ['NUL in a value', [...OK, 'x', 'a\0b']],
    ['CR LF in a value', [...OK, 'x', 'a\r\nx-injected: 1']],
    ['LF in a value', [...OK, 'x', 'a\nb']],
    ['a blank in front of a value', [...OK, 'x', ' a']],
    ['an empty name', [...OK, '', 'a']],
    ['a blank in a name', [...OK, 'a b', 'a']],
    ['a colon in a name', [...OK, 'a:b', 'a']],
    ['CR LF in a name', [...OK, 'a\r\nb', 'a']],
    ['a content-length that is no number', [...OK, 'content-length', '1x']],
    ['a negative content-length', [...OK, 'content-length', '-1']],
    ['two content-lengths', [...OK, 'content-length', '1', 'content-length', '2']],
    ['more than 64 KiB of fields', [...OK, ...Array.from({ length: 7 }, (_, i) => [`x-${i}`, 'v'.repeat(10_000)]).flat()]],
  ])('%s', async (_name, fields) => {
    using _agent = await hostile((agent, stream) => {
      agent.headers(stream, fields);
      agent.data(stream, 'up 1\n', END_STREAM);
    });
    expect(await Promise.all([outcome(), outcome(), outcome()])).toEqual(['agent_misbehaved', 'agent_misbehaved', 'agent_misbehaved']);
  });

  it.each<[string, ScrapeAct, string]>([
    ['DATA before the head', (agent, stream) => agent.data(stream, 'up 1\n', END_STREAM), 'agent_misbehaved'],
    ['a 1xx that ends the stream', (agent, stream) => agent.headers(stream, [':status', '103'], END_STREAM), 'agent_misbehaved'],
    ['a content-length and no body', (agent, stream) => agent.headers(stream, [...OK, 'content-length', '5'], END_STREAM), 'agent_misbehaved'],
    ['a body longer than its content-length', (agent, stream) => (agent.headers(stream, [...OK, 'content-length', '5']), agent.data(stream, '123456', END_STREAM)), 'broken'],
    ['a body shorter than its content-length', (agent, stream) => (agent.headers(stream, [...OK, 'content-length', '5']), agent.data(stream, '1234', END_STREAM)), 'broken'],
    ['trailers with a pseudo-header', (agent, stream) => (agent.headers(stream, OK), agent.data(stream, 'x'), agent.headers(stream, OK, END_STREAM)), 'broken'],
    ['trailers with an upper-case name', (agent, stream) => (agent.headers(stream, OK), agent.data(stream, 'x'), agent.headers(stream, ['X', '1'], END_STREAM)), 'broken'],
    ['trailers that do not end the stream', (agent, stream) => (agent.headers(stream, OK), agent.data(stream, 'x'), agent.headers(stream, ['x', '1'])), 'broken'],
    ['a reset instead of an answer', (agent, stream) => agent.frame(Frame.rstStream, 0, stream, uint32(0)), 'agent_error'],
    ['a reset in mid-body', (agent, stream) => (agent.headers(stream, OK), agent.data(stream, 'x'), agent.frame(Frame.rstStream, 0, stream, uint32(0))), 'broken'],
  ])('%s', async (_name, act, expected) => {
    using agent = await hostile(act);
    expect(await Promise.all([outcome(), outcome(), outcome()])).toEqual([expected, expected, expected]);
    expect(agent.socket.destroyed).toBe(false);
  });

  it.each<[string, readonly string[]]>([
    ['150 fields', [...OK, ...Array.from({ length: 150 }, (_, i) => [`x-${i}`, '1']).flat()]],
    ['1,500 fields', [...OK, ...Array.from({ length: 1500 }, (_, i) => [`x-${i}`, '1']).flat()]],
    ['62 KiB of fields', [...OK, ...Array.from({ length: 62 }, (_, i) => [`x-${i}`, 'v'.repeat(960)]).flat()]],
    [':status 600', [':status', '600']],
    [':status 999', [':status', '999']],
    ['octets above ASCII', [...OK, 'x', 'caf\xe9 \xff']],
    ["Envoy's and the gateway's own headers", [...OK, 'x-envoy-overloaded', 'true', 'x-envoy-immediate-health-check-fail', 'true', 'x-scrapeway-tenant', 'team-b']],
  ])('%s is no matter to anybody else', async (_name, fields) => {
    using agent = await hostile((each, stream) => {
      each.headers(stream, fields);
      each.data(stream, 'up 1\n', END_STREAM);
    });
    const outcomes = await Promise.all([outcome(), outcome(), outcome()]);
    expect(new Set(outcomes).size).toBe(1);
    // then whoever is well again is well again
    agent.onScrape = answerWith('up 1\n');
    expect(await outcome()).toBe('200');
  });
});


/** Sends `bytes` again and again until the hub has had enough. */
function floodWith(bytes: Buffer): ScrapeAct {
  const many = Buffer.concat(Array.from({ length: 2000 }, () => bytes));
  return (agent) => {
    const more = (): void => {
      while (!agent.socket.destroyed && agent.raw(many));
      agent.socket.once('drain', more);
    };
    more();
  };
}

describe('an agent that breaks the connection loses it, and nobody else loses anything', () => {
  it.each<[string, ScrapeAct, string]>([
    ['trap 2: an index into the dynamic table', (agent, stream) => agent.block(stream, Buffer.from([0x88, 0xbe])), 'malformed header block'],
    ['trap 2: an index of 0', (agent, stream) => agent.block(stream, Buffer.from([0x88, 0x80])), 'malformed header block'],
    ['trap 2: a bad Huffman code', (agent, stream) => agent.block(stream, Buffer.from([0x88, 0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x01, 0x61])), 'malformed header block'],
    ['trap 2: a truncated literal', (agent, stream) => agent.block(stream, Buffer.from([0x88, 0x00, 0x05, 0x61])), 'malformed header block'],
    ['trap 2: an endless integer', (agent, stream) => agent.block(stream, Buffer.from([0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])), 'malformed header block'],
    ['trap 3: a table larger than we allow', (agent, stream) => agent.block(stream, Buffer.from([0x3f, 0xe1, 0x1f, 0x88])), 'malformed header block'],
    ['garbage', (agent) => agent.raw(Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nup 1\n')), 'frame of type'],
    ['a frame larger than announced', (agent, stream) => agent.frame(Frame.data, 0, stream, Buffer.alloc(16_385)), 'frame of type 0'],
    ['a stream of its own', (agent) => agent.headers(2, OK), 'HEADERS on an idle stream|a server opened a stream'],
    ['DATA on a stream that nobody opened', (agent) => agent.data(99_999, 'x'), 'DATA on an idle stream'],
    ['DATA on stream 0', (agent) => agent.data(0, 'x'), 'DATA on stream 0'],
    ['HEADERS on stream 0', (agent) => agent.headers(0, OK), 'HEADERS on stream 0'],
    ['PUSH_PROMISE', (agent, stream) => agent.frame(Frame.pushPromise, 0x4, stream, Buffer.concat([uint32(2), Buffer.from([0x88])])), 'PUSH_PROMISE'],
    ['CONTINUATION without HEADERS', (agent, stream) => agent.frame(Frame.continuation, 0x4, stream), 'CONTINUATION without HEADERS'],
    ['another frame within a header block', (agent, stream) => (agent.frame(Frame.headers, 0, stream, Buffer.from([0x88])), agent.data(stream, 'x')), 'interrupted'],
    ['padding as long as the frame', (agent, stream) => (agent.headers(stream, OK), agent.frame(Frame.data, PADDED, stream, Buffer.from([9, 1, 2]))), 'padding'],
    ['SETTINGS of a broken length', (agent) => agent.frame(Frame.settings, 0, 0, Buffer.alloc(5)), 'SETTINGS of a broken length'],
    ['SETTINGS with a window over 2^31-1', (agent) => agent.frame(Frame.settings, 0, 0, settingsPayload([4, 0x8000_0000])), 'SETTINGS_INITIAL_WINDOW_SIZE'],
    ['SETTINGS with a frame size of 1', (agent) => agent.frame(Frame.settings, 0, 0, settingsPayload([5, 1])), 'SETTINGS_MAX_FRAME_SIZE'],
    ['trap 6: a connection window over 2^31-1', (agent) => agent.frame(Frame.windowUpdate, 0, 0, uint32(0x7fff_ffff)), 'a window over'],
    ['trap 6: WINDOW_UPDATE of 0', (agent) => agent.frame(Frame.windowUpdate, 0, 0, uint32(0)), 'WINDOW_UPDATE of 0'],
    ['trap 9: SETTINGS', floodWith(frameBytes(Frame.settings, 0, 0)), 'too many: SETTINGS'],
    ['trap 9: SETTINGS ACK', floodWith(frameBytes(Frame.settings, ACK, 0)), 'too many: SETTINGS ACK'],
    ['trap 9: SETTINGS that move the windows', floodWith(Buffer.concat([frameBytes(Frame.settings, 0, 0, settingsPayload([4, 0])), frameBytes(Frame.settings, 0, 0, settingsPayload([4, 0x7fff_ffff]))])), 'too many: SETTINGS'],
    ['trap 9: PING', floodWith(frameBytes(Frame.ping, 0, 0, Buffer.alloc(8))), 'too many: PING'],
    ['trap 9: PRIORITY', floodWith(frameBytes(Frame.priority, 0, 1, Buffer.alloc(5))), 'too many'],
    ['trap 9: frames of unknown types', floodWith(frameBytes(0xbe, 0, 0, Buffer.alloc(5))), 'too many: useless frames'],
    ['trap 9: stream errors, one after the other', floodWith(frameBytes(Frame.priority, 0, 1, Buffer.alloc(4))), 'too many: stream errors|control stream'],
    ['trap 9: WINDOW_UPDATE', floodWith(frameBytes(Frame.windowUpdate, 0, 1, uint32(1))), 'too many: WINDOW_UPDATE'],
    ['trap 9: empty DATA', (agent, stream) => (agent.headers(stream, OK), floodWith(frameBytes(Frame.data, 0, stream))(agent, stream)), 'too many: empty DATA'],
    ['trap 9: CONTINUATION without end', (agent, stream) => (agent.frame(Frame.headers, 0, stream, Buffer.from([0x88])), floodWith(frameBytes(Frame.continuation, 0, stream, Buffer.from([0x88])))(agent, stream)), 'CONTINUATION|header'],
    ['trap 9: empty CONTINUATION without end', (agent, stream) => (agent.frame(Frame.headers, 0, stream, Buffer.from([0x88])), floodWith(frameBytes(Frame.continuation, 0, stream))(agent, stream)), 'CONTINUATION|header'],
    ['trap 9: 1xx without end', (agent, stream) => floodWith(frameBytes(Frame.headers, 0x4, stream, Buffer.from([0x08, 0x03, 0x31, 0x30, 0x33])))(agent, stream), 'too many: interim responses'],
    ['trap 9: RST_STREAM of a stream that is gone', (agent, stream) => floodWith(frameBytes(Frame.rstStream, 0, stream, uint32(8)))(agent, stream), 'too many: useless frames'],
    ['trap 9: registrations', (agent) => { for (let i = 0; i < 1000; i += 1) agent.register([TARGET]); }, 'too many'],
    ['the end of the control stream', (agent) => agent.data(agent.controlStream, '', END_STREAM), 'control stream'],
    ['a reset of the control stream', (agent) => agent.frame(Frame.rstStream, 0, agent.controlStream, uint32(8)), 'control stream'],
    ['a control line that is no JSON', (agent) => agent.say('up 1\n'), 'JSON'],
    ['a control line without end', (agent) => { const piece = 'x'.repeat(1_000_000); void (async () => { while (await agent.take(agent.controlStream, piece.length)) agent.say(piece); })(); }, 'a line is longer'],
  ])('%s', async (_name, act, detail) => {
    using agent = await hostile((each, stream) => {
      // the rest of the three just hangs
      each.onScrape = () => undefined;
      act(each, stream);
    });
    const outcomes = await Promise.all([outcome(), outcome(), outcome()]);
    expect(outcomes.filter((each) => !['agent_lost', 'agent_away', 'broken', 'agent_error'].includes(each))).toEqual([]);
    expect(await closedFor(agent)).toMatch(new RegExp(detail));
  });

  it('a peer that does not speak HTTP/2 at all', async () => {
    using agent = await hostile(() => undefined, { mute: true });
    agent.raw(Buffer.from('SSH-2.0-OpenSSH_9.9\r\n'.repeat(100)));
    await agent.closed;
    expect(await outcome()).toBe('agent_away');
  });

  it('a peer that never says anything', async () => {
    using agent = await hostile(() => undefined, { mute: true });
    // The hub answers a little before Envoy's own deadline, on a machine that is not too busy for it.
    expect(await outcome({ 'x-prometheus-scrape-timeout-seconds': '2' })).toMatch(/^(?:agent_away|deadline)$/);
    await agent.closed;
  });

  it('frames after END_STREAM: the answer was whole, the tunnel is not kept', async () => {
    using agent = await hostile((each, stream) => {
      answerWith('up 1\n')(each, stream);
      each.data(stream, 'more', END_STREAM);
      each.headers(stream, OK);
    });
    expect(await outcome()).toBe('200');
    expect(await closedFor(agent)).toMatch(/closed stream/);
  });
});

describe('bodies', () => {
  it('trap 3: a table size update in front of a block stays on its hop', async () => {
    using _agent = await hostile((each, stream) => {
      each.block(stream, Buffer.from([0x20, 0x88]));
      each.data(stream, 'up 1\n', END_STREAM);
    });
    expect(await Promise.all([outcome(), outcome()])).toEqual(['200', '200']);
  });

  it('trap 4: padding is given back, so that a padded body of 4 MB comes whole', async () => {
    const payload = Buffer.concat([Buffer.from([255]), Buffer.alloc(745, 'x'), Buffer.alloc(255)]);
    using _agent = await hostile((each, stream) => {
      each.headers(stream, OK);
      void (async () => {
        for (let i = 0; i < 4000 && (await each.take(stream, payload.length)); i += 1) each.frame(Frame.data, PADDED, stream, payload);
        each.data(stream, '', END_STREAM);
      })();
    });
    const { status, body } = await world.ask('team-a', BAD);
    expect([status, body.length]).toEqual([200, 4000 * 745]);
  });

  it('trap 6: more than its window allows ends the scrape that it was sent for', async () => {
    using agent = await hostile((each, stream) => {
      each.headers(stream, OK);
      for (let i = 0; i < 400; i += 1) each.data(stream, Buffer.alloc(16_384));
    });
    const answer = await openRequest(world.request('team-a', BAD));
    answer.pause();
    const broken = new Promise((resolve) => answer.once('error', resolve));
    await eventually(() => expect(agent.resets.size + Number(agent.socket.destroyed)).toBe(1), { timeoutMs: 30_000 });
    expect([...agent.resets.values()]).toEqual([3]);
    answer.resume();
    await broken;
  });

  it('trap 7: a dozen bodies that nobody reads leave room for others', async () => {
    const started = new Set<number>();
    using agent = await hostile((each, stream) => {
      each.headers(stream, OK);
      void (async () => {
        while (await each.take(stream, 16_384)) {
          each.data(stream, Buffer.alloc(16_384));
          started.add(stream);
        }
      })();
    });
    const unread = await Promise.all(Array.from({ length: 12 }, () => openRequest(world.request('team-a', BAD, { headers: { 'x-prometheus-scrape-timeout-seconds': '60' } }))));
    for (const answer of unread) answer.on('error', () => undefined).pause();
    await eventually(() => expect(started.size).toBe(12), { timeoutMs: 30_000 });
    agent.onScrape = answerWith('up 1\n');
    expect(await outcome()).toBe('200');
    await good.another(300);
    for (const answer of unread) answer.destroy();
  });

  it.each<[string, ScrapeAct, RegExp]>([
    ['never ends', (agent, stream) => (agent.headers(stream, OK), void (async () => { while (await agent.take(stream, 1000)) agent.data(stream, Buffer.alloc(1000)); })()), /^broken$/],
    ['never goes on', (agent, stream) => (agent.headers(stream, OK), agent.data(stream, 'up')), /^broken$/],
    // Envoy's deadline is a moment after the hub's; where the machine is busy it may come first.
    ['never begins', () => undefined, /^(agent_timeout|deadline)$/],
  ])('a body that %s is cut by the deadline', async (_name, act, expected) => {
    using agent = await hostile(act);
    const startedMs = performance.now();
    expect(await outcome({ 'x-prometheus-scrape-timeout-seconds': '1' })).toMatch(expected);
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    await eventually(() => expect([...agent.resets.values()]).toEqual([8]));
  });

  it('bytes of a scrape that is over are swallowed, within the windows', async () => {
    using agent = await hostile((each, stream) => {
      each.headers(stream, OK);
      void (async () => { while (!each.resets.has(stream) && (await each.take(stream, 1000))) each.data(stream, Buffer.alloc(1000)); for (let i = 0; i < 500; i += 1) each.data(stream, Buffer.alloc(1000)); })();
    });
    expect(await outcome({ 'x-prometheus-scrape-timeout-seconds': '1' })).toBe('broken');
    agent.onScrape = answerWith('up 1\n');
    expect(await outcome()).toBe('200');
  });
});

describe('windows and limits of the agent', () => {
  it('no stream at all: the tunnel is of no use', async () => {
    using agent = await dialRaw({ port: world.gateway.ports.agents, certificate: await world.pki.agent('site-x'), caFile: world.pki.serverCaFile, settings: settingsPayload([3, 0]) });
    expect(await closedFor(agent)).toMatch(/takes no stream/);
  });

  it('trap 6: whoever registers on and on and takes no answer is cut, before the answers pile up', async () => {
    using agent = await hostile(() => undefined);
    agent.frame(Frame.settings, 0, 0, settingsPayload([4, 0]));
    for (let i = 0; i < 90; i += 1) agent.register(Array.from({ length: 100 }, () => ({ ...TARGET, name: '!', filler: 'x'.repeat(100) })));
    expect(await closedFor(agent)).toMatch(/does not read/);
  });

  it("trap 5, trap 9: WINDOW_UPDATEs for a request's body, one after the other, do not flood Envoy", async () => {
    using agent = await hostile((each, stream) => {
      for (let i = 0; i < 10_000; i += 1) each.frame(Frame.windowUpdate, 0, stream, uint32(1));
    });
    // a body that is announced and does not come keeps the request open
    const abort = new AbortController();
    const asked = fetchRaw(world.request('team-a', BAD, { headers: { 'content-length': '1000', expect: '' }, signal: abort.signal }));
    const given = expect(asked).rejects.toThrow(/abort/);
    await eventually(() => expect(agent.scrapes).toBe(1));
    await good.another(300);
    abort.abort();
    await given;
  });
});

describe('trap 8: GOAWAY', () => {
  it('lets the scrapes in flight finish', async () => {
    using agent = await hostile((each, stream) => {
      each.frame(Frame.goaway, 0, 0, Buffer.concat([uint32(stream), uint32(0)]));
      answerWith('up 1\n')(each, stream);
    });
    expect(await outcome()).toBe('200');
    await agent.closed;
    expect(await outcome()).toBe('agent_away');
  });

  it('that disowns a scrape gives it one reason', async () => {
    using _agent = await hostile((each) => each.frame(Frame.goaway, 0, 0, Buffer.concat([uint32(1), uint32(0)])));
    expect(await outcome()).toMatch(/^agent_(?:away|lost)$/);
  });
});
