import { describe, expect, it } from '@jest/globals';
import { snapshot } from '../../test/support/xds-snapshot.js';
import type { Sketch } from '../../test/support/xds-snapshot.js';
import { KINDS, RESOURCE_TYPES, resourceType } from './resource-types.js';
import type { Kind } from './resource-types.js';
import { changesBetween } from './snapshot.js';
import type { Snapshot } from './snapshot.js';
import { DiscoveryStream } from './stream.js';
import type { DiscoveryRequest, DiscoveryResponse, RequestOutcome, Variant } from './stream.js';
import type { DeltaChange } from './subscription.js';

const MAX_HOLD_MS = 5_000;

/** A client that is played by hand: what it is sent is kept until it answers. */
class Play {
  readonly #stream: DiscoveryStream;
  readonly #variant: Variant;
  #snapshot: Snapshot | undefined;
  readonly open = new Map<Kind, DiscoveryResponse>();
  nowMs = 0;

  constructor(variant: Variant, sketch?: Sketch) {
    this.#variant = variant;
    this.#snapshot = sketch === undefined ? undefined : snapshot(sketch);
    this.#stream = new DiscoveryStream({ variant, aggregated: true, maxHoldMs: MAX_HOLD_MS, maxResources: 3, maxBytes: 1_000_000 }, this.#snapshot);
  }

  get stream(): DiscoveryStream {
    return this.#stream;
  }

  request(kind: Kind, change: Partial<DeltaChange> & { readonly names?: readonly string[] } = {}, parts: Partial<DiscoveryRequest> = {}): RequestOutcome {
    const { names = [], ...delta } = change;
    return this.#stream.request(
      {
        typeUrl: RESOURCE_TYPES[kind].url,
        nonce: '',
        error: undefined,
        change:
          this.#variant === 'delta' ? { variant: 'delta', subscribe: [], unsubscribe: [], initialVersions: {}, ...delta } : { variant: 'sotw', names },
        ...parts,
      },
      this.nowMs,
    );
  }

  publish(sketch: Sketch): void {
    const next = snapshot(sketch);
    const changes = changesBetween(this.#snapshot, next);
    this.#snapshot = next;
    this.#stream.publish(next, changes);
  }

  /** What is due now, as lines: `cluster +a@1 -b`. */
  sent(): string[] {
    return this.#stream.responses(this.nowMs).map((response) => {
      const kind = resourceType(response.typeUrl)?.kind;
      if (kind === undefined) return `other -${response.removed.join(' -')}`;
      this.open.set(kind, response);
      const words = [...response.resources.map(({ name, version }) => `+${name}@${version}`), ...response.removed.map((name) => `-${name}`)];
      return [kind, ...words.sort()].join(' ');
    });
  }

  ack(kind: Kind, change: Partial<DeltaChange> & { readonly names?: readonly string[] } = {}): RequestOutcome {
    const response = this.open.get(kind);
    if (response === undefined) throw new Error(`nothing to acknowledge of ${kind}`);
    return this.request(kind, change, { nonce: response.nonce });
  }

  nack(kind: Kind, message: string, names: readonly string[] = []): RequestOutcome {
    const response = this.open.get(kind);
    if (response === undefined) throw new Error(`nothing to refuse of ${kind}`);
    return this.request(kind, { names }, { nonce: response.nonce, error: { code: 13, message } });
  }

  /** Acknowledges whatever is sent until nothing more comes; says what came. */
  settle(): string[] {
    const all: string[] = [];
    for (let lines = this.sent(); lines.length > 0; lines = this.sent()) {
      all.push(...lines);
      for (const kind of KINDS) {
        if (this.open.has(kind)) this.ack(kind);
        this.open.delete(kind);
      }
    }
    return all;
  }
}

/** An Envoy that has everything: clusters and listeners by wildcard, the rest by name. */
function connectedEnvoy(sketch: Sketch): Play {
  const play = new Play('delta', sketch);
  play.request('cluster');
  play.request('endpoint', { subscribe: Object.keys(sketch.endpoint ?? {}) });
  play.request('listener');
  play.request('route', { subscribe: Object.keys(sketch.route ?? {}) });
  play.settle();
  return play;
}

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
