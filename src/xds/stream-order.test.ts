import { describe, expect, it } from '@jest/globals';
import { connectedEnvoy, MAX_HOLD_MS, Play } from '../../test/support/xds-play.js';
import { snapshot } from '../../test/support/xds-snapshot.js';
import type { Sketch } from '../../test/support/xds-snapshot.js';
import { RESOURCE_TYPES } from './resource-types.js';
import type { Variant } from './stream.js';

describe('order', () => {
  const EVERYTHING: Sketch = { cluster: { a: '1' }, listener: { l: '1' }, route: { r: '1' }, secret: { s: '1' } };

  it('rule 19: one update goes out in the order of the types, whatever the order of the requests', () => {
    const play = new Play('delta', EVERYTHING);
    play.request('secret', { subscribe: ['s'] });
    play.request('route', { subscribe: ['r'] });
    play.request('listener');
    play.request('cluster');
    expect(play.settle()).toEqual(['cluster +a@1', 'secret +s@1', 'listener +l@1', 'route +r@1']);
  });

  it('rule 21: nothing waits for a type that was not asked for', () => {
    const play = new Play('delta', EVERYTHING);
    play.request('route', { subscribe: ['r'] });
    play.request('secret', { subscribe: ['s'] });
    expect(play.sent()).toEqual(['route +r@1', 'secret +s@1']);
  });

  it('rule 18: endpoints are sent again after their cluster changed, though their bytes are the same', () => {
    const play = connectedEnvoy({ cluster: { a: '1', b: '1' }, endpoint: { a: '1', b: '1' } });
    play.publish({ cluster: { a: '2', b: '1' }, endpoint: { a: '1', b: '1' } });
    expect(play.settle()).toEqual(['cluster +a@2', 'endpoint +a@1']);
  });

  it('rule 18: also when the old endpoints were just being acknowledged', () => {
    const play = connectedEnvoy({ cluster: { a: '1' }, endpoint: { a: '1' } });
    play.publish({ cluster: { a: '1' }, endpoint: { a: '2' } });
    expect(play.sent()).toEqual(['endpoint +a@2']);
    play.publish({ cluster: { a: '2' }, endpoint: { a: '2' } });
    expect(play.sent()).toEqual(['cluster +a@2']);
    play.ack('endpoint');
    expect(play.sent()).toEqual(['endpoint +a@2']);
  });

  it('rule 18: also across a reconnect, when the endpoints are asked for after the cluster was sent', () => {
    const play = new Play('delta', { cluster: { a: '2' }, endpoint: { a: '1' } });
    play.request('cluster', { initialVersions: { a: '1' } });
    expect(play.sent()).toEqual(['cluster +a@2']);
    play.request('endpoint', { subscribe: ['a'], initialVersions: { a: '1' } });
    expect(play.sent()).toEqual(['endpoint +a@1']);
  });
});

describe('rule 21, a client that comes back with a cluster that warms', () => {
  it('is sent the endpoints that it says it has, if it asks for them before it asks for clusters', () => {
    const play = new Play('delta', { cluster: { a: '2', b: '1' }, endpoint: { a: '1', b: '1' } });
    play.request('endpoint', { subscribe: ['a', 'b'], initialVersions: { a: '1', b: '1' } });
    expect(play.settle()).toEqual(['endpoint +a@1 +b@1']);
    play.request('cluster', { initialVersions: { a: '2', b: '1' } });
    expect(play.settle()).toEqual(['cluster']);
  });

  it('is not if nothing warms: then it asks for clusters first', () => {
    const play = new Play('delta', { cluster: { a: '2', b: '1' }, endpoint: { a: '1', b: '1' } });
    play.request('cluster', { initialVersions: { a: '2', b: '1' } });
    play.request('endpoint', { subscribe: ['a', 'b'], initialVersions: { a: '1', b: '1' } });
    expect(play.settle()).toEqual(['cluster']);
  });
});

describe('rule 20, make before break', () => {
  const BEFORE: Sketch = { cluster: { old: '1' }, endpoint: { old: '1' }, listener: { l: '1' }, route: { r: 'to-old' } };
  const AFTER: Sketch = { cluster: { new: '1' }, endpoint: { new: '1' }, listener: { l: '1' }, route: { r: 'to-new' } };

  it('a new cluster and its endpoints arrive before the route to it; the old cluster leaves after the ACK of the route', () => {
    const play = connectedEnvoy(BEFORE);
    play.publish(AFTER);
    expect(play.sent()).toEqual(['cluster +new@1']);
    play.ack('cluster');
    expect(play.sent()).toEqual([]); // the endpoints are not asked for yet (rule 22)
    play.request('endpoint', { subscribe: ['new'] });
    expect(play.sent()).toEqual(['endpoint +new@1']);
    play.ack('endpoint');
    expect(play.sent()).toEqual(['route +r@to-new']);
    play.ack('route');
    expect(play.sent()).toEqual(['cluster -old', 'endpoint -old']);
    expect(play.stream.status().every(({ current }) => current)).toBe(false);
    play.ack('cluster');
    play.ack('endpoint', { unsubscribe: ['old'] });
    expect(play.sent()).toEqual([]);
    expect(play.stream.hasAll(snapshot(AFTER))).toBe(true);
  });

  it('the route goes ahead when the endpoints were not taken in the bounded time', () => {
    const play = connectedEnvoy(BEFORE);
    play.publish(AFTER);
    play.sent();
    play.ack('cluster');
    play.sent();
    expect(play.stream.wakeAtMs).toBe(MAX_HOLD_MS);
    play.nowMs = MAX_HOLD_MS - 1;
    expect(play.sent()).toEqual([]);
    play.nowMs = MAX_HOLD_MS;
    expect(play.sent()).toEqual(['route +r@to-new']);
  });

  it('the old cluster leaves when the route was not answered in the bounded time', () => {
    const play = connectedEnvoy(BEFORE);
    play.publish({ ...BEFORE, cluster: {}, endpoint: {}, route: { r: 'nowhere' } });
    expect(play.sent()).toEqual(['route +r@nowhere']);
    expect(play.sent()).toEqual([]);
    play.nowMs = play.stream.wakeAtMs ?? -1;
    expect(play.nowMs).toBe(MAX_HOLD_MS);
    expect(play.sent()).toEqual(['cluster -old', 'endpoint -old']);
    expect(play.stream.wakeAtMs).toBeUndefined();
  });

  it('a refused route keeps its cluster for as long as it takes', () => {
    const play = connectedEnvoy(BEFORE);
    play.publish({ ...BEFORE, cluster: {}, endpoint: {}, route: { r: 'nowhere' } });
    play.sent();
    play.nack('route', 'bad');
    play.nowMs = 100 * MAX_HOLD_MS;
    expect(play.sent()).toEqual([]);
    play.publish({ ...BEFORE, cluster: {}, endpoint: {}, route: { r: 'elsewhere' } });
    expect(play.settle()).toEqual(['route +r@elsewhere', 'cluster -old', 'endpoint -old']);
  });

  it.each<Variant>(['delta', 'sotw'])('a refused route that nobody asks for any more holds up nothing (%s)', (variant) => {
    const play = new Play(variant, { cluster: { old: '1' }, route: { r: 'to-old', other: 'to-old' } });
    play.request('cluster');
    play.sent();
    play.ack('cluster');
    play.request('route', { subscribe: ['r', 'other'], names: ['r', 'other'] });
    play.sent();
    play.ack('route', { names: ['r', 'other'] });
    play.publish({ cluster: { old: '1' }, route: { r: 'bad', other: 'to-old' } });
    play.sent();
    play.nack('route', 'bad', ['r', 'other']);
    play.publish({ route: { other: 'to-old' } });
    play.request('route', { unsubscribe: ['r'], names: ['other'] }, { nonce: play.open.get('route')?.nonce ?? '' });
    expect(play.sent()).toEqual([variant === 'delta' ? 'cluster -old' : 'cluster']);
    expect(play.stream.status().find(({ typeUrl }) => typeUrl === RESOURCE_TYPES.route.url)?.current).toBe(true);
  });

  it('without routes and listeners that change, removals go out at once', () => {
    const play = connectedEnvoy(BEFORE);
    play.publish({ ...BEFORE, cluster: {}, endpoint: {} });
    expect(play.sent()).toEqual(['cluster -old', 'endpoint -old']);
  });

  it('a client that returns still has routes to a cluster that is gone: it stays until they were asked for and replaced', () => {
    const play = new Play('delta', AFTER);
    play.request('cluster', { initialVersions: { old: '1', new: '1' } });
    expect(play.sent()).toEqual(['cluster']); // rule 8
    play.ack('cluster');
    expect(play.sent()).toEqual([]);
    play.request('listener', { initialVersions: { l: '1' } });
    play.request('route', { subscribe: ['r'], initialVersions: { r: 'to-old' } });
    expect(play.settle()).toEqual(['listener', 'route +r@to-new', 'cluster -old']);
  });

  it('and leaves in the bounded time when nobody asks', () => {
    const play = new Play('delta', AFTER);
    play.request('cluster', { initialVersions: { old: '1', new: '1' } });
    play.settle();
    play.nowMs = play.stream.wakeAtMs ?? -1;
    expect(play.nowMs).toBe(MAX_HOLD_MS);
    expect(play.sent()).toEqual(['cluster -old']);
  });

  it('a reconnect with an empty answer under way holds up nothing', () => {
    const play = new Play('delta', AFTER);
    play.request('cluster', { initialVersions: { new: '1' } });
    play.request('listener', { initialVersions: { l: '1' } });
    expect(play.sent()).toEqual(['cluster', 'listener']);
  });

  it('state of the world: the old cluster stays in the full set until the route is acknowledged', () => {
    const play = new Play('sotw', BEFORE);
    play.request('cluster');
    play.request('endpoint', { names: ['old'] });
    expect(play.sent()).toEqual(['cluster +old@1', 'endpoint +old@1']);
    play.ack('cluster');
    play.ack('endpoint', { names: ['old'] });
    play.request('route', { names: ['r'] });
    expect(play.sent()).toEqual(['route +r@to-old']);
    play.ack('route', { names: ['r'] });
    play.publish(AFTER);
    expect(play.sent()).toEqual(['cluster +new@1 +old@1']);
    play.ack('cluster');
    play.ack('endpoint', { names: ['old', 'new'] });
    expect(play.sent()).toEqual(['endpoint +new@1']);
    play.ack('endpoint', { names: ['old', 'new'] });
    expect(play.sent()).toEqual(['route +r@to-new']);
    play.ack('route', { names: ['r'] });
    expect(play.sent()).toEqual(['cluster +new@1']);
  });
});
