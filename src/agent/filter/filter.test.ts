import { describe, expect, it } from '@jest/globals';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { RelabelConfig } from '../../model/relabel-config.js';
import { createFilteredBody } from './filtered-body.js';
import { createLineFilter } from './line-filter.js';
import { compileFilter } from './metric-filter.js';
import { formatSeries, parseSeries } from './series.js';

const compile = (relabelConfigs: readonly RelabelConfig[], sampleLimit?: number): ReturnType<typeof compileFilter> => compileFilter({ relabelConfigs, sampleLimit });
const DROP_GO: RelabelConfig = { source_labels: ['__name__'], regex: 'go_.*', action: 'drop' };

/** What comes out, whatever the pieces the text comes in. */
function filter(text: string, rules: readonly RelabelConfig[], sampleLimit?: number): string {
  const bytes = Buffer.from(text);
  const results = [1, 2, 7, bytes.length + 1].map((pieceBytes) => {
    const lines = createLineFilter(compile(rules, sampleLimit));
    let out = '';
    for (let at = 0; at < bytes.length; at += pieceBytes) out += String(lines.push(bytes.subarray(at, at + pieceBytes)));
    return out + String(lines.end());
  });
  expect(new Set(results).size).toBe(1);
  return results[0] ?? '';
}

describe('a series', () => {
  it.each<[string, Record<string, string>, string?]>([
    ['up', { __name__: 'up' }],
    ['a:b{}', { __name__: 'a:b' }, 'a:b'],
    ['up{b="2",a="1"}', { __name__: 'up', a: '1', b: '2' }, 'up{a="1",b="2"}'],
    ['up { a = "1" , }', { __name__: 'up', a: '1' }, 'up{a="1"}'],
    ['up{a="x\\"y\\\\z\\n} ,"}', { __name__: 'up', a: 'x"y\\z\n} ,' }],
    ['up{a=""}', { __name__: 'up' }, 'up'],
    ['{"my.metric","lbl é"="ü"}', { __name__: 'my.metric', 'lbl é': 'ü' }],
    ['{"up",a="1"}', { __name__: 'up', a: '1' }, 'up{a="1"}'],
    ['{a="1"}', { a: '1' }],
  ])('%s is read and written', (text, labels, written = text) => {
    const parsed = parseSeries(text);
    expect(parsed && Object.fromEntries(parsed)).toEqual(labels);
    expect(formatSeries(parsed ?? new Map())).toBe(written);
  });

  it.each(['up{a}', 'up{a="1"', 'up{a="1" b="2"}', 'up{a="1",a="2"}', '{"x","y"}', 'up{"x"}', 'up{a=1}', 'up{,}', 'u p{a="1"}'])('%s is not', (text) => {
    expect(parseSeries(text)).toBeUndefined();
  });
});

describe('lines', () => {
  it('that stay are the bytes of the target, odd spacing and all', () => {
    const text = '# HELP a  x\n# TYPE a counter\n a{ x = "1" , } 1.0e0  1700000000000\n\n\tb 2\r\nbroken{ 3\na_total 1 # {trace_id="}"} 1 2\n';
    expect(filter(text, [DROP_GO])).toBe(text);
    expect(filter(text.slice(0, -1), [DROP_GO])).toBe(text.slice(0, -1));
  });

  it('are dropped, with the comments that belong to them', () => {
    const text = '# HELP go_x x\n# TYPE go_x gauge\ngo_x{a="}"} 1\ngo_x 2\n# TYPE up gauge\nup 1\n# TYPE go_y gauge\ngo_y 1\n# EOF\n';
    expect(filter(text, [DROP_GO])).toBe('# TYPE up gauge\nup 1\n# EOF\n');
  });

  it('keep the comments of a metric some of whose samples stay', () => {
    const text = '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="2"} 1\nh_sum 1\n';
    expect(filter(text, [{ source_labels: ['le'], regex: '1', action: 'drop' }])).toBe('# TYPE h histogram\nh_bucket{le="2"} 1\nh_sum 1\n');
  });

  it('are written anew where a rule changed them, with value, time and exemplar as they were', () => {
    const rules: RelabelConfig[] = [{ regex: 'pod', action: 'labeldrop' }, { source_labels: ['__name__'], regex: 'old_(.*)', target_label: '__name__', replacement: 'new.$1' }];
    expect(filter('old_x{pod="p",a="ü"} 1 2 # {t="x"} 3\nup{pod="p"} +Inf\n', rules)).toBe('{"new.x",a="ü"} 1 2 # {t="x"} 3\nup +Inf\n');
  });

  it('count against the limit after relabelling', () => {
    const text = 'go_a 1\ngo_b 1\nx 1\ny 1\n';
    expect(filter(text, [DROP_GO], 2)).toBe('x 1\ny 1\n');
    expect(createLineFilter(compile([DROP_GO], 1)).push(Buffer.from(text))).toBe('target_too_many_samples');
  });

  it('without an end are given up', () => {
    expect(createLineFilter(compile([])).push(Buffer.alloc(2 ** 20 + 1, 'x'))).toBe('target_unfilterable');
  });
});

interface Passed {
  readonly head: unknown;
  readonly body: Buffer;
  readonly failed: string | undefined;
  readonly savedBytes: number;
}

/** Sends `chunks` through, to a reader that takes one piece at a time. */
async function pass(headers: Record<string, string>, chunks: readonly Buffer[], rules: readonly RelabelConfig[], sampleLimit?: number): Promise<Passed | undefined> {
  const { promise, resolve } = Promise.withResolvers<Passed>();
  const body: Buffer[] = [];
  let head: unknown;
  let drained: () => void = () => undefined;
  const done = (failed?: string): void => resolve({ head, body: Buffer.concat(body), failed, savedBytes: filtered?.stats().savedBytes ?? 0 });
  const filtered = createFilteredBody(compile(rules, sampleLimit), headers, {
    onHead: (sent) => {
      head = sent;
    },
    onData: (chunk) => {
      body.push(chunk);
      setImmediate(() => filtered?.resume());
      return false;
    },
    onDrain: () => drained(),
    onEnd: () => done(),
    onFail: done,
  });
  if (filtered === undefined) return undefined;
  for (const chunk of chunks) {
    const room = new Promise<void>((ready) => {
      drained = ready;
    });
    if (!filtered.write(chunk)) await room;
  }
  filtered.end();
  return promise;
}

describe('an answer', () => {
  const line = (name: string, i: number): string => `${name}{i="${i}"} ${i}\n`;
  const text = Array.from({ length: 30_000 }, (_, i) => line(i % 2 === 0 ? 'go_x' : 'up', i)).join('');
  const kept = Array.from({ length: 30_000 }, (_, i) => (i % 2 === 0 ? '' : line('up', i))).join('');
  const pieces = (bytes: Buffer): Buffer[] => Array.from({ length: Math.ceil(bytes.length / 10_000) }, (_, i) => bytes.subarray(i * 10_000, (i + 1) * 10_000));

  it('passes a slow reader whole, plain and packed', async () => {
    const plain = await pass({ 'content-type': 'text/plain; version=0.0.4', 'content-length': String(text.length), etag: 'x' }, pieces(Buffer.from(text)), [DROP_GO]);
    expect(plain?.body.toString()).toBe(kept);
    expect(plain).toMatchObject({ head: { 'content-type': 'text/plain; version=0.0.4' }, failed: undefined, savedBytes: text.length - kept.length });
    expect(plain?.head).not.toHaveProperty('etag');
    const packed = await pass({ 'content-type': 'application/openmetrics-text', 'content-encoding': 'gzip' }, pieces(gzipSync(text)), [DROP_GO]);
    expect(gunzipSync(packed?.body ?? Buffer.alloc(0)).toString()).toBe(kept);
    expect(packed?.savedBytes).toBeGreaterThan(0);
  });

  it('that is over the limit early fails before its head is out', async () => {
    expect(await pass({}, [Buffer.from('a 1\nb 1\n')], [], 1)).toMatchObject({ head: undefined, failed: 'target_too_many_samples' });
    expect(await pass({ 'content-encoding': 'gzip' }, [gzipSync('a 1\nb 1\n')], [], 1)).toMatchObject({ head: undefined, failed: 'target_too_many_samples' });
  });

  it('that is not the gzip it says, or breaks off within, fails', async () => {
    expect(await pass({ 'content-encoding': 'gzip' }, [Buffer.from('a 1\n')], [DROP_GO])).toMatchObject({ failed: 'target_unfilterable' });
    expect(await pass({ 'content-encoding': 'gzip' }, [gzipSync(text).subarray(0, 5000)], [DROP_GO])).toMatchObject({ failed: 'target_unfilterable' });
  });

  it.each([{ 'content-type': 'application/vnd.google.protobuf' }, { 'content-encoding': 'br' }, { 'content-type': 'text/html' }])('with %j cannot be filtered', async (headers) => {
    expect(await pass(headers, [], [])).toBeUndefined();
  });
});
