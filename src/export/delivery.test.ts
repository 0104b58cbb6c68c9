import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jobsOf } from '../../test/support/export-rig.js';
import { eventually } from '../../test/support/eventually.js';
import { labelsOf } from '../../test/support/remote-write-messages.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import type { TempDir } from '../../test/support/temp-dir.js';
import { silentLogger } from '../lib/logger.js';
import { encodeSeries } from '../remotewrite/encode.js';
import { pack, unpack } from '../remotewrite/snappy.js';
import { Delivery } from './delivery.js';
import type { DeliveryEvent } from './delivery.js';
import { Spool } from './spool/spool.js';

/** One receiver's way through a spool; the receiver answers when the test says so. */

let dir: TempDir;
let spool: Spool;
let under: { readonly name: string; answer(status: number): void }[];
let events: DeliveryEvent[];
const open: Delivery[] = [];

beforeEach(async () => {
  dir = await createTempDir();
  spool = new Spool({ folder: dir.path, maxBytes: 4000, segmentBytes: 500, onDropped: (refs) => open.forEach((each) => each.dropped(refs)) });
  under = [];
  events = [];
});
afterEach(async () => {
  for (const each of open.splice(0)) each.close();
  spool.close();
  await dir[Symbol.asyncDispose]();
});

function start(maxShards = 4): Delivery {
  const [job] = jobsOf({ source: 'http://source', urls: ['http://receiver'] });
  if (job === undefined) throw new Error('no job');
  const delivery = new Delivery({
    spool,
    cursorPath: dir.join('cursor'),
    transport: async (_headers, body, signal) => {
      const unpacked = await unpack(body, 100_000);
      const [[name = ''] = []] = unpacked.ok ? labelsOf(1, unpacked.value) : [];
      const answer = Promise.withResolvers<number>();
      signal.addEventListener('abort', () => answer.reject(new Error('closed')));
      under.push({ name: name.replace('__name__=', ''), answer: answer.resolve });
      return { status: await answer.promise, headers: {}, text: '' };
    },
    version: '1',
    queue: { ...job.spec.queue, minShards: maxShards, maxShards, minBackoffMs: 1, maxBackoffMs: 1 },
    requestTimeoutMs: 60_000,
    logger: silentLogger,
    onEvent: (event) => events.push(event),
  });
  open.push(delivery);
  return delivery;
}

/** A batch of one series of this group. */
async function append(name: string, group = 0, groups = 1): Promise<void> {
  const series = { labels: [{ name: '__name__', value: name }], samples: [{ value: 1, timestampMs: 1 }], histograms: [], exemplars: [] };
  spool.append({ kind: 'data', group, groups, samples: 1, newestMs: 1, certainty: 'new' }, await pack(encodeSeries('2', [series])));
}

const sent = (): readonly string[] => under.map(({ name }) => name);
const arrived = (...names: readonly string[]): Promise<void> => eventually(() => expect(sent()).toEqual(names));

describe('batches', () => {
  it('that may share a series go one after the other, others side by side', async () => {
    start();
    await append('a', 0, 2);
    await append('b', 1, 2);
    await append('c', 2, 4);
    // of two that go at once either may come first
    await eventually(() => expect(sent().toSorted()).toEqual(['a', 'b']));
    under.find(({ name }) => name === 'a')?.answer(204);
    await eventually(() => expect(sent().toSorted()).toEqual(['a', 'b', 'c']));
  });

  it('are tried again in their place', async () => {
    const delivery = start();
    await append('a');
    await append('b');
    await arrived('a');
    under[0]?.answer(503);
    await arrived('a', 'a');
    expect(delivery.pendingSamples).toBe(2);
    under[1]?.answer(204);
    await arrived('a', 'a', 'b');
  });

  it('that a receiver refuses hold nothing up', async () => {
    const delivery = start();
    await append('a');
    await append('b');
    await arrived('a');
    under[0]?.answer(400);
    await arrived('a', 'b');
    under[1]?.answer(204);
    await delivery.drained();
    expect(events.map(({ kind }) => kind)).toEqual(['dropped', 'delivered']);
    expect(delivery.oldestMs).toBeUndefined();
  });

  it('that were not known to have arrived are sent again by the next life, from the first of them on', async () => {
    const first = start();
    await append('a', 0, 4);
    await append('b', 1, 4);
    await append('c', 2, 4);
    await arrived('a', 'b', 'c');
    under[0]?.answer(204);
    under[2]?.answer(204);
    await eventually(() => expect(events).toHaveLength(2));
    first.close();
    start();
    await arrived('a', 'b', 'c', 'b', 'c');
  });

  it('that had to make room are counted, and the others go on', async () => {
    const delivery = start(1);
    for (let index = 0; index < 100; index += 1) await append(`series_${index}`);
    await arrived('series_0');
    const lost = events.reduce((sum, event) => sum + (event.kind === 'lost' && event.reason === 'spool_full' ? event.samples : 0), 0);
    expect(lost).toBeGreaterThan(0);
    // what is under way is still there, though not on disk
    expect(lost + delivery.pendingSamples + 1).toBe(100);
    under[0]?.answer(204);
    await eventually(() => expect(sent()).toHaveLength(2));
    expect(sent()[1]).toBe(`series_${lost + 1}`);
  });
});
