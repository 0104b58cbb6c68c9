import { once } from 'node:events';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { startExporter } from '../support/exporter.js';
import type { Behaviour, Exporter } from '../support/exporter.js';
import { fetchRaw, openRequest } from '../support/http.js';
import type { HttpAnswer } from '../support/http.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import type { ConfigFile } from '../support/scrapeway.js';
import { steadyQueries } from '../support/steady-queries.js';
import type { SteadyQueries } from '../support/steady-queries.js';
import { startWorld, worldTenants } from '../support/world.js';
import type { World } from '../support/world.js';

/** Replicas of a backend come, break and go, all through the shipped gateway and its Envoy: whoever asks meanwhile is answered. */

const LINES = 4;
const OFTEN = { interval: '500ms', timeout: '1s' };
/** Of servers in this process, which is busy. */
const PATIENT = { interval: '500ms', timeout: '10s' };
const JSON_HEAD = { 'content-type': 'application/json' };
const STARTING: Behaviour = { kind: 'answer', status: 503, headers: { 'content-type': 'text/plain' }, body: Buffer.from('Service Unavailable') };

function saying(value: string): Behaviour {
  return { kind: 'answer', headers: JSON_HEAD, body: Buffer.from(JSON.stringify({ status: 'success', data: { resultType: 'scalar', result: [1, value] } })) };
}

const stack = new AsyncDisposableStack();
let world: World;
let prometheis: readonly [RunningPrometheus, RunningPrometheus];
let servers: readonly [Exporter, Exporter];

beforeAll(async () => {
  prometheis = [stack.use(await startPrometheus({ config: {} })), stack.use(await startPrometheus({ config: {} }))];
  servers = [stack.use(await startExporter({ behaviour: saying('0') })), stack.use(await startExporter({ behaviour: saying('1') }))];
  const tenants = (await worldTenants()).map((tenant) => ({ ...tenant, limits: { requestsPerSecond: 100_000 }, query: [{ metrics: ['{__name__=~".+"}'], labels: { ns: 'a' } }] }));
  world = stack.use(await startWorld({ gateway: { tenants, backends: [pair()] } }));
});
afterAll(async () => {
  await stack.disposeAsync();
});

function pair(): ConfigFile {
  const [one, other] = prometheis;
  return { name: 'pair', url: one.url, replicas: [other.url], healthCheck: OFTEN };
}

/** The backends of the gateway from now on. */
function configure(...backends: readonly ConfigFile[]): Promise<void> {
  return world.gateway.reconfigure({ backends });
}

function ask(backend: string): Promise<HttpAnswer> {
  return world.ask('team-a', `/query/${backend}/api/v1/query?query=1`, { timeoutMs: 100_000 });
}

/** From the moment on that there are answers. */
async function asking(backend: string): Promise<SteadyQueries> {
  await eventually(async () => expect((await ask(backend)).status).toBe(200));
  const queries = steadyQueries(() => ask(backend), LINES);
  await more(queries);
  return queries;
}

/** So many again have been answered. */
async function more(queries: SteadyQueries, count = 40): Promise<void> {
  const before = queries.answered;
  await eventually(() => expect(queries.answered).toBeGreaterThan(before + count), { timeoutMs: 60_000 });
}

async function ended(queries: SteadyQueries): Promise<readonly string[]> {
  await queries.stop();
  return queries.failed;
}

/** As Envoy's admin page has them. */
async function statesOf(backend: string): Promise<readonly string[]> {
  const { body } = await fetchRaw({ url: 'http://envoy/clusters', socketPath: `${world.gateway.runtimeDir}/admin.sock` });
  return [...body.toString().matchAll(new RegExp(`^backend/${backend}::.*::health_flags::(.*)$`, 'gm'))].map(([, state = '']) => state);
}

async function allAreWell(): Promise<void> {
  await eventually(async () => expect((await Promise.all(['pair', 'two'].map(statesOf))).flat()).toEqual(['healthy', 'healthy']));
}

/** Resolves when that server is asked at that path. */
async function moved(backend: string, server: Exporter, path: string): Promise<void> {
  const before = server.requests.length;
  await configure({ name: backend, url: urlOf(server, path) });
  await eventually(async () => {
    await ask(backend);
    expect(server.requests.slice(before).some(({ url }) => url === `${path}/api/v1/query`)).toBe(true);
  });
}

function urlOf({ port }: Exporter, path = ''): string {
  return `http://127.0.0.1:${port}${path}`;
}

describe('of two real servers', () => {
  it('one that hangs is left out, and what it was asked is asked of the other', async () => {
    const queries = await asking('pair');
    prometheis[1].process.signal('SIGSTOP');
    try {
      await more(queries, 200);
      // Also those that it had taken.
      expect(await ended(queries)).toEqual([]);
    } finally {
      prometheis[1].process.signal('SIGCONT');
    }
    await allAreWell();
  });

  it('one is killed in the middle, and nobody notices', async () => {
    const queries = await asking('pair');
    prometheis[0].process.signal('SIGKILL');
    await prometheis[0].process.exited;
    await more(queries, 200);
    expect(await ended(queries)).toEqual([]);
  });

  it('both are away: 503 with a reason, and the log has what Envoy says', async () => {
    prometheis[1].process.signal('SIGKILL');
    await prometheis[1].process.exited;
    const answer = await ask('pair');
    expect([answer.status, answer.headers['x-scrapeway-reason'], answer.body.toString()]).toEqual([503, 'query_backend_away', expect.not.stringContaining('127.0.0.1')]);
    await world.gateway.process.waitForLog(/UF(,URX)? 127\.0\.0\.1:\d+ upstream_reset_before_response_started.*a backend does not answer/);
  });
});

describe('of two servers', () => {
  beforeEach(async () => {
    for (const server of servers) for (const path of ['/-/ready', '/api/v1/query']) server.behave(saying('1'), path);
    await configure({ name: 'two', url: urlOf(servers[0]), replicas: [urlOf(servers[1])], healthCheck: PATIENT });
    await asking('two').then(ended);
    await allAreWell();
  });

  it('one that is starting is not what is answered, before and after its check has failed', async () => {
    const queries = await asking('two');
    servers[0].behave(STARTING, '/api/v1/query');
    await more(queries, 50);
    servers[0].behave(STARTING, '/-/ready');
    await eventually(async () => expect(await statesOf('two')).toContain('/failed_active_hc'));
    const counts = await world.gateway.metric('scrapeway_query_backend_servers');
    expect([counts.get('{backend="two",state="all"}'), counts.get('{backend="two",state="well"}')]).toEqual([2, 1]);
    await more(queries, 50);
    expect(await ended(queries)).toEqual([]);
  });

  it('one says 503 in the words of the API: that is the answer, and no reason to leave it out', async () => {
    const timeout: Behaviour = { kind: 'answer', status: 503, headers: JSON_HEAD, body: Buffer.from('{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}') };
    servers[0].behave(timeout, '/api/v1/query');
    const texts = async (): Promise<readonly string[]> => {
      const answers = await Promise.all(Array.from({ length: 40 }, () => ask('two')));
      return [...new Set(answers.map(({ status, body }) => `${status} ${body.toString()}`))].toSorted();
    };
    // The second time as the first.
    for (const _round of [1, 2]) await eventually(async () => expect(await texts()).toEqual([expect.stringContaining('"1"'), expect.stringMatching(/^503.*query timed out in expression evaluation/)]));
    expect(await statesOf('two')).toEqual(['healthy', 'healthy']);
  });

  it('both fail their checks: then both are asked', async () => {
    for (const server of servers) server.behave(STARTING, '/-/ready');
    await eventually(async () => expect(await statesOf('two')).toEqual(['/failed_active_hc', '/failed_active_hc']));
    const queries = await asking('two');
    expect(await ended(queries)).toEqual([]);
  });
});

describe('while a configuration changes', () => {
  it('no query fails: replicas and backends come and go, and a server moves to another path', async () => {
    const [one, other] = servers;
    for (const server of servers) for (const path of ['/-/ready', '/api/v1/query']) server.behave(saying('1'), path);
    await configure({ name: 'two', url: urlOf(one), replicas: [urlOf(other)] });
    const queries = await asking('two');
    const steps: readonly (readonly ConfigFile[])[] = [
      [{ name: 'two', url: urlOf(one) }],
      [{ name: 'two', url: urlOf(one) }, { name: 'more', url: urlOf(other) }],
      [{ name: 'two', url: urlOf(one), replicas: [urlOf(other)] }, { name: 'more', url: `http://localhost:${other.port}` }],
      [{ name: 'two', url: urlOf(other) }],
      [{ name: 'two', url: urlOf(other, '/some/prefix') }],
      [{ name: 'two', url: `http://localhost:${one.port}/other`, headers: { 'x-version': 'last' } }],
    ];
    for (const [step, backends] of steps.entries()) {
      const version = { 'x-version': String(step) };
      await configure(...backends.map((backend) => ({ headers: version, ...backend })));
      const last = backends === steps.at(-1) ? 'last' : String(step);
      await eventually(() => expect(servers.some(({ requests }) => requests.some(({ headers }) => headers['x-version'] === last))).toBe(true));
      await more(queries);
    }
    expect(await ended(queries)).toEqual([]);
    const asked = servers.flatMap(({ requests }) => requests).filter(({ method }) => method === 'POST');
    expect(new Set(asked.map(({ url }) => url))).toEqual(new Set(['/api/v1/query', '/some/prefix/api/v1/query', '/other/api/v1/query']));
  });

  it('an answer that is under way comes to its end', async () => {
    const [one, other] = servers;
    // More than there is room for on the way: it ends when its reader says so.
    const totalBytes = 32 * 1024 * 1024;
    one.behave({ kind: 'flood', totalBytes }, '/alone/federate');
    await moved('two', one, '/alone');
    const answer = await openRequest(world.request('team-a', '/query/two/federate'));
    const [first] = await once(answer, 'data');
    answer.pause();
    await moved('two', other, '/moved');
    expect(answer.complete).toBe(false);
    let bytes = Buffer.from(first).length;
    for await (const part of answer) bytes += Buffer.from(part).length;
    expect(bytes).toBe(totalBytes);
  });

  it('a backend that is new answers the first query', async () => {
    const [one] = servers;
    for (let round = 0; round < 5; round += 1) {
      const name = `new-${round}`;
      await configure({ name, url: urlOf(one) });
      await eventually(async () => expect((await ask(name)).headers['x-scrapeway-reason']).not.toBe('query_no_backend'), { intervalMs: 5 });
      expect((await ask(name)).status).toBe(200);
    }
  });
});
