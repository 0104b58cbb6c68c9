import { describe, expect, it } from '@jest/globals';
import { labelsOf, requestJson } from '../../test/support/remote-write-messages.js';
import { silentLogger } from '../lib/logger.js';
import type { Exemplar, Histogram } from '../remotewrite/series.js';
import { Batch } from './batch.js';
import { staleHistogram } from './chunk/histogram-chunk.js';
import { FloatPoints, STALE_HIGH, STALE_LOW } from './chunk/float-chunk.js';
import { divided } from './doubtful.js';
import { replay, toVersion1 } from './kept-request.js';
import { MetadataTable } from './metadata.js';
import { Positions } from './positions.js';
import { RequestWriter } from './request.js';
import { unpack } from '../remotewrite/snappy.js';

const EXEMPLAR: Exemplar = { labels: [{ name: 'trace_id', value: 'abc' }, { name: 'job', value: 'app' }], value: 7, timestampMs: 9 };
const METADATA = { up: [{ type: 'gauge', help: 'Is it?', unit: '' }], load: [{ type: 'counter', help: 'Much.', unit: 'seconds' }] };

interface Fixture {
  readonly positions: Positions;
  readonly metadata: MetadataTable;
  readonly batch: Batch;
  write(): Buffer;
}

async function fixture(): Promise<Fixture> {
  const positions = new Positions();
  const metadata = new MetadataTable({ json: () => Promise.resolve(METADATA) }, silentLogger);
  await metadata.refresh(0, AbortSignal.timeout(10_000));
  const batch = new Batch(0, 1, positions);
  const writer = new RequestWriter(positions, metadata);
  return { positions, metadata, batch, write: () => writer.write(batch.content) };
}

/** Samples, `[ms, value]`; a value that is undefined ends the series. */
function floats(...samples: readonly (readonly [number, number | undefined])[]): FloatPoints {
  const points = new FloatPoints();
  const view = new DataView(new ArrayBuffer(8));
  for (const [timestampMs, value] of samples) {
    view.setFloat64(0, value ?? 0);
    points.add(timestampMs, value === undefined ? STALE_HIGH : view.getInt32(0), value === undefined ? STALE_LOW : view.getInt32(4));
  }
  return points;
}

const histogram: Histogram = { ...staleHistogram('int', 5), sum: 1.5, count: 3, positiveSpans: [{ offset: 0, length: 1 }], positiveBuckets: [3] };
const labelled = (name: string, zone: string) => [{ name: '__name__', value: name }, { name: 'zone', value: zone }];

async function filled(): Promise<Fixture> {
  const all = await fixture();
  const { positions, batch } = all;
  batch.addFloats(positions.of(labelled('up', '1')), floats([1, -1.5], [2, 0], [3, undefined]));
  batch.addFloats(positions.of(labelled('load_total', '1')), floats([-1, 2]), 0, 1, [EXEMPLAR]);
  batch.addHistograms(positions.of(labelled('other', '2')), [histogram]);
  return all;
}

describe('a batch', () => {
  it('is a request of 2.0, with each text once', async () => {
    const { write } = await filled();
    expect(requestJson(2, write())).toEqual({
      symbols: ['', '__name__', 'up', 'zone', '1', 'Is it?', 'load_total', 'trace_id', 'abc', 'job', 'app', 'Much.', 'seconds', 'other', '2'],
      timeseries: [
        { labelsRefs: [1, 2, 3, 4], samples: [{ value: -1.5, timestamp: '1' }, { timestamp: '2' }, { value: 'NaN', timestamp: '3' }], metadata: { type: 2, helpRef: 5 } },
        { labelsRefs: [1, 6, 3, 4], samples: [{ value: 2, timestamp: '-1' }], exemplars: [{ labelsRefs: [7, 8, 9, 10], value: 7, timestamp: '9' }], metadata: { type: 1, helpRef: 11, unitRef: 12 } },
        { labelsRefs: [1, 13, 3, 14], histograms: [expect.objectContaining({ countInt: '3', sum: 1.5, timestamp: '5' })] },
      ],
    });
  });

  it('is the same in 1.0, but for metadata', async () => {
    const { write } = await filled();
    const version1 = toVersion1(write()) ?? Buffer.alloc(0);
    expect(labelsOf(1, version1)).toEqual([['__name__=up', 'zone=1'], ['__name__=load_total', 'zone=1'], ['__name__=other', 'zone=2']]);
    expect(requestJson(1, version1)).toMatchObject({
      timeseries: [
        { samples: [{ value: -1.5, timestamp: '1' }, { timestamp: '2' }, { value: 'NaN', timestamp: '3' }] },
        { samples: [{ value: 2, timestamp: '-1' }], exemplars: [{ labels: [{ name: 'trace_id', value: 'abc' }, { name: 'job', value: 'app' }], value: 7, timestamp: '9' }] },
        { histograms: [{ countInt: '3', sum: 1.5, timestamp: '5' }] },
      ],
    });
  });

  it.each(['2', '1'] as const)('ends a series with the NaN that does (%s)', async (version) => {
    const { write } = await filled();
    const bytes = version === '2' ? write() : toVersion1(write());
    expect(bytes?.toString('hex')).toContain('09020000000000f07f1003');
  });

  it('moves positions, also after a restart, and not where it could not be kept', async () => {
    const { positions, batch, write } = await filled();
    const told = (all: Positions): readonly unknown[] => [labelled('up', '1'), labelled('load_total', '1'), labelled('other', '2')].map((labels) => [all.lastMs(all.of(labels)), all.isLive(all.of(labels))]);
    expect(told(positions)).toEqual([[3, false], [-1, true], [5, true]]);
    const recovered = new Positions();
    replay(write(), recovered);
    expect(told(recovered)).toEqual(told(positions));
    batch.takeBack();
    expect(told(positions)).toEqual([[-Infinity, false], [-Infinity, false], [-Infinity, false]]);
  });

  it('that a receiver of 1.0 has in part is divided down to samples, in order', async () => {
    const { write } = await filled();
    const samplesOf = async (parts: ReturnType<typeof divided>): Promise<readonly string[]> => {
      const all: string[] = [];
      for (const part of parts) {
        if (part.divide !== undefined) all.push(...(await samplesOf(await part.divide())));
        else {
          const body = await unpack((await part.body('1')) ?? Buffer.alloc(0), 10_000);
          all.push(JSON.stringify(requestJson(1, body.ok ? body.value : Buffer.alloc(0))));
        }
      }
      return all;
    };
    const pieces = await samplesOf(divided(toVersion1(write()) ?? Buffer.alloc(0), 0));
    expect(pieces.map((piece) => /"timestamp":"(-?\d+)"/.exec(piece)?.[1])).toEqual(['1', '2', '3', '-1', '5']);
  });

  it('has the metadata of today', async () => {
    const { metadata, batch, write } = await filled();
    write();
    expect(metadata.familiesOf(['up', 'load_total', 'other'])).toEqual([{ family: 'up', type: 'gauge', help: 'Is it?', unit: '' }, { family: 'load', type: 'counter', help: 'Much.', unit: 'seconds' }]);
    expect(batch.samples).toBe(5);
  });
});
