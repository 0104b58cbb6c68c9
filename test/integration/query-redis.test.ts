import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { once } from 'node:events';
import { optionalBinary } from '../support/binaries.js';
import { eventually } from '../support/eventually.js';
import { portOf } from '../support/ports.js';
import { queryState, startQueryDoor } from '../support/query-door.js';
import type { QueryDoor, QueryTenant } from '../support/query-door.js';
import { startRedis } from '../support/redis.js';
import type { RunningRedis } from '../support/redis.js';

/** Two gateways' query doors that share a real Redis; the backend counts what it is asked. */

const command = await optionalBinary('redis');
const withRedis = command === undefined ? describe.skip : describe;
const TIMEOUT_MS = 100;
const HOUR_S = 3_600;
const END_S = Math.floor(Date.now() / 60_000) * 60 - HOUR_S;
const grant = (namespace: string) => [{ backends: undefined, metrics: ['.*'], labels: { namespace } }];
const TENANTS: readonly QueryTenant[] = [
  { name: 'a', query: grant('a') },
  { name: 'b', query: grant('b') },
  { name: 'same-as-a', query: grant('a') },
];

withRedis('a shared cache', () => {
  const stack = new AsyncDisposableStack();
  let redis: RunningRedis;
  let backend: Server;
  let doors: readonly [QueryDoor, QueryDoor];
  let asked: string[] = [];

  const startDoor = async (tenants = TENANTS): Promise<QueryDoor> =>
    stack.use(await startQueryDoor(queryState([{ name: 'main', url: `http://127.0.0.1:${portOf(backend)}` }], tenants), { maxBytes: 1_000_000, shared: { url: `redis://127.0.0.1:${redis.port}`, password: redis.password, prefix: 'test:', timeoutMs: TIMEOUT_MS, maxValueBytes: 1_000_000 } }));
  const ask = async (door: QueryDoor, query: string, tenant = 'a'): Promise<string> => {
    const { body } = await door.post(tenant, '/query/main/api/v1/query_range', { query, start: `${END_S - HOUR_S}`, end: `${END_S}`, step: '60' });
    return body.toString();
  };
  const up = async (door: QueryDoor): Promise<unknown> => (await door.registry.getSingleMetric('scrapeway_query_shared_cache_up')?.get())?.values[0]?.value;
  const results = async (door: QueryDoor, result: string): Promise<unknown> => (await door.registry.getSingleMetric('scrapeway_query_shared_cache_requests_total')?.get())?.values.find(({ labels }) => labels['result'] === result)?.value;

  beforeAll(async () => {
    redis = stack.use(await startRedis(command ?? ''));
    backend = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text) => (body += text));
      request.on('end', () => {
        const form = new URLSearchParams(body);
        asked.push(form.get('query') ?? '');
        const values = Array.from({ length: 61 }, (_, index) => [END_S - HOUR_S + 60 * index, `${index}`]);
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ status: 'success', data: { resultType: 'matrix', result: [{ metric: { asked: form.get('query') }, values }] } }));
      });
    });
    backend.listen(0, '127.0.0.1');
    await once(backend, 'listening');
    doors = [await startDoor(), await startDoor()];
    for (const door of doors) await eventually(async () => expect(await up(door)).toBe(1));
  });
  afterAll(async () => {
    await stack.disposeAsync();
    backend.close();
  });

  it('answers for one gateway what another has asked', async () => {
    const first = await ask(doors[0], 'x');
    await eventually(async () => {
      const fresh = await startDoor();
      await eventually(async () => expect(await up(fresh)).toBe(1));
      asked = [];
      expect([await ask(fresh, 'x'), asked, await results(fresh, 'hit')]).toEqual([first, [], 1]);
    });
  });

  it.each(['b', 'same-as-a'])('has nothing of it for tenant %s', async (tenant) => {
    asked = [];
    await ask(doors[1], 'x', tenant);
    expect(asked).toEqual([`x{namespace="${tenant === 'b' ? 'b' : 'a'}"}`]);
  });

  it('has nothing of it for the same tenant under other rules', async () => {
    const other = await startDoor([{ name: 'a', query: grant('c') }]);
    await eventually(async () => expect(await up(other)).toBe(1));
    asked = [];
    await ask(other, 'x');
    expect(asked).toEqual(['x{namespace="c"}']);
  });

  it('slows no query when it hangs, and is asked again when it is back', async () => {
    redis.process.signal('SIGSTOP');
    for (let index = 0; index < 20; index += 1) expect(await ask(doors[1], `hung_${index}`)).toContain(`hung_${index}`);
    expect(await up(doors[1])).toBe(0);
    // One waited for it, not twenty.
    expect(await results(doors[1], 'failed')).toBe(1);
    redis.process.signal('SIGCONT');
    await eventually(async () => expect(await up(doors[1])).toBe(1));
    await ask(doors[1], 'back');
    expect(await results(doors[1], 'skipped')).toBe(19);
  });

  it('fails no query when it is gone', async () => {
    await redis.process.stop();
    await eventually(async () => expect(await up(doors[0])).toBe(0));
    expect(await ask(doors[0], 'gone')).toContain('gone');
  });
});
