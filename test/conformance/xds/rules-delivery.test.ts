import { describe, expect, it } from '@jest/globals';
import { RESOURCE_TYPES } from '../../../src/xds/resource-types.js';
import { manualClock } from '../../support/manual-clock.js';
import { eventually } from '../../support/eventually.js';
import { WAYS } from '../../support/xds-client.js';
import type { Way, XdsClient } from '../../support/xds-client.js';
import { startSketchServer } from '../../support/xds-server.js';
import type { Sketch } from '../../support/xds-snapshot.js';

/**
 * The protocol's rules 13 to 22, and the limits: what is sent when, and what an answer means. By a raw gRPC client against the
 * server on its socket. Rules about the order of types are about the one stream that carries them all (ADS).
 */
const DELTA = WAYS.filter(({ variant }) => variant === 'delta');
const AGGREGATED = WAYS.filter(({ service }) => service === 'aggregated');
const ADS_DELTA: Way = { variant: 'delta', service: 'aggregated' };

/** `count` resources `r0`, `r1` … of version 1. */
function many(count: number, prefix = 'r', version = '1'): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`${prefix}${index}`, version]));
}

/** One resource of each type. */
function everything(version: string): Sketch {
  return { cluster: { a: version }, endpoint: { a: version }, listener: { l: version }, route: { r: version }, secret: { s: version } };
}

/** Asks for everything of a sketch, in the order of the types, and takes what comes. */
async function connected(client: XdsClient, sketch: Sketch): Promise<void> {
  const names = (kind: 'endpoint' | 'route' | 'secret'): string[] => Object.keys(sketch[kind] ?? {});
  client.subscribe('cluster');
  await client.next('cluster');
  for (const kind of ['endpoint', 'listener', 'route', 'secret'] as const) {
    if (sketch[kind] === undefined) continue;
    client.subscribe(kind, kind === 'listener' ? [] : names(kind));
    await client.next(kind);
  }
}

describe('rule-13-nack-by-error-detail', () => {
  it.each(WAYS)('an old version without error_detail is an ACK, and only error_detail makes a NACK ($variant, $service)', async (way) => {
    await using server = await startSketchServer({ route: { a: '1' } });
    const client = server.connect(way);
    client.subscribe('route', ['a']);
    await client.next('route', { ack: false });
    client.ack('route', { versionInfo: 'of old' });
    await eventually(() => expect(server.status()[0]?.types[0]).toMatchObject({ current: true, rejected: [] }));
    await server.publish({ route: { a: '2' } });
    await client.next('route', { ack: false });
    client.nack('route', 'no such filter', { versionInfo: 'a@2' }); // though it names the new version
    await eventually(() =>
      expect(server.status()[0]?.types[0]).toMatchObject({
        acked: 'a@1',
        sent: 'a@2',
        current: false,
        rejected: [{ name: 'a', lastGood: '1', rejection: { message: 'no such filter' } }],
      }),
    );
    expect(await server.registry.metrics()).toContain('scrapeway_xds_nacks_total{type="route"} 1\n');
    await client.finish();
  });
});

describe('rule-14-nack-is-partial', () => {
  it.each(DELTA)('every resource of the response stays in doubt until a later one is taken ($variant, $service)', async (way) => {
    await using server = await startSketchServer({ cluster: { a: '1', b: '1' } });
    const client = server.connect(way);
    client.subscribe('cluster');
    await client.next('cluster', { ack: false });
    client.nack('cluster', 'Error adding/updating cluster(s) b: bad');
    await server.publish({ cluster: { a: '1', b: '2' } });
    expect(await client.next('cluster')).toBe('cluster +b@2'); // a was not refused by name, and is not sent again
    await eventually(() => expect(server.status()[0]?.types[0]?.rejected.map(({ name }) => name)).toEqual(['a']));
    expect(await client.finish()).toEqual([]);
  });
});

describe('rule-15-no-resend-of-what-was-refused', () => {
  it.each(WAYS)('the same bytes are not sent again, a change is ($variant, $service)', async (way) => {
    await using server = await startSketchServer({ listener: { a: '1' }, route: { r: '1' } });
    const client = server.connect(way);
    client.subscribe('listener', ['*']);
    await client.next('listener', { ack: false });
    client.nack('listener', 'bad');
    await server.publish({ listener: { a: '1' }, route: { r: '2' } });
    client.subscribe('route', ['r']); // proves that the NACK and the publish have been seen
    expect(await client.next('route')).toMatch(/^route \+r@/);
    await server.publish({ listener: { a: '2' }, route: { r: '2' } });
    expect(await client.next('listener')).toBe('listener +a@2');
    expect((await client.finish()).filter((line) => line.startsWith('listener'))).toEqual([]);
  });
});

describe('rule-16-one-response-unanswered', () => {
  it.each(WAYS)('changes meanwhile coalesce into the next one ($variant, $service)', async (way) => {
    await using server = await startSketchServer({ route: { a: '1' } });
    const client = server.connect(way);
    client.subscribe('route', ['a']);
    expect(await client.next('route', { ack: false })).toBe('route +a@1');
    for (const version of ['2', '3', '4']) await server.publish({ route: { a: version } });
    client.ack('route');
    expect(await client.next('route')).toBe('route +a@4');
    expect(await client.finish()).toEqual([]);
  });

  it('a client that never answers holds up nobody else', async () => {
    await using server = await startSketchServer({ route: { a: '0' } });
    const stuck = server.connect(ADS_DELTA, 'stuck');
    stuck.subscribe('route', ['a']);
    await stuck.next('route', { ack: false });
    const healthy = server.connect(ADS_DELTA, 'healthy');
    healthy.subscribe('route', ['a']);
    expect(await healthy.next('route')).toBe('route +a@0');
    for (const version of ['1', '2', '3']) {
      await server.publish({ route: { a: version } });
      expect(await healthy.next('route')).toBe(`route +a@${version}`);
    }
    expect(await stuck.finish()).toEqual([]); // no pile of responses for it either
    expect(await healthy.finish()).toEqual([]);
  });
});

describe('rule-17-nonces', () => {
  it.each(AGGREGATED)('count per stream, over its types; equal versions get other nonces ($variant)', async (way) => {
    await using server = await startSketchServer({ route: { a: '1' }, secret: { s: '1' } });
    const client = server.connect(way);
    client.subscribe('route', ['a']);
    await client.next('route');
    client.subscribe('secret', ['s']);
    await client.next('secret');
    client.unsubscribe('route', ['a']);
    client.subscribe('route', ['a']);
    await client.next('route');
    expect(client.all.map(({ nonce }) => nonce)).toEqual(['1', '2', '3']);
    expect(client.all[0]?.version).toBe(client.all[2]?.version);
    await client.finish();
  });
});

describe('rule-18-endpoints-after-their-cluster', () => {
  it.each(AGGREGATED)('endpoints are sent once more after their cluster changed, though their bytes are the same ($variant)', async (way) => {
    const before: Sketch = { cluster: { a: '1', b: '1' }, endpoint: { a: '1', b: '1' } };
    await using server = await startSketchServer(before);
    const client = server.connect(way);
    await connected(client, before);
    await server.publish({ cluster: { a: '2', b: '1' }, endpoint: { a: '1', b: '1' } });
    expect(await client.next('cluster')).toBe(way.variant === 'delta' ? 'cluster +a@2' : 'cluster +a@2 +b@1');
    expect(await client.next('endpoint')).toBe('endpoint +a@1');
    expect(await client.finish()).toEqual([]);
  });

  it('also after a reconnect, when the endpoints are asked for later and by a client that has them', async () => {
    await using server = await startSketchServer({ cluster: { a: '2' }, endpoint: { a: '1' } });
    const client = server.connect(ADS_DELTA);
    client.subscribe('cluster', [], { a: '1' });
    expect(await client.next('cluster')).toBe('cluster +a@2');
    client.subscribe('endpoint', ['a'], { a: '1' });
    expect(await client.next('endpoint')).toBe('endpoint +a@1');
    expect(await client.finish()).toEqual([]);
  });
});

describe('rule-19-order-of-responses', () => {
  it.each(AGGREGATED)('one update goes out in the order of the types ($variant)', async (way) => {
    await using server = await startSketchServer(everything('1'));
    const client = server.connect(way);
    await connected(client, everything('1'));
    await server.publish(everything('2'));
    const kinds: string[] = [];
    while (kinds.length < 5) kinds.push((await client.next('cluster')).split(' ')[0] ?? '');
    // Secrets wait for nothing, so they may come before the ACKs of what came first.
    expect(kinds.filter((kind) => kind !== 'secret')).toEqual(['cluster', 'endpoint', 'listener', 'route']);
    expect(await client.finish()).toEqual([]);
  });
});

describe('rule-20-make-before-break', () => {
  const BEFORE: Sketch = { cluster: { old: '1' }, endpoint: { old: '1' }, listener: { l: '1' }, route: { r: 'to-old' } };
  const AFTER: Sketch = { cluster: { new: '1' }, endpoint: { new: '1' }, listener: { l: '1' }, route: { r: 'to-new' } };

  it.each(AGGREGATED)('cluster, its endpoints, route, and only after its ACK the removal ($variant)', async (way) => {
    await using server = await startSketchServer(BEFORE);
    const client = server.connect(way);
    await connected(client, BEFORE);
    await server.publish(AFTER);
    expect(await client.next('cluster')).toBe(way.variant === 'delta' ? 'cluster +new@1' : 'cluster +new@1 +old@1');
    client.subscribe('endpoint', ['new']);
    expect(await client.next('endpoint')).toBe('endpoint +new@1');
    expect(await client.next('route', { ack: false })).toBe('route +r@to-new');
    client.subscribe('secret', ['*']); // a barrier: what was due before is here
    expect(await client.next('secret')).toBe('secret');
    client.ack('route');
    expect(await client.next('cluster')).toBe(way.variant === 'delta' ? 'cluster -old' : 'cluster +new@1');
    if (way.variant === 'delta') expect(await client.next('endpoint')).toBe('endpoint -old');
    expect(await client.finish()).toEqual([]);
  });

  it.each(AGGREGATED)('each wait is bounded: a route that is not answered lets the cluster go in the end ($variant)', async (way) => {
    const clock = manualClock();
    await using server = await startSketchServer(BEFORE, { clock, stream: { maxHoldMs: 5_000 } });
    const client = server.connect(way);
    await connected(client, BEFORE);
    await server.publish({ ...BEFORE, cluster: {}, endpoint: {}, route: { r: 'nowhere' } });
    expect(await client.next('route', { ack: false })).toBe('route +r@nowhere');
    await server.heard();
    clock.advance(4_999);
    client.subscribe('secret', ['*']);
    expect(await client.next('secret')).toBe('secret');
    clock.advance(1);
    expect(await client.next('cluster')).toBe(way.variant === 'delta' ? 'cluster -old' : 'cluster');
    await client.finish();
  });

  it.each(AGGREGATED)('a refused route keeps its cluster for as long as it takes ($variant)', async (way) => {
    const clock = manualClock();
    await using server = await startSketchServer(BEFORE, { clock });
    const client = server.connect(way);
    await connected(client, BEFORE);
    await server.publish({ ...BEFORE, cluster: {}, endpoint: {}, route: { r: 'nowhere' } });
    await client.next('route', { ack: false });
    client.nack('route', 'bad');
    client.subscribe('secret', ['*']);
    expect(await client.next('secret')).toBe('secret');
    clock.advance(3_600_000);
    await server.publish({ ...BEFORE, cluster: {}, endpoint: {}, route: { r: 'elsewhere' } });
    expect(await client.next('route')).toBe('route +r@elsewhere');
    expect(await client.next('cluster')).toBe(way.variant === 'delta' ? 'cluster -old' : 'cluster');
    await client.finish();
  });
});

describe('rule-21-nothing-held-hostage', () => {
  it.each(AGGREGATED)('endpoints and secrets are answered without any request for clusters ($variant)', async (way) => {
    await using server = await startSketchServer({ cluster: { a: '1' }, endpoint: { a: '1' }, route: { r: '1' }, secret: { s: '1' } });
    const client = server.connect(way);
    for (const [kind, name] of [['endpoint', 'a'], ['secret', 's'], ['route', 'r']] as const) {
      client.subscribe(kind, [name]);
      expect(await client.next(kind)).toBe(`${kind} +${name}@1`);
    }
    await server.publish({ cluster: { a: '2' }, endpoint: { a: '2' }, route: { r: '2' }, secret: { s: '2' } });
    const lines = [await client.next('route'), await client.next('route'), await client.next('route')];
    expect(lines.sort()).toEqual(['endpoint +a@2', 'route +r@2', 'secret +s@2']);
    expect(await client.finish()).toEqual([]);
  });
});

describe('rule-21-a-cluster-that-warms-across-a-reconnect', () => {
  it('endpoints that the client says it has are sent all the same when it asks for them before it asks for clusters', async () => {
    await using server = await startSketchServer({ cluster: { a: '2' }, endpoint: { a: '1' } });
    const client = server.connect(ADS_DELTA);
    client.subscribe('endpoint', ['a'], { a: '1' });
    expect(await client.next('endpoint')).toBe('endpoint +a@1');
    client.subscribe('cluster', [], { a: '2' });
    expect(await client.next('cluster')).toBe('cluster');
    expect(await client.finish()).toEqual([]);
  });
});

describe('rule-22-endpoints-are-asked-for-after-the-ack-of-clusters', () => {
  it.each(AGGREGATED)('the listener waits for endpoints that are asked for only then ($variant)', async (way) => {
    const before: Sketch = { cluster: {}, endpoint: {}, listener: {} };
    await using server = await startSketchServer(before);
    const client = server.connect(way);
    client.subscribe('cluster');
    await client.next('cluster');
    client.subscribe('listener');
    await client.next('listener');
    await server.publish({ cluster: { a: '1' }, endpoint: { a: '1' }, listener: { l: '1' } });
    expect(await client.next('cluster')).toBe('cluster +a@1');
    client.subscribe('endpoint', ['a']);
    expect(await client.next('endpoint')).toBe('endpoint +a@1');
    expect(await client.next('listener')).toBe('listener +l@1');
    expect(await client.finish()).toEqual([]);
  });
});

describe('limits', () => {
  it('a reconnect with 40,000 names, 4 MiB of versions, is taken, and only what differs is sent', async () => {
    const names = many(40_000, 'a-route-with-a-name-of-some-length-');
    await using server = await startSketchServer({ route: { ...names, 'a-route-with-a-name-of-some-length-7': '2' } }, { stream: { maxHoldMs: 0 } });
    const client = server.connect(ADS_DELTA);
    const versions = Object.fromEntries(Object.keys(names).map((name) => [name, '1'.padStart(64, '0')]));
    client.subscribe('route', Object.keys(names), { ...versions, ...names, gone: '1' });
    expect(await client.next('route')).toBe('route +a-route-with-a-name-of-some-length-7@2 -gone');
    const padded = server.connect(ADS_DELTA);
    padded.raw('route', { subscribe: ['a'], initialVersions: versions }); // more than 4 MiB by its versions alone
    expect((await padded.next('route')).split(' ')).toHaveLength(5_001);
    padded.call('route').abort();
    await client.finish();
  });

  it.each(DELTA)('a response is cut at 5,000 resources ($service)', async (way) => {
    await using server = await startSketchServer({ cluster: many(12_000) });
    const client = server.connect(way);
    client.subscribe('cluster');
    for (const count of [5_000, 5_000, 2_000]) {
      await client.next('cluster');
      expect(client.last('cluster').resources).toHaveLength(count);
    }
    expect(await client.finish()).toEqual([]);
  });

  it.each(DELTA)('and by its bytes; what is too large by itself goes alone ($service)', async (way) => {
    const sizes = [400, 400, 400, 2_500, 10];
    const route = Object.fromEntries(sizes.map((size, index) => [`r${index}`, 'x'.repeat(size)]));
    await using server = await startSketchServer({ route }, { stream: { maxBytes: 1_000 } });
    const client = server.connect(way);
    client.subscribe('route', Object.keys(route));
    for (const names of [['r0', 'r1'], ['r2'], ['r3'], ['r4']]) {
      await client.next('route');
      expect(client.last('route').resources.map(({ name }) => name)).toEqual(names);
    }
    expect(await client.finish()).toEqual([]);
  });

  it('a type that nobody serves is answered as one without resources', async () => {
    await using server = await startSketchServer({});
    const client = server.connect(ADS_DELTA);
    client.raw('cluster', { typeUrl: 'type.googleapis.com/envoy.service.runtime.v3.Runtime', subscribe: ['layer'] });
    expect(await client.next('cluster')).toBe('other -layer');
    expect(RESOURCE_TYPES.cluster.url).not.toBe(client.all[0]?.typeUrl);
    expect(await client.finish()).toEqual([]);
  });
});
