import { describe, expect, it } from '@jest/globals';
import { Play } from '../../test/support/xds-play.js';
import { RESOURCE_TYPES } from './resource-types.js';
import type { RequestOutcome, Variant } from './stream.js';

describe('nonces and acknowledgements', () => {
  it('rule 01: delta takes a change of subscription whatever the nonce is, with or without an ACK', () => {
    const play = new Play('delta', { endpoint: { a: '1', b: '1', c: '1' } });
    play.request('endpoint', { subscribe: ['a'] });
    expect(play.sent()).toEqual(['endpoint +a@1']);
    expect(play.request('endpoint', { subscribe: ['b'] }, { nonce: 'stale' })).toEqual({ kind: 'subscribe' });
    expect(play.ack('endpoint', { subscribe: ['c'] })).toEqual({ kind: 'ack' });
    expect(play.sent()).toEqual(['endpoint +b@1 +c@1']);
  });

  it('rule 01: state of the world drops a request with a stale nonce', () => {
    const play = new Play('sotw', { endpoint: { a: '1', b: '1' } });
    play.request('endpoint', { names: ['a'] });
    expect(play.sent()).toEqual(['endpoint +a@1']);
    expect(play.request('endpoint', { names: ['a', 'b'] }, { nonce: '0' })).toEqual({ kind: 'stale' });
    play.ack('endpoint', { names: ['a'] });
    expect(play.sent()).toEqual([]);
  });

  it('rule 13: only error_detail makes a NACK; its words are kept, and the last good version', () => {
    const play = new Play('delta', { route: { r: '1' } });
    play.request('route', { subscribe: ['r'] });
    play.settle();
    play.publish({ route: { r: '2' } });
    play.sent();
    expect(play.nack('route', 'no such filter')).toEqual({ kind: 'nack', detail: { code: 13, message: 'no such filter' }, names: ['r'] });
    expect(play.stream.status()).toEqual([
      {
        typeUrl: RESOURCE_TYPES.route.url,
        wanted: 'r@2',
        sent: 'r@2',
        acked: 'r@1',
        ackedAtMs: 0,
        unansweredSinceMs: undefined,
        current: false,
        wildcard: false,
        names: 1,
        rejected: [{ name: 'r', lastGood: '1', named: true, rejection: { version: 'r@2', atMs: 0, code: 13, message: 'no such filter' } }],
      },
    ]);
  });

  it('rule 14: every resource of a refused response counts as refused until a later one is taken', () => {
    const play = new Play('delta', { cluster: { a: '1', b: '1' } });
    play.request('cluster');
    play.sent();
    play.nack('cluster', 'b is bad');
    expect(play.stream.status()[0]?.rejected.map(({ name, named }) => [name, named])).toEqual([['a', false], ['b', true]]);
    play.publish({ cluster: { a: '1', b: '2' } });
    expect(play.settle()).toEqual(['cluster +b@2']);
    expect(play.stream.status()[0]?.rejected.map(({ name }) => name)).toEqual(['a']);
  });

  it.each<Variant>(['delta', 'sotw'])('rule 15: what was refused is not sent again until it changes (%s)', (variant) => {
    const play = new Play(variant, { route: { r: '1' } });
    play.request('route', { subscribe: ['r'], names: ['r'] });
    play.sent();
    play.nack('route', 'bad', ['r']);
    expect(play.sent()).toEqual([]);
    play.publish({ route: { r: '1', other: '1' } });
    expect(play.sent()).toEqual([]);
    play.publish({ route: { r: '2' } });
    expect(play.sent()).toEqual(['route +r@2']);
  });

  it('rule 16: at most one response of a type is unanswered; changes meanwhile coalesce', () => {
    const play = new Play('delta', { endpoint: { a: '1' }, secret: { s: '1' } });
    play.request('endpoint', { subscribe: ['a'] });
    play.sent();
    for (const version of ['2', '3', '4']) {
      play.publish({ endpoint: { a: version }, secret: { s: '1' } });
      expect(play.sent()).toEqual([]);
    }
    play.request('secret', { subscribe: ['s'] });
    expect(play.sent()).toEqual(['secret +s@1']);
    play.ack('endpoint');
    expect(play.sent()).toEqual(['endpoint +a@4']);
  });

  it('rule 17: nonces count per stream, over all types', () => {
    const play = new Play('delta', { cluster: { a: '1' }, secret: { s: '1' } });
    play.request('cluster');
    play.request('secret', { subscribe: ['s'] });
    play.sent();
    expect([play.open.get('cluster')?.nonce, play.open.get('secret')?.nonce]).toEqual(['1', '2']);
  });

  it('goes on with the rest of a cut response after the ACK', () => {
    const play = new Play('delta', { cluster: { a: '1', b: '1', c: '1', d: '1' } });
    play.request('cluster');
    expect(play.settle()).toEqual(['cluster +a@1 +b@1 +c@1', 'cluster +d@1']);
  });

  it('a client that comes before the first snapshot waits for it', () => {
    const play = new Play('delta');
    play.request('cluster', { initialVersions: { gone: '1', a: '1' } });
    expect(play.sent()).toEqual([]);
    play.publish({ cluster: { a: '1', b: '1' } });
    expect(play.sent()).toEqual(['cluster +b@1']);
    play.ack('cluster');
    play.request('route', { subscribe: ['r'] });
    play.request('listener');
    expect(play.settle()).toEqual(['listener', 'route -r', 'cluster -gone']);
  });

  it('a type that is not served is answered as one without resources', () => {
    const play = new Play('delta', {});
    play.request('cluster', { subscribe: ['x'] }, { typeUrl: 'type.googleapis.com/envoy.service.runtime.v3.Runtime' });
    expect(play.sent()).toEqual(['other -x']);
  });

  it('refuses absurdly many types', () => {
    const play = new Play('delta', {});
    const ask = (n: number): RequestOutcome => play.request('cluster', {}, { typeUrl: `type ${n}` });
    for (let n = 0; n < 64; n += 1) ask(n);
    expect(() => ask(64)).toThrow(RangeError);
  });
});
