import { stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { desiredState, target } from '../../test/support/desired-state.js';
import { fetchRaw } from '../../test/support/http.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import type { TempDir } from '../../test/support/temp-dir.js';
import { silentLogger } from '../lib/logger.js';
import { startApiServer } from './api-server.js';
import type { ApiServer } from './api-server.js';
import { createDiscovery } from './discovery.js';
import type { Discovery } from './discovery.js';

/** The whole of http_sd, over a real socket, as Envoy asks it. */
let dir: TempDir;
let registry: Registry;
let discovery: Discovery;
let server: ApiServer;
let forgotten: string[];
const state = desiredState({ tenants: [{ name: 'team-a' }], agents: [{ name: 'site-a', tenants: ['team-a'] }] });

async function start(): Promise<void> {
  registry = new Registry();
  forgotten = [];
  discovery = await createDiscovery({
    memoryPath: dir.join('memory.json'),
    settleMs: 60_000,
    retentionMs: 60_000,
    validate: (targets) => (Array.isArray(targets) ? targets.map(({ name }: { name: string }) => target(name)) : []),
    onForgotten: (agent) => forgotten.push(agent),
    logger: silentLogger,
    registry,
  });
  server = await startApiServer({ socketPath: dir.join('api.sock'), answer: discovery.answer, logger: silentLogger });
}

beforeEach(async () => {
  dir = await createTempDir();
  await start();
});
afterEach(async () => {
  await server.close();
  await discovery.close();
  await dir[Symbol.asyncDispose]();
});

function ask(path = '/sd', headers: Readonly<Record<string, string>> = { 'x-scrapeway-tenant': 'team-a' }, method = 'GET') {
  return fetchRaw({ url: `http://gw.example:9443${path}`, socketPath: dir.join('api.sock'), headers: { host: 'gw.example:9443', ...headers }, method });
}

async function listed(): Promise<unknown> {
  const { status, body } = await ask();
  return status === 200 ? JSON.parse(body.toString()).map(({ labels }: { labels: Record<string, string> }) => labels['target']) : status;
}

describe('http_sd over its socket', () => {
  it('knows nobody before there is a configuration', async () => {
    expect(await listed()).toBe(403);
  });

  it('waits for the agents, then lists what they offer', async () => {
    discovery.setState(state);
    expect(await listed()).toBe(503);
    discovery.register('site-a', [target('node')]);
    expect(await listed()).toEqual(['node']);
    discovery.agentState('site-a', 'down');
    expect(await listed()).toEqual(['node']);
  });

  it('answers with its type and length', async () => {
    discovery.setState(state);
    discovery.register('site-a', []);
    const { status, headers, body } = await ask();
    expect([status, headers['content-type'], headers['content-length'], body.toString()]).toEqual([200, 'application/json; charset=utf-8', '2', '[]']);
    const head = await ask('/sd', { 'x-scrapeway-tenant': 'team-a' }, 'HEAD');
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '2', 0]);
  });

  it('goes by the stamped tenant only', async () => {
    discovery.setState(state);
    discovery.register('site-a', []);
    const answer = await ask('/sd', { authorization: 'Basic dGVhbS1hOg==' });
    expect([answer.status, answer.headers['x-scrapeway-reason']]).toEqual([403, 'target_forbidden']);
  });

  it('answers a URL that is none, and lives on', async () => {
    discovery.setState(state);
    discovery.register('site-a', []);
    const answer = await fetchRaw({ url: 'http://gw', socketPath: dir.join('api.sock'), target: 'http://[/', headers: { 'x-scrapeway-tenant': 'team-a' } });
    expect([answer.status, answer.headers['x-scrapeway-reason']]).toEqual([400, 'malformed_request']);
    expect(await listed()).toEqual([]);
  });

  it('answers though the answer could not be made', async () => {
    const failing = await startApiServer({
      socketPath: dir.join('failing.sock'),
      answer: () => {
        throw new Error('on purpose');
      },
      logger: silentLogger,
    });
    const answer = await fetchRaw({ url: 'http://gw/sd', socketPath: dir.join('failing.sock') });
    await failing.close();
    expect([answer.status, answer.headers['x-scrapeway-reason']]).toEqual([500, 'api_error']);
    expect(answer.body.toString()).not.toContain('on purpose');
  });

  it('survives a client that goes in the middle', async () => {
    discovery.setState(state);
    discovery.register('site-a', [target('node')]);
    await new Promise<void>((resolve) => {
      const socket = connect(dir.join('api.sock'), () => socket.end('GET /sd HT'));
      socket.on('close', () => resolve()).on('error', () => undefined).resume();
    });
    expect(await listed()).toEqual(['node']);
  });

  it('remembers over a restart, with a socket file left behind', async () => {
    discovery.setState(state);
    discovery.register('site-a', [target('node')]);
    await discovery.close();
    await server.close();
    await writeFile(dir.join('api.sock'), '');
    await start();
    discovery.setState(state);
    expect([...discovery.offered.keys()]).toEqual(['site-a']);
    expect(await listed()).toEqual(['node']);
  });

  it('forgets an agent that is not configured any more', async () => {
    discovery.setState(state);
    discovery.register('site-a', [target('node')]);
    discovery.setState({ ...state, agents: [] });
    expect(forgotten).toEqual(['site-a']);
    expect(await listed()).toEqual([]);
  });

  it('counts', async () => {
    await ask();
    discovery.setState(state);
    discovery.register('site-a', [target('one'), target('two')]);
    await ask();
    await ask();
    const metrics = await registry.metrics();
    expect(metrics).toContain('scrapeway_discovery_requests_total{status="200"} 2');
    expect(metrics).toContain('scrapeway_discovery_requests_total{status="403"} 1');
    expect(metrics).toContain('scrapeway_discovery_targets 2');
  });

  it('is for this user only, and leaves nothing behind', async () => {
    expect((await stat(dir.join('api.sock'))).mode & 0o777).toBe(0o600);
    await server.close();
    await expect(stat(dir.join('api.sock'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
