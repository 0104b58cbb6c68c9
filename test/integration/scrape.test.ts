import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { eventually } from '../support/eventually.js';
import { TEXT_FORMAT, textAnswer } from '../support/exporter.js';
import { openRequest } from '../support/http.js';
import { nativeHistogramBody, PROTOBUF_FORMAT } from '../support/native-histogram.js';
import { checkMetrics } from '../support/promtool.js';
import { startWorld } from '../support/world.js';
import type { World } from '../support/world.js';

/** One scrape, all the way: client → Envoy → hub → tunnel → agent → exporter, and every byte back. */

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const OPENMETRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
const TEXT = Buffer.from('# TYPE demo_total counter\ndemo_total{path="/ä",x="\\""} 42\n');
const DOORS = ['/scrape/site-a/web', 'http://web.site-a.scrapeway/metrics'];

describe.each(DOORS)('through %s', (path) => {
  it.each([
    ['text', TEXT_FORMAT, TEXT],
    ['OpenMetrics', OPENMETRICS, Buffer.from('# TYPE demo counter\ndemo_total 42 # {trace_id="x"} 1\n# EOF\n')],
    ['protobuf', PROTOBUF_FORMAT, nativeHistogramBody('demo_seconds')],
    ['random bytes', 'application/octet-stream', randomBytes(300_000)],
    ['nothing', TEXT_FORMAT, Buffer.alloc(0)],
  ])('%s comes byte for byte, with its headers', async (_name, contentType, body) => {
    for (const encoding of [undefined, 'gzip']) {
      for (const chunked of [false, true]) {
        const bytes = encoding === undefined ? body : gzipSync(body);
        world.siteA.exporter.behave({ kind: 'answer', headers: { 'content-type': contentType, 'x-custom': 'a, b;c="d"', ...(encoding && { 'content-encoding': encoding }) }, body: bytes, chunked });
        const answer = await world.ask('team-a', path, { headers: { 'accept-encoding': 'gzip' } });
        expect(answer.status).toBe(200);
        expect(answer.body.equals(bytes)).toBe(true);
        expect(answer.headers['content-type']).toBe(contentType);
        expect(answer.headers['content-encoding']).toBe(encoding);
        expect(answer.headers['x-custom']).toBe('a, b;c="d"');
        if (!chunked) expect(answer.headers['content-length']).toBe(String(bytes.length));
        expect(Object.keys(answer.headers).filter((name) => name.startsWith('x-scrapeway') || name.startsWith('x-envoy'))).toEqual([]);
      }
    }
  });

  it.each([204, 301, 404, 500, 503])('status %i is the target\'s, and so is its body', async (status) => {
    const body = status === 204 ? Buffer.alloc(0) : Buffer.from('words of the target');
    world.siteA.exporter.behave({ kind: 'answer', status, headers: { location: 'http://elsewhere.example/' }, body });
    const answer = await world.ask('team-a', path);
    expect([answer.status, answer.body.toString(), answer.headers['location']]).toEqual([status, body.toString(), 'http://elsewhere.example/']);
    expect(answer.headers['x-scrapeway-reason']).toBeUndefined();
  });

  it('HEAD has the head and no body', async () => {
    world.siteA.exporter.behave(textAnswer('x 1\n'));
    const answer = await world.ask('team-a', path, { method: 'HEAD' });
    expect([answer.status, answer.body.length, answer.headers['content-length']]).toEqual([200, 0, '4']);
  });

  it('the target sees the client\'s headers and none of ours', async () => {
    world.siteA.exporter.behave(textAnswer());
    await world.ask('team-a', path, {
      headers: { accept: OPENMETRICS, 'user-agent': 'Prometheus/3', 'x-custom': '1', 'x-scrapeway-tenant': 'team-b', 'x-forwarded-for': '10.0.0.1', 'x-envoy-retry-on': '5xx' },
    });
    const received = world.siteA.exporter.requests.at(-1);
    expect(received?.headers).toMatchObject({ accept: OPENMETRICS, 'user-agent': 'Prometheus/3', 'x-custom': '1', host: `127.0.0.1:${world.siteA.exporter.port}` });
    expect(Object.keys(received?.headers ?? {}).filter((name) => /^x-(?:scrapeway|envoy|forwarded|request-id)|authorization/.test(name))).toEqual([]);
  });
});

describe('bodies around the sizes of windows and frames', () => {
  const SIZES = [16_383, 16_384, 16_385, 65_535, 65_536, 262_144, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, 3 * 2 ** 20];

  it.each(SIZES)('%i bytes come whole, ten times', async (size) => {
    const body = randomBytes(size);
    for (let turn = 0; turn < 10; turn += 1) {
      world.siteA.exporter.behave({ kind: 'answer', body, chunked: turn % 2 === 0 });
      expect((await world.ask('team-a', '/scrape/site-a/web')).body.equals(body)).toBe(true);
    }
  });
});

describe('what is asked for', () => {
  beforeAll(() => world.siteA.exporter.behave(textAnswer()));
  it.each([
    ['/scrape/site-a/web', '/metrics'],
    ['/scrape/site-a/web?a=1&b=%2F&a=2', '/metrics?a=1&b=%2F&a=2'],
    ['/scrape/site-a/web/probe?target=http://x.example/%3Fq&module=http_2xx', '/probe?target=http://x.example/%3Fq&module=http_2xx'],
    ['/scrape/site-a/web/federate?match[]=%7Bjob%3D%22x%22%7D', '/federate?match[]=%7Bjob%3D%22x%22%7D'],
    ['http://web.site-a.scrapeway:1/probe?module=x', '/probe?module=x'],
  ])('%s fetches %s', async (path, fetched) => {
    expect((await world.ask('team-a', path)).status).toBe(200);
    expect(world.siteA.exporter.requests.at(-1)?.url).toBe(fetched);
  });

  it('the exporter\'s own address names it on the proxy door', async () => {
    expect((await world.ask('team-a', `http://127.0.0.1:${world.siteA.exporter.port}/metrics`)).status).toBe(200);
  });

  it('Authorization is the exporter\'s where the tenant came with Proxy-Authorization', async () => {
    await world.ask('team-a', 'http://web.site-a.scrapeway/metrics', { headers: { authorization: 'Bearer of-the-exporter' } });
    expect(world.siteA.exporter.requests.at(-1)?.headers.authorization).toBe('Bearer of-the-exporter');
    expect(world.siteA.exporter.requests.at(-1)?.headers['proxy-authorization']).toBeUndefined();
  });
});

describe('refused, and the target never hears of it', () => {
  it.each([
    ['team-a', '/scrape/site-b/web', 403, 'target_forbidden'],
    ['team-a', '/scrape/site-b/other', 403, 'target_forbidden'],
    ['team-a', '/scrape/site-c/web', 403, 'target_forbidden'],
    ['team-a', '/scrape/site-a/other', 403, 'target_forbidden'],
    ['team-b', '/scrape/site-a/web', 403, 'target_forbidden'],
    ['team-b', 'http://web.site-a.scrapeway/metrics', 403, 'target_forbidden'],
    [undefined, '/scrape/site-a/web', 401, 'no_credentials'],
    [undefined, 'http://web.site-a.scrapeway/metrics', 407, 'proxy_no_credentials'],
    ['team-a', '/scrape/site-a/web/secret', 403, 'agent_denied'],
    ['team-a', '/nothing', 404, 'door_forbidden'],
  ] as const)('%s at %s: %i %s', async (tenant, path, status, reason) => {
    const before = world.siteA.exporter.requests.length + world.siteB.exporter.requests.length;
    const answer = await world.ask(tenant, path);
    expect([answer.status, answer.headers['x-scrapeway-reason']]).toEqual([status, reason]);
    expect(world.siteA.exporter.requests.length + world.siteB.exporter.requests.length).toBe(before);
  });

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('%s', async (method) => {
    const answer = await world.ask('team-a', '/scrape/site-a/web', { method });
    expect([answer.status, answer.headers['x-scrapeway-reason']]).toEqual([405, 'method_forbidden']);
  });

  it('a wrong password', async () => {
    const answer = await world.ask(undefined, '/scrape/site-a/web', { headers: { authorization: `Basic ${Buffer.from('team-a:wrong').toString('base64')}` } });
    expect([answer.status, answer.headers['x-scrapeway-reason']]).toEqual([401, 'bad_credentials']);
  });
});

describe('a target that fails gives one reason', () => {
  it.each([
    ['refuses the connection', { kind: 'reset' }, 'target_reset'],
    ['answers garbage', { kind: 'garbage', bytes: Buffer.from('not http at all\r\n\r\n') }, 'target_garbage'],
  ] as const)('%s', async (_name, behaviour, reason) => {
    world.siteA.exporter.behave(behaviour);
    const answer = await world.ask('team-a', '/scrape/site-a/web');
    expect(answer.headers['x-scrapeway-reason']).toBe(reason);
    expect(answer.status).toBe(502);
  });

  it('hangs: the reason is there before the client gives up', async () => {
    world.siteA.exporter.behave({ kind: 'hang' });
    const answer = await world.ask('team-a', '/scrape/site-a/web', { headers: { 'x-prometheus-scrape-timeout-seconds': '1.5' }, timeoutMs: 1500 });
    expect([answer.status, answer.headers['x-scrapeway-reason']]).toEqual([504, 'target_timeout']);
  });

  it('breaks off in mid-body: the client sees it break off', async () => {
    world.siteA.exporter.behave({ kind: 'break-off', body: Buffer.alloc(100_000, 'x'), afterBytes: 50_000 });
    await expect(world.ask('team-a', '/scrape/site-a/web')).rejects.toThrow();
  });
});

describe('streaming', () => {
  it('200 MB come whole while no process of the gateway holds them', async () => {
    const totalBytes = 200 * 2 ** 20;
    world.siteA.exporter.behave({ kind: 'flood', totalBytes });
    const before = await residentBytes(world.gateway.process.pid);
    let peak = before;
    const answer = await openRequest(world.request('team-a', '/scrape/site-a/web', { timeoutMs: 60_000, headers: { 'x-prometheus-scrape-timeout-seconds': '60' } }));
    const received = createHash('sha256');
    let bytes = 0;
    for await (const chunk of answer) {
      bytes += chunk.length;
      received.update(chunk);
      if (bytes % (20 * 2 ** 20) < chunk.length) peak = Math.max(peak, await residentBytes(world.gateway.process.pid));
    }
    expect(bytes).toBe(totalBytes);
    expect(peak - before).toBeLessThan(64 * 2 ** 20);
  });

  it('a slow reader holds the target back', async () => {
    world.siteA.exporter.behave({ kind: 'flood' });
    const abort = new AbortController();
    const answer = await openRequest(world.request('team-a', '/scrape/site-a/web', { signal: abort.signal, headers: { 'x-prometheus-scrape-timeout-seconds': '60' } }));
    answer.pause();
    answer.on('error', () => undefined);
    const request = () => world.siteA.exporter.requests.at(-1)?.sentBytes ?? 0;
    let last = -1;
    await eventually(
      () => {
        const now = request();
        const stalled = now === last;
        last = now;
        if (!stalled) throw new Error(`${now} bytes and counting`);
      },
      { intervalMs: 500, timeoutMs: 20_000 },
    );
    expect(last).toBeLessThan(64 * 2 ** 20);
    abort.abort();
    await eventually(() => expect(world.siteA.exporter.requests.at(-1)?.outcome).toBe('cancelled'));
  });

  it('a client that gives up is felt at the target', async () => {
    world.siteA.exporter.behave({ kind: 'hang' });
    const count = world.siteA.exporter.requests.length;
    const abort = new AbortController();
    const asked = world.ask('team-a', '/scrape/site-a/web', { signal: abort.signal });
    await eventually(() => expect(world.siteA.exporter.requests).toHaveLength(count + 1));
    abort.abort();
    await expect(asked).rejects.toThrow();
    await eventually(() => expect(world.siteA.exporter.requests.at(-1)?.outcome).toBe('cancelled'));
  });
});

describe('what is left behind', () => {
  it('an audit line says who, what, how and why', async () => {
    world.siteA.exporter.behave(textAnswer());
    await world.ask('team-a', '/scrape/site-a/web?token=hunter2');
    await world.ask('team-a', '/scrape/site-b/web');
    const lines = await eventually(async () => {
      const all = (await readFile(world.gateway.accessLogFile, 'utf8')).trim().split('\n').map((line): Record<string, unknown> => JSON.parse(line));
      const found = all.filter(({ door }) => door === 'path'); // agents' handshakes are in it, too, whenever they come
      expect(found.at(-1)).toMatchObject({ decision: 'deny', reason: 'target_forbidden', tenant: 'team-a', status: 403 });
      return found;
    });
    expect(lines.at(-2)).toMatchObject({ door: 'path', tenant: 'team-a', agent: 'site-a', target: 'web', decision: 'allow', rule: 'tenants/team-a/scrape[0]', status: 200, path: '/scrape/site-a/web' });
    expect(JSON.stringify(lines)).not.toMatch(/hunter2|Basic /);
  });

  it('metrics of both processes that promtool accepts', async () => {
    expect(await checkMetrics(world.gateway.statusUrl)).toBe('');
    expect(await checkMetrics(world.siteA.agent.statusUrl)).toBe('');
  });
});

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}
