import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Agent } from 'undici';
import { silentLogger } from '../../src/lib/logger.js';
import type { Version } from '../../src/remotewrite/protocol.js';
import { encodeSeries } from '../../src/remotewrite/encode.js';
import { Sender } from '../../src/remotewrite/sender.js';
import type { Outgoing, SenderEvent } from '../../src/remotewrite/sender.js';
import { STALE } from '../../src/remotewrite/series.js';
import type { Sample, Series } from '../../src/remotewrite/series.js';
import { pack } from '../../src/remotewrite/snappy.js';
import { httpTransport } from '../../src/remotewrite/transport.js';
import { fetchJson } from '../support/http.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';

/** The sender, with real Prometheus servers as receivers: one of today, and one that takes remote write 1.0 only. */

let both: RunningPrometheus;
let onlyVersion1: RunningPrometheus;
const dispatcher = new Agent();
let events: SenderEvent[] = [];
const senders: Sender[] = [];

beforeAll(async () => {
  const receiver = '--web.enable-remote-write-receiver';
  [both, onlyVersion1] = await Promise.all([
    startPrometheus({ config: {}, args: [receiver] }),
    startPrometheus({ config: {}, args: [receiver, '--web.remote-write-receiver.accepted-protobuf-messages=prometheus.WriteRequest'] }),
  ]);
});
afterEach(() => {
  for (const each of senders.splice(0)) each.close();
  events = [];
});
afterAll(async () => {
  await Promise.all([both.stop(), onlyVersion1.stop(), dispatcher.close()]);
});

function sendTo(receiver: RunningPrometheus, version: Version): Sender {
  const sender = new Sender({
    version,
    logger: silentLogger,
    onEvent: (event) => events.push(event),
    transport: httpTransport({ url: `${receiver.url}/api/v1/write`, userAgent: 'scrapeway/test', headers: () => Promise.resolve({ 'Content-Type': 'text/html' }), dispatcher }),
  });
  senders.push(sender);
  return sender;
}

function series(name: string, samples: readonly Sample[], zone = '1'): Series {
  return { labels: [{ name: 'zone', value: zone }, { name: '__name__', value: name }], samples, histograms: [], exemplars: [], metadata: { type: 'gauge', help: 'Help.', unit: '' } };
}

function batch(...all: readonly Series[]): Outgoing {
  const samples = all.reduce((sum, each) => sum + each.samples.length, 0);
  return { samples, newestMs: Date.now(), mayBeKnown: false, body: (version) => pack(encodeSeries(version, all)) };
}

/** Raw samples with their own times, `[ms, value]`. */
async function samplesOf(receiver: RunningPrometheus, selector: string): Promise<readonly (readonly [number, string])[]> {
  const answer = await fetchJson<{ data: { result: readonly { values: readonly (readonly [number, string])[] }[] } }>({
    url: `${receiver.url}/api/v1/query?query=${encodeURIComponent(`${selector}[5m]`)}`,
  });
  return answer.data.result.flatMap(({ values }) => values.map(([seconds, value]) => [Math.round(seconds * 1000), value] as const));
}

describe.each(['1', '2'] as const)('remote write %s.0', (version) => {
  it('has every sample arrive once, in order, at its own millisecond', async () => {
    const sender = sendTo(both, version);
    const startMs = Date.now() - 100_000;
    const samples = Array.from({ length: 120 }, (_, index) => ({ value: index / 3, timestampMs: startMs + index * 317 }));
    for (const at of [0, 50, 100]) await sender.deliver(batch(series(`exact_${version}`, samples.slice(at, at + 50))));
    expect(await samplesOf(both, `exact_${version}`)).toEqual(samples.map(({ timestampMs, value }) => [timestampMs, String(value)]));
    expect(events.map(({ kind }) => kind)).toEqual(['delivered', 'delivered', 'delivered']);
  });

  it('ends a series at once by a stale marker, and a value that is no number ends nothing', async () => {
    const sender = sendTo(both, version);
    const nowMs = Date.now();
    const before = { value: 1, timestampMs: nowMs - 2000 };
    await sender.deliver(
      batch(
        series(`ended_${version}`, [before, { value: STALE, timestampMs: nowMs - 1000 }]),
        series(`no_number_${version}`, [before, { value: Number.NaN, timestampMs: nowMs - 1000 }]),
      ),
    );
    expect(await both.query(`ended_${version}`)).toEqual([]);
    expect(await both.query(`no_number_${version}`)).toMatchObject([{ value: [expect.anything(), 'NaN'] }]);
    expect(await samplesOf(both, `ended_${version}`)).toEqual([[before.timestampMs, '1']]);
  });

  it('drops what the receiver refuses, and goes on', async () => {
    const sender = sendTo(both, version);
    const nowMs = Date.now();
    for (const timestampMs of [nowMs, nowMs - 60_000, nowMs + 1]) await sender.deliver(batch(series(`disordered_${version}`, [{ value: 1, timestampMs }])));
    expect(events.map((event) => (event.kind === 'dropped' ? event.status : event.kind))).toEqual(['delivered', 400, 'delivered']);
  });
});

describe('a receiver of 1.0', () => {
  it('is found out, and loses nothing', async () => {
    const sender = sendTo(onlyVersion1, '2');
    const nowMs = Date.now();
    for (const zone of ['1', '2', '3']) await sender.deliver(batch(series('fallen_back', [{ value: 1, timestampMs: nowMs }], zone)));
    expect(await onlyVersion1.query('fallen_back')).toHaveLength(3);
    expect(events.map((event) => (event.kind === 'delivered' ? event.version : event.kind))).toEqual(['fell_back', '1', '1', '1']);
  });
});

describe('an outage of the receiver', () => {
  it('costs time, and no sample', async () => {
    const port = Number(new URL(both.url).port);
    let isDown = true;
    const through = httpTransport({ url: `${both.url}/api/v1/write`, userAgent: 'scrapeway/test', headers: () => Promise.resolve({}), dispatcher });
    const sender = new Sender({
      version: '2',
      logger: silentLogger,
      onEvent: (event) => events.push(event),
      transport: (headers, body, signal) => (isDown ? Promise.reject(new Error(`port ${port} is closed`)) : through(headers, body, signal)),
    });
    senders.push(sender);
    const flushed = sender.deliver(batch(series('outlived', [{ value: 1, timestampMs: Date.now() }])));
    await both.process.until('three tries', () => expect(events.filter(({ kind }) => kind === 'retry').length).toBeGreaterThan(2));
    isDown = false;
    await flushed;
    expect(await samplesOf(both, 'outlived')).toHaveLength(1);
  });
});
