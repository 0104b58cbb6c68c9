import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startHubRig, stateWith } from '../../test/support/hub-rig.js';
import type { HubRig, RigAgent } from '../../test/support/hub-rig.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import type { TempDir } from '../../test/support/temp-dir.js';
import { serviceSocketName } from '../tunnel/services.js';
import { createBehind } from './behind.js';
import type { Behind } from './behind.js';
import { ServiceFailure } from './dispatcher.js';

/** The gateway's own requests, through a real hub's socket for services, to agents that a test plays. */

let dir: TempDir;
let rig: HubRig;
let behind: Behind;
const ways: { destroy(): Promise<void> }[] = [];

beforeEach(async () => {
  dir = await createTempDir();
  rig = await startHubRig({ serviceSocketPath: dir.join(serviceSocketName(0)), timing: { reconnectGraceMs: 100 } });
  behind = createBehind(dir.path);
});
afterEach(async () => {
  await Promise.all(ways.splice(0).map((each) => each.destroy()));
  await rig[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
});

function way(agent: string, service = 'prometheus', timeoutMs = 10_000): ReturnType<Behind['wayTo']> {
  const made = behind.wayTo({ agent, service }, timeoutMs);
  ways.push(made);
  return made;
}

interface Seen {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Answers with `answer`; `seen` is what it was asked. */
async function agentThat(name: string, answer: (stream: ServerHttp2Stream, seen: Seen) => void, home?: string): Promise<{ readonly agent: RigAgent; readonly seen: Seen[] }> {
  const seen: Seen[] = [];
  const onScrape = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void => {
    const parts: Buffer[] = [];
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('end', () => {
      const one = { headers, body: Buffer.concat(parts).toString() };
      seen.push(one);
      answer(stream, one);
    });
  };
  return { agent: await rig.agent(name, { onScrape, ...(home === undefined ? {} : { home }) }), seen };
}

function refuse(reason: string, status: number): (stream: ServerHttp2Stream) => void {
  return (stream) => {
    stream.respond({ ':status': status, 'x-scrapeway-reason': reason });
    stream.end('scrapeway: so\n');
  };
}

function says(text: string): (stream: ServerHttp2Stream) => void {
  return (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/json' });
    stream.end(text);
  };
}

const failing = (reason: string): unknown => expect.objectContaining({ constructor: ServiceFailure, reason });

describe('a request to a service behind an agent', () => {
  it('arrives whole, under an authority that no target can have, without the marks of the gateway', async () => {
    const { seen } = await agentThat('a', says('{"status":"success"}'));
    const body = 'query=up&'.repeat(100_000);
    const answer = await way('a').request({ method: 'POST', path: '/api/v1/query?x=1', headers: { 'content-type': 'text/x', 'x-scope-orgid': ['one', 'two'], 'x-forwarded-for': '10.0.0.1' }, body });
    expect([answer.statusCode, answer.headers['content-type'], await answer.body.text()]).toEqual([200, 'application/json', '{"status":"success"}']);
    const [{ headers, body: arrived } = { headers: {}, body: '' }] = seen;
    expect(arrived).toBe(body);
    expect(headers).toMatchObject({ ':method': 'POST', ':authority': '.service.prometheus', ':path': '/api/v1/query?x=1', 'content-type': 'text/x', 'x-scope-orgid': 'one, two', 'content-length': `${body.length}` });
    expect(Number(headers['x-scrapeway-timeout-ms'])).toBeGreaterThan(0);
    expect(Object.keys(headers).filter((name) => /^x-(scrapeway-(?!timeout-ms)|forwarded)/.test(name))).toEqual([]);
    expect(await rig.metric('scrapeway_hub_service_requests_total', { outcome: 'answered' })).toBe(1);
    expect(await rig.metric('scrapeway_hub_scrapes_total')).toBe(0);
  });

  it('gets an answer of any size, at the pace of its reader', async () => {
    const size = 24 * 1024 * 1024;
    await agentThat('a', (stream) => {
      stream.respond({ ':status': 200 });
      stream.end(Buffer.alloc(size, 'x'));
    });
    const answer = await way('a').request({ method: 'GET', path: '/' });
    let bytes = 0;
    for await (const part of answer.body) bytes += Buffer.from(part).length;
    expect(bytes).toBe(size);
  });

  it.each([
    ['an agent that is not there', 'b', 'agent_away'],
    ['an agent that nobody knows', 'nobody', 'agent_away'],
  ])('fails with a reason: %s', async (_case, agent, reason) => {
    await expect(way(agent).request({ method: 'GET', path: '/' })).rejects.toEqual(failing(reason));
  });

  it('fails with a reason where there is no hub', async () => {
    behind.located('a', 1);
    await expect(way('a').request({ method: 'GET', path: '/' })).rejects.toEqual(failing('hub_unreachable'));
  });

  it.each(['service_unknown', 'target_refused', 'agent_denied'])('fails with the reason of the agent, and never with its status: %s', async (reason) => {
    await agentThat('a', refuse(reason, 404));
    await expect(way('a').request({ method: 'GET', path: '/' })).rejects.toEqual(failing(reason));
  });

  it('fails with a reason where the tunnel breaks in the middle, and goes on when the agent is back', async () => {
    const { agent } = await agentThat('a', (stream) => stream.session?.destroy());
    const client = way('a');
    await expect(client.request({ method: 'POST', path: '/', body: 'x' })).rejects.toEqual(failing('agent_lost'));
    await agent.closed;
    await agentThat('a', says('back'));
    expect(await (await client.request({ method: 'GET', path: '/' })).body.text()).toBe('back');
  });

  it('fails when its time is up, and the agent is told', async () => {
    const over = Promise.withResolvers<unknown>();
    await rig.agent('a', { onScrape: (stream) => stream.once('close', () => over.resolve(stream.rstCode)) });
    await expect(way('a', 'prometheus', 200).request({ method: 'POST', path: '/', body: 'x' })).rejects.toEqual(failing('agent_timeout'));
    expect(await over.promise).toBe(8);
  });

  it('ends at the agent when the caller gives it up', async () => {
    const asked = Promise.withResolvers<ServerHttp2Stream>();
    await rig.agent('a', { onScrape: (stream) => asked.resolve(stream) });
    const abort = new AbortController();
    const call = way('a').request({ method: 'POST', path: '/', body: 'x', signal: abort.signal });
    const stream = await asked.promise;
    const closed = once(stream, 'close');
    abort.abort();
    await expect(call).rejects.toThrow();
    await closed;
    expect(stream.rstCode).toBe(8);
  });

  it('does not wait for the answers to others', async () => {
    const waiting: ServerHttp2Stream[] = [];
    await agentThat('a', (stream) => {
      waiting.push(stream);
      if (waiting.length === 50) for (const each of waiting) says('all')(each);
    });
    const client = way('a');
    const answers = await Promise.all(Array.from({ length: 50 }, () => client.request({ method: 'POST', path: '/', body: 'x' })));
    expect(new Set(await Promise.all(answers.map(({ body }) => body.text())))).toEqual(new Set(['all']));
  });

  it('does not wait for a reader of another one who is slow', async () => {
    await agentThat('a', (stream, { headers }) => {
      stream.respond({ ':status': 200 });
      stream.end(headers[':path'] === '/large' ? Buffer.alloc(1536 * 1024) : 'small');
    });
    const client = way('a');
    const unread = await Promise.all(Array.from({ length: 5 }, () => client.request({ method: 'GET', path: '/large' })));
    expect(await (await client.request({ method: 'GET', path: '/small' })).body.text()).toBe('small');
    for (const { body } of unread) body.on('error', () => undefined).destroy();
  });
});

describe('a service behind a site with several agents', () => {
  beforeEach(() => {
    const sites = [{ name: 'ab', agents: ['a', 'b'], order: 'preference' as const, hedge: undefined }];
    rig.hub.setState({ ...stateWith(['a', 'b', 'c']), sites });
    behind.setState({ sites });
  });

  it('is asked by the first that is there', async () => {
    await agentThat('b', says('b'), 'ab');
    expect(await (await way('ab').request({ method: 'POST', path: '/', body: 'x' })).body.text()).toBe('b');
  });

  it('is asked by the next one, with its body, where the first never reached it; and by that one first from then on', async () => {
    const { seen } = await agentThat('a', refuse('target_refused', 502), 'ab');
    const other = await agentThat('b', says('b'), 'ab');
    const client = way('ab');
    for (let times = 0; times < 3; times += 1) expect(await (await client.request({ method: 'POST', path: '/', body: 'whole' })).body.text()).toBe('b');
    expect([seen.length, other.seen.map(({ body }) => body)]).toEqual([1, ['whole', 'whole', 'whole']]);
  });

  it('is not asked twice for what it may have done', async () => {
    await agentThat('a', refuse('target_reset', 502), 'ab');
    const other = await agentThat('b', says('b'), 'ab');
    await expect(way('ab').request({ method: 'POST', path: '/', body: 'once' })).rejects.toEqual(failing('target_reset'));
    expect(other.seen).toEqual([]);
  });

  it('fails with what a member has said when none can', async () => {
    await agentThat('a', refuse('service_unknown', 404), 'ab');
    await agentThat('b', refuse('service_unknown', 404), 'ab');
    await expect(way('ab').request({ method: 'POST', path: '/', body: 'x' })).rejects.toEqual(failing('service_unknown'));
  });
});

describe('the hub\'s socket for scrapes', () => {
  it.each([
    ['a target in the name of a service', { 'x-scrapeway-target': '.service.prometheus' }],
    ['the headers of the other socket', { 'x-scrapeway-target': 'web', 'x-scrapeway-service': 'prometheus' }],
  ])('leads to no service: %s', async (_case, stamps) => {
    const { seen } = await agentThat('a', says('x'));
    const envoy = await rig.envoy();
    const stream = envoy.request({ ':path': '/', 'x-scrapeway-agent': 'a', 'x-scrapeway-tenant': 't', ...stamps });
    stream.resume();
    stream.end();
    await once(stream, 'close');
    expect(seen.filter(({ headers }) => String(headers[':authority']).startsWith('.service'))).toEqual([]);
  });
});
