import { createServer } from 'node:http';
import type { IncomingHttpHeaders, RequestListener } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Dispatcher } from 'undici';
import { createTempDir } from '../../test/support/temp-dir.js';
import type { TempDir } from '../../test/support/temp-dir.js';
import { listenOnUnixSocket } from '../lib/unix-socket.js';
import { BACKENDS_SOCKET, BALANCED } from '../model/backend-cluster.js';
import { BalancedDispatcher, BalancedFailure } from './dispatcher.js';
import { countLost } from './lost.js';
import { readCounts } from './servers.js';

/** What is said to Envoy, and what becomes of its words; Envoy itself is played here, and met in test/integration/query-backend-way.test.ts. */

let dir: TempDir;
let way: BalancedDispatcher;
let answer: RequestListener;
const server = createServer((request, response) => answer(request, response));

beforeEach(async () => {
  dir = await createTempDir();
  way = new BalancedDispatcher({ runtimeDir: dir.path, cluster: 'backend/main', hasServers: true });
});
afterEach(async () => {
  await way.destroy();
  if (server.listening) await new Promise((resolve) => server.close(resolve));
  await dir[Symbol.asyncDispose]();
});

async function ask(request: Partial<Dispatcher.RequestOptions> = {}): Promise<Dispatcher.ResponseData> {
  await listenOnUnixSocket(server, dir.join(BACKENDS_SOCKET));
  return way.request({ method: 'POST', path: '/', body: 'x', ...request });
}

describe('a request', () => {
  it.each<[string, Partial<Dispatcher.RequestOptions>, IncomingHttpHeaders]>([
    ['names its cluster', {}, { [BALANCED.cluster]: 'backend/main' }],
    ['that must not be sent twice says so', { idempotent: false }, { [BALANCED.cluster]: 'backend/main', [BALANCED.once]: '1' }],
    ['cannot be given another way by the headers that a backend wants', { headers: { 'X-Scrapeway-Cluster': 'hub', 'x-envoy-retry-on': '5xx', 'x-scope-orgid': ['a', 'b'] } }, { [BALANCED.cluster]: 'backend/main', 'x-scope-orgid': 'a, b' }],
  ])('%s', async (_, request, headers) => {
    const seen = Promise.withResolvers<IncomingHttpHeaders>();
    answer = (asked, response) => {
      seen.resolve(asked.headers);
      response.end();
    };
    await (await ask(request)).body.dump();
    const { host: _host, connection: _connection, 'content-length': _length, ...rest } = await seen.promise;
    expect(rest).toEqual(headers);
  });
});

describe('an answer', () => {
  it('that a server gives which is starting is asked of another; what that says, counts', async () => {
    answer = ({ headers }, response) => response.writeHead(503, { 'content-type': 'text/x' }).end(`again: ${String(headers[BALANCED.again])}`);
    const { statusCode, body } = await ask();
    expect([statusCode, await body.text()]).toEqual([503, 'again: 1']);
  });

  it('to what changes something is passed on, whoever gives it', async () => {
    answer = ({ headers }, response) => response.writeHead(503, { 'content-type': 'text/x' }).end(`again: ${String(headers[BALANCED.again])}`);
    const { statusCode, body } = await ask({ idempotent: false });
    expect([statusCode, await body.text()]).toEqual([503, 'again: undefined']);
  });

  it('of a server is passed on, whatever its status', async () => {
    answer = (_request, response) => response.writeHead(503, { 'content-type': 'application/json' }).end('no');
    const { statusCode, headers, body } = await ask();
    expect([statusCode, headers['content-type'], await body.text()]).toEqual([503, 'application/json', 'no']);
  });

  it.each([
    ['of a cluster that it does not know', 'NC cluster_not_found -', true],
    ['of a cluster without hosts yet', 'UH no_healthy_upstream -', true],
    ['of a connection that failed', 'UF upstream_reset_before_response_started{connection_failure} TLS_error', false],
    ['of several things', 'URX,UF upstream_reset -', false],
  ])('of Envoy itself is an error with its words: %s', async (_, words, isPassing) => {
    answer = (_request, response) => response.writeHead(503, { [BALANCED.failure]: words }).end('no');
    const failure: unknown = await ask().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(BalancedFailure);
    expect(failure).toMatchObject({ message: words, isPassing });
  });

  it('of nobody is an error that passes: Envoy is being started', async () => {
    await expect(way.request({ method: 'GET', path: '/' })).rejects.toMatchObject({ constructor: BalancedFailure, isPassing: true });
  });
});

describe('questions with servers that are lost', () => {
  const host = (active: number, isLost: boolean): object => ({ health_status: { eds_health_status: 'HEALTHY', ...(isLost && { failed_active_health_check: true }) }, stats: [{ name: 'cx_active', value: '9' }, { name: 'rq_active', value: String(active), type: 'GAUGE' }] });
  const page = (...hosts: readonly object[]): object => ({ cluster_statuses: [{ name: 'backend/main', host_statuses: hosts }] });

  it.each<[string, unknown, number]>([
    ['are those that they have', page(host(3, true), host(4, false), host(2, true)), 5],
    ['are none where all are well', page(host(3, false), host(4, false)), 0],
    ['are none where nobody else could be asked', page(host(3, true)), 0],
    ['are none of a cluster that Envoy does not know', { cluster_statuses: [] }, 0],
    ['are none on a page that says something else', ['what'], 0],
  ])('%s', (_, value, count) => {
    expect(countLost(value)).toBe(count);
  });
});

it('Envoy\'s figures of backends are read, and of nothing else', () => {
  const page = 'cluster.backend/main.membership_healthy: 1\ncluster.backend/main.membership_total: 2\ncluster.hub.membership_total: 3\ncluster.backend/main.upstream_cx_active: 4\n';
  expect(readCounts(page)).toEqual([{ backend: 'main', state: 'well', count: 1 }, { backend: 'main', state: 'all', count: 2 }]);
});
