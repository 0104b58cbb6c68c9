import { describe, expect, it } from '@jest/globals';
import { rename, rm, writeFile } from 'node:fs/promises';
import { Registry } from 'prom-client';
import { startDnsServer } from '../../../test/support/dns-server.js';
import type { DnsServer } from '../../../test/support/dns-server.js';
import { eventually } from '../../../test/support/eventually.js';
import { manualClock } from '../../../test/support/manual-clock.js';
import type { ManualClock } from '../../../test/support/manual-clock.js';
import { createTempDir } from '../../../test/support/temp-dir.js';
import { silentLogger } from '../../lib/logger.js';
import type { DiscoveryJob, DiscoverySource } from '../../model/agent-settings.js';
import { createDiscovery } from './discovery.js';
import type { Discovery } from './discovery.js';
import { createDiscoveryMetrics } from './metrics.js';

function job(sources: readonly DiscoverySource[], change: Partial<DiscoveryJob> = {}): DiscoveryJob {
  return {
    name: 'node',
    sources,
    scheme: 'http',
    metricsPath: '/metrics',
    params: {},
    relabelConfigs: [],
    maxTargets: 100,
    paths: [],
    fetch: { timeoutMs: undefined, maxBodyBytes: undefined, tls: { caPem: undefined, client: undefined, serverName: undefined, insecureSkipVerify: false }, headers: {} },
    ...change,
  };
}

interface Rig extends Disposable {
  readonly discovery: Discovery;
  readonly clock: ManualClock;
  readonly names: () => string[] | undefined;
  /** Each list that was handed on. */
  readonly history: () => readonly (readonly string[])[];
  readonly isSettled: () => boolean;
  /** Lets time pass until the names are these. */
  readonly until: (names: readonly string[]) => Promise<void>;
  readonly metric: (name: string) => Promise<number[]>;
}

function startRig(): Rig {
  const registry = new Registry();
  const clock = manualClock();
  let names: string[] | undefined;
  const history: string[][] = [];
  let settled = false;
  const discovery = createDiscovery({
    clock,
    logger: silentLogger,
    metrics: createDiscoveryMetrics(registry),
    onTargets: (targets) => {
      names = targets.map(({ target }) => target.name).toSorted();
      history.push(names);
    },
    onSettled: () => {
      settled = true;
    },
  });
  return {
    discovery,
    clock,
    names: () => names,
    history: () => history,
    isSettled: () => settled,
    until: (expected) =>
      eventually(() => {
        clock.advance(1000);
        expect(names).toEqual(expected);
      }),
    metric: async (name) => {
      const metric = await registry.getSingleMetric(name)?.get();
      return metric?.values.map(({ value }) => value) ?? [];
    },
    [Symbol.dispose]: () => discovery.stop(),
  };
}

const group = (...targets: readonly string[]): string => JSON.stringify([{ targets }]);

describe('watched files', () => {
  it('are followed as they come, change, break and go', async () => {
    await using dir = await createTempDir();
    using rig = startRig();
    await writeFile(dir.join('one.json'), group('a:1'));
    rig.discovery.configure([job([{ kind: 'file', files: [dir.join('*.json'), dir.join('more.yaml')] }])], []);
    await eventually(() => expect(rig.names()).toEqual(['a-1']));
    // more.yaml is named and not there: a failure, and time is given it
    expect(rig.isSettled()).toBe(false);
    expect(await rig.metric('scrapeway_agent_discovery_up')).toEqual([0]);
    await writeFile(dir.join('more.yaml'), '- targets: [m:1]');
    await rig.until(['a-1', 'm-1']);
    expect(rig.isSettled()).toBe(true);

    await writeFile(dir.join('two.json'), group('b:1'));
    await rig.until(['a-1', 'b-1', 'm-1']);
    expect(await rig.metric('scrapeway_agent_discovery_up')).toEqual([1]);

    await writeFile(dir.join('two.json'), '[{"targets": ["c:1"], "labels": {"port": 1}}]');
    await rm(dir.join('one.json'));
    await rm(dir.join('more.yaml'));
    await rig.until(['b-1', 'm-1']);
    expect(await rig.metric('scrapeway_agent_discovery_up')).toEqual([0]);

    await writeFile(dir.join('new'), group('c:1'));
    await rename(dir.join('new'), dir.join('two.json'));
    await rig.until(['c-1', 'm-1']);
  });

  it.each([
    ['JSON', 'list.json', '[{"targets": ["a:1"]}]', '[{"targets": ["a:1"]}, {"targets": ["b:'],
    ['YAML', 'list.yml', '- targets: [a:1]\n', '- targets: [a:1]\n- targets: ["b:'],
  ])('of %s that are half written take nothing away, and count when they are whole', async (_format, name, before, half) => {
    await using dir = await createTempDir();
    using rig = startRig();
    await writeFile(dir.join(name), before);
    rig.discovery.configure([job([{ kind: 'file', files: [dir.join(`*${name.slice(4)}`)] }])], []);
    await eventually(() => expect(rig.names()).toEqual(['a-1']));
    await writeFile(dir.join(name), half);
    await eventually(async () => {
      rig.clock.advance(1000);
      expect(await rig.metric('scrapeway_agent_discovery_up')).toEqual([0]);
    });
    expect(rig.names()).toEqual(['a-1']);
    await writeFile(dir.join(name), `${half}2"]${name.endsWith('.json') ? '}]' : '\n'}`);
    await rig.until(['a-1', 'b-2']);
  });

  it('may hold 10,000 targets, of which a change is one', async () => {
    await using dir = await createTempDir();
    using rig = startRig();
    const file = dir.join('many.json');
    const groups = Array.from({ length: 100 }, (_, rack) => ({ targets: Array.from({ length: 100 }, (__, host) => `h${rack}-${host}:9100`), labels: { rack: String(rack), team: 'x' } }));
    await writeFile(file, JSON.stringify(groups));
    rig.discovery.configure([job([{ kind: 'file', files: [file] }], { maxTargets: 10_001 })], []);
    await eventually(() => expect(rig.names()).toHaveLength(10_000), { timeoutMs: 30_000 });
    await writeFile(dir.join('next'), JSON.stringify([...groups, { targets: ['late:1'] }]));
    await rename(dir.join('next'), file);
    await eventually(() => {
      rig.clock.advance(1000);
      expect(rig.names()).toHaveLength(10_001);
    }, { timeoutMs: 30_000 });
  }, 60_000);

  it('with too many targets are refused, and hurt no other', async () => {
    await using dir = await createTempDir();
    using rig = startRig();
    await writeFile(dir.join('good.json'), group('a:1'));
    await writeFile(dir.join('flood.json'), group(...Array.from({ length: 100_000 }, (_, i) => `h${i}:1`)));
    await writeFile(dir.join('bad.json'), JSON.stringify([{ targets: ['b:1'], labels: { big: 'x'.repeat(2 ** 20) } }, { targets: ['c:1', 'd/e'] }]));
    rig.discovery.configure([job([{ kind: 'file', files: [dir.join('flood.json')] }, { kind: 'file', files: [dir.join('good.json')] }, { kind: 'file', files: [dir.join('bad.json')] }])], []);
    await rig.until(['a-1', 'c-1']);
    expect(await rig.metric('scrapeway_agent_discovery_refused_targets')).toEqual([0, 0, 2]);
  });
});

describe('DNS', () => {
  it('gives SRV records and addresses, and keeps the last good ones when it fails', async () => {
    await using dns = await startDnsServer();
    using rig = startRig();
    const source = { kind: 'dns', recordType: 'SRV', port: 0, servers: [dns.address], refreshMs: 1000 } as const;
    dns.set({ 'srv.test': [{ type: 'SRV', host: 'b.test', port: 9100 }, { type: 'SRV', host: 'a.test', port: 9101 }], 'a.test': [{ type: 'A', address: '10.0.0.1' }] });
    const relabelConfigs = [{ source_labels: ['__meta_dns_srv_record_target', '__meta_dns_srv_record_port', '__meta_dns_name'], regex: ';;.*|a.test.;9101;srv.test|b.*', action: 'keep' }];
    rig.discovery.configure([job([{ ...source, names: ['srv.test'] }, { ...source, recordType: 'A', port: 80, names: ['a.test'] }], { relabelConfigs })], []);
    await rig.until(['10.0.0.1-80', 'a.test-9101', 'b.test-9100']);
    dns.fail();
    await eventually(async () => {
      rig.clock.advance(1000);
      expect(await rig.metric('scrapeway_agent_discovery_up')).toEqual([0, 0]);
    });
    expect(rig.names()).toHaveLength(3);
    dns.set({ 'srv.test': [{ type: 'SRV', host: 'b.test', port: 9100 }] });
    await rig.until(['10.0.0.1-80', 'b.test-9100']);
  });
});

describe('an answer of DNS', () => {
  it('that does not fit into a datagram is asked for over TCP', async () => {
    await using dns = await startDnsServer();
    using rig = startRig();
    dns.set({ 'srv.test': Array.from({ length: 100 }, (_, index) => ({ type: 'SRV', host: `host-${index}.site.test`, port: 9100 }) as const) });
    rig.discovery.configure([job([{ kind: 'dns', recordType: 'SRV', port: 0, servers: [dns.address], refreshMs: 1000, names: ['srv.test'] }])], []);
    await eventually(() => expect(rig.names()).toHaveLength(100));
    expect(dns.overTcp()).toBeGreaterThan(0);
  });

  it.each<[string, Parameters<DnsServer['set']>[0]]>([
    ['that there is no such name', {}],
    ['that the name has no such record', { 'a.test': [{ type: 'SRV', host: 'x.test', port: 1 }] }],
  ])('%s keeps the last addresses, and new ones count', async (_what, nothing) => {
    await using dns = await startDnsServer();
    using rig = startRig();
    dns.set({ 'a.test': [{ type: 'A', address: '10.0.0.1' }, { type: 'A', address: '10.0.0.2' }] });
    rig.discovery.configure([job([{ kind: 'dns', recordType: 'A', port: 80, servers: [dns.address], refreshMs: 1000, names: ['a.test'] }])], []);
    await eventually(() => expect(rig.names()).toEqual(['10.0.0.1-80', '10.0.0.2-80']));
    dns.set(nothing);
    await eventually(async () => {
      rig.clock.advance(1000);
      expect(await rig.metric('scrapeway_agent_discovery_up')).toEqual([0]);
    });
    expect(rig.names()).toEqual(['10.0.0.1-80', '10.0.0.2-80']);
    dns.set({ 'a.test': [{ type: 'A', address: '10.0.0.2' }, { type: 'A', address: '10.0.0.3' }] });
    await rig.until(['10.0.0.2-80', '10.0.0.3-80']);
  });
});

describe('a change of the configuration', () => {
  it('applies new rules to what was found, and leaves sources alone that stay', async () => {
    await using dir = await createTempDir();
    using rig = startRig();
    const file = dir.join('one.json');
    await writeFile(file, group('a:1', 'b:1'));
    const source: DiscoverySource = { kind: 'file', files: [file] };
    rig.discovery.configure([job([source])], []);
    await eventually(() => expect(rig.names()).toEqual(['a-1', 'b-1']));
    rig.discovery.configure([job([source], { relabelConfigs: [{ source_labels: ['__address__'], regex: 'a.*', action: 'drop' }] })], []);
    await eventually(() => expect(rig.names()).toEqual(['b-1']));
    expect(await rig.metric('scrapeway_agent_discovery_dropped_targets')).toEqual([1]);
    rig.discovery.configure([job([source])], ['a-1']);
    await eventually(() => expect(rig.names()).toEqual([expect.stringMatching(/^a-1-[0-9a-f]{8}$/), 'b-1']));
    rig.discovery.configure([], []);
    await eventually(() => expect(rig.names()).toEqual([]));
  });

  it('that replaces a source lets nothing vanish while the new one has its first look', async () => {
    await using dir = await createTempDir();
    using rig = startRig();
    await writeFile(dir.join('one.json'), group('a:1'));
    await writeFile(dir.join('two.json'), group('a:1', 'b:1'));
    rig.discovery.configure([job([{ kind: 'file', files: [dir.join('one.json')] }])], []);
    await eventually(() => expect(rig.names()).toEqual(['a-1']));
    rig.discovery.configure([job([{ kind: 'file', files: [dir.join('two.json')] }])], []);
    await eventually(() => expect(rig.names()).toEqual(['a-1', 'b-1']));
    expect(rig.history().filter((names) => !names.includes('a-1'))).toEqual([]);
  });
});

describe('the first registration', () => {
  it('waits for nobody where nothing is to be discovered', () => {
    using rig = startRig();
    rig.discovery.configure([], []);
    expect(rig.isSettled()).toBe(true);
  });

  it('waits ten seconds for a source that fails', async () => {
    await using dir = await createTempDir();
    using rig = startRig();
    rig.discovery.configure([job([{ kind: 'file', files: [dir.join('none.json')] }])], []);
    rig.clock.advance(9999);
    expect(rig.isSettled()).toBe(false);
    rig.clock.advance(1);
    await eventually(() => expect(rig.isSettled()).toBe(true));
  });
});
