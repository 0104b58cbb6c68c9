import { describe, expect, it } from '@jest/globals';
import { RESOURCE_TYPES } from '../../../src/xds/resource-types.js';
import type { Kind } from '../../../src/xds/resource-types.js';
import { WAYS } from '../../support/xds-client.js';
import { startSketchServer } from '../../support/xds-server.js';
import type { Sketch } from '../../support/xds-snapshot.js';

/**
 * The protocol's rules 1 to 12 (docs/xds.md has the list), by a raw gRPC client against the server on its socket: what a
 * client asks for, and what it is told. Each in all ways to speak xDS where the rule holds for them. `finish` at the end of
 * each proves that nothing came which was not expected.
 */
const DELTA = WAYS.filter(({ variant }) => variant === 'delta');
const SOTW = WAYS.filter(({ variant }) => variant === 'sotw');
/** Types that are asked for by name, and those of which an answer is the whole state. */
const NAMED: readonly Kind[] = ['endpoint', 'route', 'secret'];
const FULL: readonly Kind[] = ['cluster', 'listener'];

function of(kind: Kind, resources: Readonly<Record<string, string>>): Sketch {
  return { [kind]: resources };
}

describe('rule-01-stale-nonce', () => {
  it.each(DELTA)('a change of subscription counts whatever the nonce is ($variant, $service)', async (way) => {
    await using server = await startSketchServer({ route: { a: '1', b: '1', c: '1' } });
    const client = server.connect(way);
    client.subscribe('route', ['a']);
    expect(await client.next('route', { ack: false })).toBe('route +a@1');
    client.raw('route', { nonce: 'stale', subscribe: ['b'] });
    client.ack('route', { subscribe: ['c'] }); // an ACK and a change in one
    expect(await client.next('route')).toBe('route +b@1 +c@1');
    client.raw('route', { unsubscribe: ['a'] }); // spontaneous: no nonce
    await server.publish({ route: { a: '2', b: '2', c: '1' } });
    expect(await client.next('route', { ack: false })).toBe('route +b@2');
    client.nack('route', 'bad', { subscribe: ['a'] }); // a NACK and a change in one
    expect(await client.next('route')).toBe('route +a@2');
    expect(await client.finish()).toEqual([]);
  });

  it.each(SOTW)('state of the world drops a request whose nonce is stale ($variant, $service)', async (way) => {
    await using server = await startSketchServer({ route: { a: '1', b: '1' } });
    const client = server.connect(way);
    client.subscribe('route', ['a']);
    await client.next('route');
    client.raw('route', { nonce: '0', names: ['a', 'b'] });
    expect(await client.finish()).toEqual([]);
  });
});

describe('rule-02-resubscribe', () => {
  it.each(DELTA)('a name is answered each time it is subscribed, though the client is current ($variant, $service)', async (way) => {
    await using server = await startSketchServer({ route: { a: '1' }, cluster: { a: '1' } });
    const client = server.connect(way);
    for (const _ of [1, 2, 3]) {
      client.subscribe('route', ['a']);
      expect(await client.next('route')).toBe('route +a@1');
    }
    client.subscribe('cluster'); // known by the wildcard is known as well
    expect(await client.next('cluster')).toBe('cluster +a@1');
    client.subscribe('cluster', ['a']);
    expect(await client.next('cluster')).toBe('cluster +a@1');
    expect(await client.finish()).toEqual([]);
  });

  it.each(WAYS)('a name that was dropped and is asked for again is answered ($variant, $service)', async (way) => {
    await using server = await startSketchServer({ route: { a: '1', b: '1' } });
    const client = server.connect(way);
    client.subscribe('route', ['a', 'b']);
    expect(await client.next('route')).toBe('route +a@1 +b@1');
    client.unsubscribe('route', ['b']);
    client.subscribe('route', ['b']);
    expect(await client.next('route')).toBe('route +b@1');
    expect(await client.finish()).toEqual([]);
  });
});

describe('rule-03-initial-versions', () => {
  it.each(DELTA)('versions that match are left out of the first answer, and of the first only ($variant, $service)', async (way) => {
    await using server = await startSketchServer({ route: { a: '1', b: '1', c: '1' } });
    const client = server.connect(way);
    client.subscribe('route', ['a', 'b'], { a: '1', b: '0' });
    expect(await client.next('route')).toBe('route +b@1');
    client.subscribe('route', ['c'], { c: '1' });
    expect(await client.next('route')).toBe('route +c@1');
    expect(await client.finish()).toEqual([]);
  });
});

describe('rule-04-vanished', () => {
  it.each(DELTA)('what vanished while the client was away is removed ($variant, $service)', async (way) => {
    // Rule 20 on a stream of all types: its routes might be asked for yet, so clusters and endpoints wait a bounded time.
    await using server = await startSketchServer({ cluster: { a: '1' }, endpoint: { a: '1' }, route: { a: '1' } }, { stream: { maxHoldMs: 20 } });
    for (const kind of ['cluster', 'endpoint', 'route'] as const) {
      const client = server.connect(way);
      client.subscribe(kind, kind === 'cluster' ? [] : ['a', 'gone'], { a: '1', gone: '1' });
      // Rule 21: on a stream of all types, endpoints before clusters mean that a cluster warms.
      if (kind === 'endpoint' && way.service === 'aggregated') {
        expect(await client.next(kind)).toBe('endpoint +a@1 -gone');
        expect(await client.finish()).toEqual([]);
        continue;
      }
      const line = await client.next(kind);
      expect(line === kind ? await client.next(kind) : line).toBe(`${kind} -gone`);
      expect(await client.finish()).toEqual([]);
    }
  });

  it.each(DELTA)('also when the server itself has nothing yet: it waits for its state first ($variant, $service)', async (way) => {
    await using server = await startSketchServer(undefined);
    const client = server.connect(way);
    client.subscribe('route', ['a', 'gone'], { a: '1', gone: '1' });
    client.subscribe('secret', ['s']);
    await server.publish({ route: { a: '1' }, secret: { s: '1' } });
    expect(await client.next('route')).toBe('route -gone');
    expect(await client.next('secret')).toBe('secret +s@1');
    expect(await client.finish()).toEqual([]);
  });
});

describe('rule-05-absent-name', () => {
  for (const kind of NAMED) {
    it.each(WAYS)(`${kind}: is told that it does not exist, and gets it when it appears ($variant, $service)`, async (way) => {
      await using server = await startSketchServer(of(kind, { a: '1' }));
      const client = server.connect(way);
      client.subscribe(kind, ['a', 'no']);
      // State of the world has no way to say it.
      expect(await client.next(kind)).toBe(way.variant === 'delta' ? `${kind} +a@1 -no` : `${kind} +a@1`);
      await server.publish(of(kind, { a: '1', no: '1' }));
      expect(await client.next(kind)).toBe(`${kind} +no@1`);
      expect(await client.finish()).toEqual([]);
    });
  }

  for (const kind of FULL) {
    it.each(WAYS)(`${kind}: the same, where an answer of state of the world tells all ($variant, $service)`, async (way) => {
      await using server = await startSketchServer(of(kind, { a: '1' }));
      const client = server.connect(way);
      client.subscribe(kind, ['a', 'no']);
      expect(await client.next(kind)).toBe(way.variant === 'delta' ? `${kind} +a@1 -no` : `${kind} +a@1`);
      await server.publish(of(kind, { a: '1', no: '1' }));
      expect(await client.next(kind)).toBe(way.variant === 'delta' ? `${kind} +no@1` : `${kind} +a@1 +no@1`);
      expect(await client.finish()).toEqual([]);
    });
  }
});

describe('rule-06-wildcard', () => {
  for (const kind of FULL) {
    it.each(WAYS)(`${kind}: a first request without names is the legacy wildcard ($variant, $service)`, async (way) => {
      await using server = await startSketchServer(of(kind, { a: '1', b: '1' }));
      const client = server.connect(way);
      client.subscribe(kind);
      expect(await client.next(kind)).toBe(`${kind} +a@1 +b@1`);
      await server.publish(of(kind, { a: '1', b: '1', c: '1' }));
      expect(await client.next(kind)).toBe(way.variant === 'delta' ? `${kind} +c@1` : `${kind} +a@1 +b@1 +c@1`);
      expect(await client.finish()).toEqual([]);
    });

    it.each(WAYS)(`${kind}: naming anything first means that an empty list later is nothing ($variant, $service)`, async (way) => {
      await using server = await startSketchServer(of(kind, { a: '1', b: '1' }));
      const client = server.connect(way);
      client.subscribe(kind, ['a']);
      expect(await client.next(kind)).toBe(`${kind} +a@1`);
      client.unsubscribe(kind, ['a']);
      client.raw(kind, { nonce: client.last(kind).nonce });
      expect(await client.finish()).toEqual([]);
    });
  }

  for (const kind of [...NAMED, ...FULL]) {
    it.each(WAYS)(`${kind}: the explicit wildcard, alone and mixed with names ($variant, $service)`, async (way) => {
      await using server = await startSketchServer(of(kind, { a: '1', b: '1' }));
      const client = server.connect(way);
      client.subscribe(kind, ['*']);
      expect(await client.next(kind)).toBe(`${kind} +a@1 +b@1`);
      client.subscribe(kind, ['a']);
      if (way.variant === 'delta') expect(await client.next(kind)).toBe(`${kind} +a@1`); // rule 2
      else expect(await client.next(kind)).toBe(FULL.includes(kind) ? `${kind} +a@1 +b@1` : `${kind} +a@1`);
      client.unsubscribe(kind, ['*']);
      await server.publish(of(kind, { a: '2', b: '2' }));
      expect(await client.next(kind)).toBe(`${kind} +a@2`);
      expect(await client.finish()).toEqual([]);
    });
  }

  it.each(DELTA)('the legacy wildcard stays when a name is added, until * is unsubscribed ($variant, $service)', async (way) => {
    await using server = await startSketchServer({ cluster: { a: '1', b: '1' } });
    const client = server.connect(way);
    client.subscribe('cluster');
    await client.next('cluster');
    client.subscribe('cluster', ['a']);
    expect(await client.next('cluster')).toBe('cluster +a@1');
    await server.publish({ cluster: { a: '1', b: '2' } });
    expect(await client.next('cluster')).toBe('cluster +b@2');
    client.raw('cluster', { unsubscribe: ['*'] });
    await server.publish({ cluster: { a: '3', b: '3' } });
    expect(await client.next('cluster')).toBe('cluster +a@3');
    expect(await client.finish()).toEqual([]);
  });
});

describe('rule-07-unsubscribe-under-wildcard', () => {
  it.each(DELTA)('the name is sent again, or listed as removed if it is gone ($variant, $service)', async (way) => {
    await using server = await startSketchServer({ cluster: { a: '1', b: '1' } });
    const client = server.connect(way);
    client.subscribe('cluster', ['*', 'a', 'no']);
    expect(await client.next('cluster')).toBe('cluster +a@1 +b@1 -no');
    client.unsubscribe('cluster', ['a']);
    expect(await client.next('cluster')).toBe('cluster +a@1');
    client.unsubscribe('cluster', ['no']);
    expect(await client.next('cluster')).toBe('cluster -no');
    expect(await client.finish()).toEqual([]);
  });
});

describe('rule-08-first-wildcard-is-answered', () => {
  for (const kind of FULL) {
    it.each(WAYS)(`${kind}: even with nothing ($variant, $service)`, async (way) => {
      await using server = await startSketchServer({});
      const client = server.connect(way);
      client.subscribe(kind);
      expect(await client.next(kind)).toBe(kind);
      expect(await client.finish()).toEqual([]);
    });
  }

  it.each(DELTA)('even if the client has everything ($variant, $service)', async (way) => {
    await using server = await startSketchServer({ cluster: { a: '1' } });
    const client = server.connect(way);
    client.subscribe('cluster', [], { a: '1' });
    expect(await client.next('cluster')).toBe('cluster');
    expect(await client.finish()).toEqual([]);
  });
});

describe('rule-09-no-name-twice', () => {
  it.each(WAYS)('a name stands once in a response, and each resource has the type URL of the message ($variant, $service)', async (way) => {
    await using server = await startSketchServer({ cluster: { a: '1', b: '1', c: '1' } });
    const client = server.connect(way);
    client.subscribe('cluster', ['*', 'a', 'a', 'no', 'no']);
    await client.next('cluster', { ack: false });
    client.raw('cluster', { subscribe: ['a', 'b', 'b'], unsubscribe: ['b', 'b'], names: ['*', 'a', 'b', 'b'], nonce: client.last('cluster').nonce });
    await server.publish({ cluster: { a: '2', b: '2' } });
    await client.next('cluster');
    expect(client.all).toHaveLength(2);
    for (const { resources, removed, typeUrl } of client.all) {
      const names = [...resources.map(({ name }) => name), ...removed];
      expect(names).toEqual([...new Set(names)]);
      expect(resources.map((resource) => resource.typeUrl)).toEqual(resources.map(() => typeUrl));
    }
    await client.finish();
  });
});

describe('rule-10-node-once', () => {
  it.each(WAYS)('the node of the first request holds for the stream ($variant, $service)', async (way) => {
    await using server = await startSketchServer({ route: { a: '1' } });
    const client = server.connect(way, 'edge-7');
    client.subscribe('route', ['a']);
    await client.next('route'); // the ACK names no node
    client.raw('route', { node: 'somebody else', subscribe: ['b'], names: ['a', 'b'], nonce: client.last('route').nonce });
    await server.publish({ route: { a: '1', b: '1' } });
    while ((await client.next('route')) !== 'route +b@1');
    expect(server.status().map(({ node }) => node.id)).toEqual(['edge-7']);
    await client.finish();
  });
});

describe('rule-11-legacy-wildcard-off', () => {
  for (const kind of NAMED) {
    it.each(WAYS)(`${kind}: an empty list is just an empty list ($variant, $service)`, async (way) => {
      await using server = await startSketchServer(of(kind, { a: '1' }));
      const client = server.connect(way);
      client.subscribe(kind);
      client.subscribe(kind, ['a']);
      expect(await client.next(kind)).toBe(`${kind} +a@1`);
      expect(await client.finish()).toEqual([]);
    });
  }
});

describe('rule-12-full-state', () => {
  const ways = SOTW;
  it.each(ways)('LDS and CDS answers hold everything, and absence deletes ($variant, $service)', async (way) => {
    for (const kind of FULL) {
      await using server = await startSketchServer(of(kind, { a: '1', b: '1' }));
      const client = server.connect(way);
      client.subscribe(kind);
      await client.next(kind);
      await server.publish(of(kind, { a: '2', b: '1' }));
      expect(await client.next(kind)).toBe(`${kind} +a@2 +b@1`);
      await server.publish(of(kind, { b: '1' }));
      expect(await client.next(kind)).toBe(`${kind} +b@1`);
      expect(await client.finish()).toEqual([]);
    }
  });

  it.each(ways)('RDS, EDS and SDS answers hold what changed, and absence means nothing ($variant, $service)', async (way) => {
    for (const kind of NAMED) {
      await using server = await startSketchServer(of(kind, { a: '1', b: '1' }));
      const client = server.connect(way);
      client.subscribe(kind, ['a', 'b']);
      await client.next(kind);
      await server.publish(of(kind, { a: '2', b: '1' }));
      expect(await client.next(kind)).toBe(`${kind} +a@2`);
      await server.publish(of(kind, { b: '1' }));
      expect(await client.finish()).toEqual([]);
    }
  });
});

describe('services of one type', () => {
  it.each(WAYS.filter(({ service }) => service === 'own'))('need not be told the type, and refuse another ($variant)', async (way) => {
    await using server = await startSketchServer({ route: { a: '1' } });
    const client = server.connect(way);
    client.raw('route', { typeUrl: '', subscribe: ['a'], names: ['a'] });
    expect(await client.next('route')).toBe('route +a@1');
    client.raw('route', { typeUrl: RESOURCE_TYPES.cluster.url });
    await expect(client.next('route')).rejects.toThrow(/this service serves .*RouteConfiguration/);
  });
});
