import { describe, expect, it } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { NO_ENDPOINT } from '../../../src/model/backend-cluster.js';
import type { DesiredState } from '../../../src/model/desired-state.js';
import { RESOURCE_TYPES } from '../../../src/xds/resource-types.js';
import { buildResources } from '../../../src/xds/resources/index.js';
import { createTestPki } from '../../support/certificates.js';
import { eventually } from '../../support/eventually.js';
import { createTempDir } from '../../support/temp-dir.js';
import { held, readable, wantedOf } from './config-dump.js';
import { certificatePems, startEnvoyUnderTest, tenant } from './envoy-under-test.js';

/**
 * What we publish, as the Envoy that is shipped takes it.
 */

const NO_COMPLAINT = /\[(warning|error|critical)\]|deprecated/i;

const withTenants = (state: DesiredState, ...tenants: DesiredState['tenants']): DesiredState => ({ ...state, tenants });

describe('the real Envoy', () => {
  it('takes everything without a complaint, and holds exactly what was wanted', async () => {
    await using world = await startEnvoyUnderTest();
    await world.publish(world.state);
    await world.envoy.waitUntilReady();

    const wanted = wantedOf(buildResources(world.state, world.topology));
    const got = await held(world.envoy);
    expect([...got.keys()].sort()).toEqual([...wanted.keys()].sort());
    for (const [name, { version, message }] of wanted) {
      expect({ name, version: got.get(name)?.version }).toEqual({ name, version });
      const there = got.get(name)?.message;
      expect(there === undefined ? undefined : readable(there)).toEqual(readable(message));
    }
    const hosts = await world.envoy.admin('clusters');
    for (const socket of ['hub-0', 'tunnel-0', 'authz-0', 'api']) expect(hosts).toContain(`${world.topology.runtimeDir}/${socket}.sock`);
    expect(world.envoy.process.log()).not.toMatch(NO_COMPLAINT);
    expect((await world.envoy.stats('runtime.')).get('runtime.deprecated_feature_use')).toBe(0);
    expect(world.controlPlane.status().connections).toMatchObject([
      { node: { id: 'gw-0', cluster: 'scrapeway', version: '1.40.0' }, variant: 'delta', service: 'aggregated', types: [{ current: true }, {}, {}, {}, {}] },
    ]);
  });

  it('tells ext_authz the doors apart, and answers health itself', async () => {
    await using world = await startEnvoyUnderTest();
    await world.publish(world.state);
    using scrape = await world.dial('scrape');
    expect(await scrape.request('GET /-/healthy')).toMatchObject({ status: 200, body: 'ok\n' });
    expect(world.sidecar.doors).toEqual([]);
    expect(await scrape.request('GET /scrape/site-a/node')).toMatchObject({ status: 200 });
    expect(await scrape.request('GET /sd')).toMatchObject({ status: 200 });
    expect(await scrape.request('GET http://node.site-a.scrapeway/metrics')).toMatchObject({ status: 200 });
    expect(await scrape.request('GET /nothing')).toMatchObject({ status: 404 });
    using connecting = await world.dial('scrape');
    expect(await connecting.request('CONNECT node.site-a.scrapeway:443')).toMatchObject({ status: 404, body: 'scrapeway: nothing here\n' });
    using agent = await world.dial('agents');
    expect(await agent.upgrade()).toMatchObject({ status: 101 });
    expect(world.sidecar.doors).toEqual(['path', 'sd', 'proxy', 'none', 'connect', 'agent']);
  });

  it('a changed tenant limit is in force at once, and closes no connection', async () => {
    await using world = await startEnvoyUnderTest();
    await world.publish(world.state);
    using scraper = await world.dial('scrape');
    using agent = await world.dial('agents');
    expect(await scraper.request('GET /scrape/site-a/node')).toMatchObject({ status: 200 });
    await agent.upgrade();

    await world.publish(withTenants(world.state, tenant('team-a', 1 / 60, 1), tenant('team-b', 5)));
    await eventually(async () => {
      const answer = await scraper.request('GET /scrape/site-a/node');
      expect(answer).toMatchObject({ status: 429, body: "scrapeway: over the tenant's request rate\n" });
      expect(answer.head).toMatch(/x-scrapeway-reason: rate_limited\r\n/);
      expect(answer.head).not.toMatch(/connection: close/i);
    });
    await world.publish(withTenants(world.state, tenant('team-a', 1000)));
    await eventually(async () => expect(await scraper.request('GET /scrape/site-a/node')).toMatchObject({ status: 200 }));
    expect(await agent.echo('still here')).toBe('still here');
    const stats = await world.envoy.stats('listener_manager.');
    expect(stats.get('listener_manager.listener_modified')).toBe(0);
    expect(stats.get('listener_manager.listener_in_place_updated')).toBe(0);
    expect(stats.get('listener_manager.total_filter_chains_draining')).toBe(0);
  });

  it('takes issuers and lets them go again', async () => {
    await using world = await startEnvoyUnderTest();
    await world.publish(world.state);
    const jwks = JSON.stringify({ keys: [generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' })] });
    const issuers: DesiredState['gateway']['issuers'] = [
      { name: 'file', issuer: 'https://file.example', audiences: ['x'], keys: { kind: 'local', jwks } },
      { name: 'host', issuer: 'https://host.example', audiences: ['x'], keys: { kind: 'remote', uri: 'https://localhost:1/keys', caPem: undefined, cacheMs: 300_000 } },
      { name: 'ip', issuer: 'https://ip.example', audiences: ['x', 'y'], keys: { kind: 'remote', uri: 'https://[::1]:1/keys', caPem: await readFile(world.pki.serverCaFile, 'utf8'), cacheMs: 1000 } },
    ];
    const withIssuers = { ...world.state, gateway: { ...world.state.gateway, issuers } };
    await world.publish(withIssuers);
    const wanted = wantedOf(buildResources(withIssuers, world.topology));
    await eventually(async () => expect([...(await held(world.envoy)).keys()].sort()).toEqual([...wanted.keys()].sort()));
    await world.publish(world.state);
    await eventually(async () => expect(await world.envoy.admin('clusters')).not.toContain('jwks-'));
    expect((await world.envoy.stats('runtime.')).get('runtime.deprecated_feature_use')).toBe(0);
  });

  it('takes backends and lets them go again, and touches nothing else for them', async () => {
    await using world = await startEnvoyUnderTest();
    await world.publish(world.state);
    const caPem = await readFile(world.pki.serverCaFile, 'utf8');
    const all: NonNullable<DesiredState['backends']> = [
      { name: 'nobody', url: NO_ENDPOINT, timeoutMs: 1000 },
      { name: 'addresses', url: 'http://127.0.0.1:1/prom', replicas: ['https://[::1]:1/prom'], timeoutMs: 1000 },
      { name: 'names', url: 'https://localhost:1', replicas: ['https://127.0.0.1:1', 'http://localhost:2'], caPem, timeoutMs: 1000, healthCheck: { path: '/x', intervalMs: 200, timeoutMs: 100 } },
      { name: 'behind', url: 'http://x', agent: { agent: 'site-a', service: 'x' }, timeoutMs: 1000 },
    ];
    const clusters = async (): Promise<readonly string[]> => [...new Set([...(await world.envoy.admin('clusters')).matchAll(/^(backend[^:]*)::/gm)].map(([, name = '']) => name))].toSorted();
    for (const backends of [all, all.slice(0, 2), []]) {
      expect(world.controlPlane.publishBackends(backends)).toMatchObject({ ok: true });
      const wanted = wantedOf(buildResources({ ...world.state, backends }, world.topology));
      await eventually(async () => expect([...(await held(world.envoy)).keys()].sort()).toEqual([...wanted.keys()].sort()));
      await eventually(async () => expect(await clusters()).toEqual(backends.flatMap(({ name, agent }) => (agent === undefined ? [name === 'addresses' ? 'backend/addresses/prom' : `backend/${name}`] : [])).toSorted()));
    }
    expect(world.envoy.process.log()).not.toMatch(NO_COMPLAINT);
    expect((await world.envoy.stats('runtime.')).get('runtime.deprecated_feature_use')).toBe(0);
    expect((await world.envoy.stats('listener_manager.')).get('listener_manager.listener_modified')).toBe(0);
  });

  it('a changed listener does drain its connections: what the test above would show', async () => {
    await using world = await startEnvoyUnderTest();
    await world.publish(world.state);
    using agent = await world.dial('agents');
    await agent.upgrade();
    await world.publish({ ...world.state, gateway: { ...world.state.gateway, accessLogPath: '/dev/stdout' } });
    await agent.closed();
    using scraper = await world.dial('scrape');
    await scraper.request('GET /-/healthy');
    await world.envoy.process.waitForLog(/"path":"\/-\/healthy"/);
    expect((await world.envoy.stats('listener_manager.')).get('listener_manager.listener_in_place_updated')).toBe(2);
  });

  it('certificates rotate by SDS without touching an open connection', async () => {
    await using world = await startEnvoyUnderTest();
    await world.publish(world.state);
    using scraper = await world.dial('scrape');
    using agent = await world.dial('agents');
    await scraper.request('GET /-/healthy');
    await agent.upgrade();

    await using dir = await createTempDir();
    const next = await createTestPki(dir.path);
    const certificate = await certificatePems(next.gateway);
    const { gateway } = world.state;
    await world.publish({ ...world.state, gateway: { ...gateway, scrape: { ...gateway.scrape, ...certificate }, agents: { ...gateway.agents, ...certificate } } });
    for (const [listener, before] of [['scrape', scraper.certificate], ['agents', agent.certificate]] as const) {
      await eventually(async () => {
        using fresh = await world.dial(listener);
        expect(fresh.certificate).not.toBe(before);
      });
    }
    expect(await scraper.request('GET /-/healthy')).toMatchObject({ status: 200 });
    expect(await agent.echo('still here')).toBe('still here');

    // Trust as well: an agent of the old CA may stay, and may not come again.
    await world.publish({ ...world.state, gateway: { ...gateway, agents: { ...gateway.agents, ...certificate, clientCaPem: await readFile(next.agentsCaFile, 'utf8') } } });
    await eventually(async () => {
      using refused = await world.dial('agents');
      await expect(refused.request('GET /tunnel')).rejects.toThrow(/unknown ca/);
    });
    expect(await agent.echo('still here')).toBe('still here');
  });

  it('a resource that Envoy refuses: its own words are shown, the last good one stays', async () => {
    await using world = await startEnvoyUnderTest();
    await world.publish(world.state);
    using scraper = await world.dial('scrape');
    const { gateway } = world.state;
    const bad = { ...world.state, gateway: { ...gateway, scrape: { ...gateway.scrape, host: 'no-address' } } };
    expect(world.controlPlane.publish(bad, world.topology)).toMatchObject({ ok: true });
    const rejected = await eventually(() => {
      const listeners = world.controlPlane.status().connections[0]?.types.find(({ typeUrl }) => typeUrl === RESOURCE_TYPES.listener.url);
      expect(listeners?.rejected).toHaveLength(1);
      return listeners?.rejected[0];
    });
    expect(rejected).toMatchObject({ name: 'scrape', rejection: { message: expect.stringContaining('malformed IP address: no-address') } });
    expect(rejected?.lastGood).toBe(wantedOf(buildResources(world.state, world.topology)).get('envoy.config.listener.v3.Listener scrape')?.version);
    // What `scrapeway xds status` shows: the field of the resource, and the field of ours that made it.
    const listeners = world.controlPlane.report().envoys[0]?.types.find(({ kind }) => kind === 'listener');
    expect(listeners?.differing).toMatchObject([
      {
        name: 'scrape',
        state: 'refused',
        refused: { named: true, words: expect.stringContaining('no-address'), resourceFields: ['address.socket_address.address'], ourFields: ['gateway.scrape.host'] },
        difference: [{ path: 'address.socket_address.address', before: '127.0.0.1', after: 'no-address' }],
      },
    ]);
    expect(await world.controlPlane.whenAcked(0)).toMatchObject({ ok: false, error: [{ message: expect.stringContaining('malformed IP address') }] });
    expect(await scraper.request('GET /-/healthy')).toMatchObject({ status: 200 });

    await world.publish(world.state);
    expect(world.controlPlane.status().connections[0]?.types.every(({ current }) => current)).toBe(true);
  });

  it('a control plane that restarts disturbs nothing, and what changed meanwhile arrives', async () => {
    await using world = await startEnvoyUnderTest();
    await world.publish(world.state);
    using agent = await world.dial('agents');
    await agent.upgrade();
    const before = await world.envoy.stats('listener_manager.');

    await world.restartControlPlane();
    await world.publish(withTenants(world.state, tenant('team-a', 7), tenant('team-b', 5)));
    const wanted = wantedOf(buildResources(withTenants(world.state, tenant('team-a', 7), tenant('team-b', 5)), world.topology));
    const route = 'envoy.config.route.v3.RouteConfiguration scrape';
    expect((await held(world.envoy)).get(route)?.version).toBe(wanted.get(route)?.version);
    expect(await agent.echo('still here')).toBe('still here');
    const after = await world.envoy.stats('listener_manager.');
    for (const name of ['listener_added', 'listener_modified', 'listener_in_place_updated', 'listener_removed']) {
      expect([name, after.get(`listener_manager.${name}`)]).toEqual([name, before.get(`listener_manager.${name}`)]);
    }
  });
});
