import { describe, expect, it } from '@jest/globals';
import { randomBytes, randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { eventually } from '../../test/support/eventually.js';
import { answerTo, openScrape, scrape, startHubRig, stateWith } from '../../test/support/hub-rig.js';
import { manualClock } from '../../test/support/manual-clock.js';

/** The hub between an emulated Envoy and emulated agents: what scrapes see. What misbehaving agents may do to others is in test/integration/hostile-agent.test.ts. */

describe('a scrape', () => {
  it('reaches the target named by ext_authz, and its answer comes back', async () => {
    await using rig = await startHubRig();
    let asked: Record<string, unknown> = {};
    await rig.agent('a', {
      onScrape: (stream, headers) => {
        asked = { ...headers };
        stream.respond({ ':status': 200, 'content-type': 'text/plain; version=0.0.4', 'x-own': 'kept' });
        stream.end('up 1\n');
      },
    });
    const answer = await scrape(await rig.envoy(), { target: 'node-1', path: '/metrics?collect[]=cpu', headers: { accept: '*/*', 'user-agent': 'Prometheus/3' } });
    expect(answer.status).toBe(200);
    expect(answer.body.toString()).toBe('up 1\n');
    expect(answer.headers).toMatchObject({ 'content-type': 'text/plain; version=0.0.4', 'x-own': 'kept' });
    expect(asked).toMatchObject({ ':method': 'GET', ':scheme': 'http', ':authority': 'node-1', ':path': '/metrics?collect[]=cpu', accept: '*/*', 'user-agent': 'Prometheus/3' });
    expect(Number(asked['x-scrapeway-timeout-ms'])).toBeGreaterThan(9000);
    expect(await rig.metric('scrapeway_hub_scrapes_total', { outcome: 'answered' })).toBe(1);
    expect(await rig.metric('scrapeway_hub_scrape_duration_seconds', { le: '+Inf' })).toBe(1);
  });

  it('takes the path of the request where none is stamped (proxy door)', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: (stream, headers) => (stream.respond({ ':status': 200 }), stream.end(String(headers[':path']))) });
    const session = await rig.envoy();
    const request = session.request({ ':path': '/probe?x=1', 'x-scrapeway-tenant': 't', 'x-scrapeway-agent': 'a', 'x-scrapeway-target': 'node', 'x-scrapeway-timeout-ms': '1000' });
    expect((await answerTo(request)).body.toString()).toBe('/probe?x=1');
  });

  it('carries bodies byte for byte: gzip, empty, binary', async () => {
    await using rig = await startHubRig();
    const bodies = new Map([
      ['/gzip', gzipSync('x 1\n'.repeat(100_000))],
      ['/empty', Buffer.alloc(0)],
      ['/binary', randomBytes(300_000)],
    ]);
    await rig.agent('a', { onScrape: (stream, headers) => (stream.respond({ ':status': 200 }), stream.end(bodies.get(String(headers[':path'])))) });
    const session = await rig.envoy();
    for (const [path, body] of bodies) expect((await scrape(session, { path })).body.equals(body)).toBe(true);
  });

  it('may be a HEAD, and be answered 204 or 304, without a body', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', {
      onScrape: (stream, headers) => stream.respond({ ':status': Number(headers['x-status']), 'content-length': headers['x-status'] === '204' ? undefined : '1234' }, { endStream: true }),
    });
    const session = await rig.envoy();
    const head = await scrape(session, { method: 'HEAD', headers: { 'x-status': '200' } });
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '1234', 0]);
    expect((await scrape(session, { headers: { 'x-status': '204' } })).status).toBe(204);
    expect((await scrape(session, { headers: { 'x-status': '304' } })).status).toBe(304);
  });

  it('may end in trailers', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', {
      onScrape: (stream) => {
        stream.respond({ ':status': 200 }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42', 'x-scrapeway-tenant': 'forged' }));
        stream.end('up 1\n');
      },
    });
    const { body, trailers } = await scrape(await rig.envoy());
    expect(body.toString()).toBe('up 1\n');
    expect(Object.entries(trailers)).toEqual([['x-sum', '42']]);
  });

  it('gets interim responses before the answer', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', {
      onScrape: (stream) => {
        stream.additionalHeaders({ ':status': 103, link: '</x>' });
        stream.respond({ ':status': 200 });
        stream.end('up 1\n');
      },
    });
    const request = openScrape(await rig.envoy());
    const interim: unknown[] = [];
    request.on('headers', (headers) => interim.push(headers[':status']));
    expect((await answerTo(request)).status).toBe(200);
    expect(interim).toEqual([103]);
  });

  it('carries a request body, no further ahead of the agent than its window', async () => {
    await using rig = await startHubRig();
    const sent = randomBytes(500_000);
    await rig.agent('a', {
      settings: { initialWindowSize: 10_000 },
      onScrape: (stream) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => (stream.respond({ ':status': 200 }), stream.end(Buffer.concat(chunks))));
      },
    });
    expect((await scrape(await rig.envoy(), { method: 'POST', body: sent })).body.equals(sent)).toBe(true);
    expect(await rig.metric('scrapeway_hub_request_body_bytes_total')).toBe(500_000);
  });

  it('carries a request body that Envoy sends before it has seen our SETTINGS (trap 5)', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: (stream) => (stream.respond({ ':status': 200 }), stream.pipe(stream)) });
    const body = randomBytes(60_000);
    const session = await rig.envoy();
    expect((await scrape(session, { method: 'POST', body })).body.equals(body)).toBe(true);
  });
});

describe('headers', () => {
  it('of Envoy and of the gateway stay at the gateway', async () => {
    await using rig = await startHubRig();
    let asked: string[] = [];
    await rig.agent('a', { onScrape: (stream, headers) => ((asked = Object.keys(headers)), stream.respond({ ':status': 200 }, { endStream: true })) });
    const theirs = { accept: '*/*', traceparent: '00-1-1-00', authorization: 'Bearer exporter', 'x-custom': '1', 'x-prometheus-scrape-timeout-seconds': '10' };
    const ours = { 'x-forwarded-for': '1', 'x-forwarded-proto': 'https', 'x-envoy-external-address': '1', 'x-request-id': '1', via: '1', te: 'trailers', forwarded: 'for=1' };
    await scrape(await rig.envoy(), { headers: { ...theirs, ...ours } });
    expect(asked.toSorted()).toEqual([':authority', ':method', ':path', ':scheme', 'x-scrapeway-timeout-ms', ...Object.keys(theirs)].toSorted());
  });

  it('of the gateway cannot be forged by a target, and Envoy takes no orders from it', async () => {
    await using rig = await startHubRig();
    const forged = { 'x-scrapeway-tenant': 'other', 'x-scrapeway-reason': 'target_forbidden', 'x-envoy-immediate-health-check-fail': '1', 'x-envoy-overloaded': '1' };
    await rig.agent('a', { onScrape: (stream) => stream.respond({ ':status': 200, ...forged }, { endStream: true }) });
    const { headers } = await scrape(await rig.envoy());
    expect(Object.keys(headers).filter((name) => name.startsWith('x-'))).toEqual([]);
  });

  it("carry an agent's own reason", async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: (stream) => (stream.respond({ ':status': 502, 'x-scrapeway-reason': 'target_refused' }), stream.end('no')) });
    const answer = await scrape(await rig.envoy());
    expect([answer.status, answer.reason]).toEqual([502, 'target_refused']);
    expect(await rig.metric('scrapeway_hub_scrapes_total', { outcome: 'target_refused' })).toBe(1);
  });
});

describe('an agent that is not there', () => {
  it('fails the scrape at once when it was never seen', async () => {
    await using rig = await startHubRig();
    const answer = await scrape(await rig.envoy());
    expect([answer.status, answer.reason, answer.body.toString()]).toEqual([503, 'agent_away', 'scrapeway: the agent is not connected\n']);
    expect(answer.headers['content-length']).toBe(String(answer.body.length));
  });

  it('fails a HEAD without a body', async () => {
    await using rig = await startHubRig();
    const answer = await scrape(await rig.envoy(), { method: 'HEAD' });
    expect([answer.status, answer.reason, answer.body.length]).toEqual([503, 'agent_away', 0]);
  });

  it('is waited for when it was lost a moment ago', async () => {
    await using rig = await startHubRig();
    const session = await rig.envoy();
    (await rig.agent('a')).socket.destroy();
    await eventually(() => expect(rig.states).toEqual(['up a', 'down a']));
    const waiting = scrape(session);
    await eventually(async () => expect(await rig.metric('scrapeway_hub_scrapes_waited_total')).toBe(1));
    await rig.agent('a');
    expect((await waiting).status).toBe(200);
  });

  it('is waited for no longer than the deadline', async () => {
    await using rig = await startHubRig();
    (await rig.agent('a')).socket.destroy();
    await eventually(() => expect(rig.states).toEqual(['up a', 'down a']));
    expect((await scrape(await rig.envoy(), { timeoutMs: 100 })).reason).toBe('agent_away');
  });

  it('is given up when its time to reconnect is over', async () => {
    await using rig = await startHubRig({ timing: { reconnectGraceMs: 50 } });
    (await rig.agent('a')).socket.destroy();
    await eventually(() => expect(rig.states).toEqual(['up a', 'down a']));
    expect((await scrape(await rig.envoy())).reason).toBe('agent_away');
  });
});

describe('an agent that fails', () => {
  it('before its answer: 502 agent_lost', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: (stream) => stream.session?.destroy() });
    const answer = await scrape(await rig.envoy());
    expect([answer.status, answer.reason]).toEqual([502, 'agent_lost']);
  });

  it('after its answer began: the stream is reset, never ended', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: (stream) => (stream.respond({ ':status': 200 }), stream.write('half', () => stream.session?.destroy())) });
    await expect(scrape(await rig.envoy())).rejects.toThrow();
    expect(await rig.metric('scrapeway_hub_scrapes_total', { outcome: 'broken' })).toBe(1);
  });

  it('in mid-body by a reset: the stream is reset', async () => {
    await using rig = await startHubRig();
    // not close(2): node:http2 then sends END_STREAM and no RST_STREAM, a whole answer on the wire
    await rig.agent('a', { onScrape: (stream) => (stream.respond({ ':status': 200 }), stream.write('half', () => stream.destroy(new Error('broken')))) });
    await expect(scrape(await rig.envoy())).rejects.toThrow();
    expect(await rig.metric('scrapeway_hub_scrapes_total', { outcome: 'broken' })).toBe(1);
  });

  it('in mid-body is the last that a drain waits for', async () => {
    await using rig = await startHubRig();
    const begun = Promise.withResolvers<() => void>();
    await rig.agent('a', { onScrape: (stream) => (stream.respond({ ':status': 200 }), stream.write('half', () => begun.resolve(() => stream.destroy(new Error('broken'))))) });
    const answer = scrape(await rig.envoy());
    const breakOff = await begun.promise;
    const drained = rig.hub.drain();
    breakOff();
    await expect(answer).rejects.toThrow();
    await drained;
  });

  it('by a reset before its answer: 502 agent_error', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: (stream) => stream.close(2) });
    expect((await scrape(await rig.envoy())).reason).toBe('agent_error');
  });

  it('to answer in time: 504 agent_timeout, before Envoy would say so, and the agent is told', async () => {
    const clock = manualClock();
    await using rig = await startHubRig({ clock });
    const [asked, code] = [Promise.withResolvers<void>(), Promise.withResolvers<number>()];
    await rig.agent('a', { onScrape: (stream) => (asked.resolve(), stream.on('close', () => code.resolve(stream.rstCode))) });
    const answer = scrape(await rig.envoy(), { timeoutMs: 300 });
    await asked.promise;
    clock.advance(270);
    expect(await rig.metric('scrapeway_hub_scrapes_total', { outcome: 'agent_timeout' })).toBe(0);
    clock.advance(29);
    const { status, reason } = await answer;
    expect([status, reason]).toEqual([504, 'agent_timeout']);
    expect(await code.promise).toBe(8);
  });
});

describe('a client that goes away', () => {
  it('cancels the scrape at the agent', async () => {
    await using rig = await startHubRig();
    const code = Promise.withResolvers<number>();
    const begun = Promise.withResolvers<void>();
    await rig.agent('a', { onScrape: (stream) => (stream.on('close', () => code.resolve(stream.rstCode)), begun.resolve()) });
    const request = openScrape(await rig.envoy());
    request.on('error', () => {});
    await begun.promise;
    request.close(8);
    expect(await code.promise).toBe(8);
    expect(await rig.metric('scrapeway_hub_scrapes_total', { outcome: 'cancelled' })).toBe(1);
  });

  it('with its whole connection cancels all its scrapes', async () => {
    await using rig = await startHubRig();
    let cancelled = 0;
    let begun = 0;
    await rig.agent('a', { onScrape: (stream) => ((begun += 1), stream.on('close', () => (cancelled += 1))) });
    const session = await rig.envoy();
    for (let i = 0; i < 5; i += 1) openScrape(session).on('error', () => {});
    await eventually(() => expect(begun).toBe(5));
    session.destroy();
    await eventually(() => expect(cancelled).toBe(5));
  });

  it('while it waits for its agent is forgotten', async () => {
    await using rig = await startHubRig();
    const session = await rig.envoy();
    (await rig.agent('a')).socket.destroy();
    await eventually(() => expect(rig.states).toEqual(['up a', 'down a']));
    const request = openScrape(session);
    request.on('error', () => {});
    await eventually(async () => expect(await rig.metric('scrapeway_hub_scrapes_waited_total')).toBe(1));
    request.close(8);
    await eventually(async () => expect(await rig.metric('scrapeway_hub_scrapes_total', { outcome: 'cancelled' })).toBe(1));
    let asked = 0;
    await rig.agent('a', { onScrape: (stream) => ((asked += 1), stream.respond({ ':status': 200 }, { endStream: true })) });
    await scrape(session);
    expect(asked).toBe(1);
  });
});

describe('limits of an agent', () => {
  it('its number of streams: 503 agent_busy, at once', async () => {
    await using rig = await startHubRig();
    const begun = Promise.withResolvers<void>();
    // Two: the control stream is one of them.
    await rig.agent('a', { settings: { maxConcurrentStreams: 2 }, onScrape: () => begun.resolve() });
    const session = await rig.envoy();
    openScrape(session).on('error', () => {});
    await begun.promise;
    const answer = await scrape(session);
    expect([answer.status, answer.reason]).toEqual([503, 'agent_busy']);
  });
});

describe('what ext_authz forgot', () => {
  it('is a fault of the gateway: 500 gateway_error', async () => {
    await using rig = await startHubRig();
    await rig.agent('a');
    const session = await rig.envoy();
    const answer = await answerTo(session.request({ ':path': '/metrics', 'x-scrapeway-target': 'node' }));
    expect([answer.status, answer.reason]).toEqual([500, 'gateway_error']);
  });
});

describe('a config without an agent', () => {
  it('cuts its tunnels and its scrapes at once', async () => {
    await using rig = await startHubRig();
    const begun = Promise.withResolvers<void>();
    const agent = await rig.agent('a', { onScrape: () => begun.resolve() });
    await rig.agent('b');
    const session = await rig.envoy();
    const inFlight = scrape(session);
    await begun.promise;
    rig.hub.setState(stateWith(['b']));
    expect((await inFlight).reason).toBe('agent_lost');
    await agent.closed;
    expect((await scrape(session)).reason).toBe('agent_away');
    expect((await scrape(session, { agent: 'b' })).status).toBe(200);
    expect((await rig.dial('a')).head).toContain('x-scrapeway-reason: agent_unknown');
  });
});

describe('an agent that looks for other gateways and meets this one again', () => {
  it('is told so, its tunnel stays, and nobody is in conflict', async () => {
    await using rig = await startHubRig();
    const id = 'gw-1';
    const instance = randomUUID();
    await rig.agent('a', { instance, onScrape: (stream) => (stream.respond({ ':status': 200 }), stream.end('still here')) });
    const { head } = await rig.dial('a', { instance, known: ['another', id] });
    expect(head).toMatch(/^HTTP\/1\.1 409 /);
    expect(head).toContain('x-scrapeway-reason: tunnel_known');
    expect(head).toContain(`x-scrapeway-gateway: ${id}`);
    expect((await scrape(await rig.envoy())).body.toString()).toBe('still here');
  });

  it('gets a new tunnel where the gateway knows of no old one, or the agent knows others only', async () => {
    await using rig = await startHubRig();
    const instance = randomUUID();
    expect((await rig.dial('a', { instance, known: ['gw-1'] })).accepted).toBe(true);
    expect((await rig.dial('a', { instance, known: ['gw-9'] })).accepted).toBe(true);
    expect((await rig.dial('b', { instance, known: ['gw-1'] })).accepted).toBe(true);
  });

  it('is told of the other gateways, where the operator has named them', async () => {
    await using rig = await startHubRig();
    const state = stateWith(['a']);
    rig.hub.setState({ ...state, gateway: { ...state.gateway, id: 'gw-1', peers: ['gw-2'] } });
    expect((await rig.dial('a')).head).toMatch(/\r\nx-scrapeway-gateways: gw-1,gw-2\r\n/);
  });
});

describe('a hub that drains', () => {
  it('serves scrapes of agents that are still there, and refuses others with its reason, and new agents', async () => {
    await using rig = await startHubRig();
    await rig.agent('a', { onScrape: (stream) => (stream.respond({ ':status': 200 }), stream.end('ok')) });
    const envoy = await rig.envoy();
    await rig.hub.drain();
    expect((await scrape(envoy)).status).toBe(200);
    expect((await scrape(envoy, { agent: 'b' })).reason).toBe('gateway_draining');
    expect((await rig.dial('b')).head).toContain('x-scrapeway-reason: gateway_draining');
  });
});
