import { describe, expect, it } from '@jest/globals';
import type { FieldWriter } from '../../lib/wire.js';
import type { MetricFilter } from '../../model/agent-settings.js';
import type { RelabelConfig } from '../../model/relabel-config.js';
import { COUNTER, formatFloat, GAUGE, HISTOGRAM, SUMMARY, UNTYPED } from './exposition.js';
import { createFamilyFilter } from './family-filter.js';
import type { BodyFilter } from './metric-filter.js';
import { compileFilter } from './metric-filter.js';
import { COUNTER_VALUE, delimitedFamily, GAUGE_VALUE, HISTOGRAM_VALUE, UNTYPED_VALUE, writeExemplar, writeHistogram, writeMetric, writeNative } from '../../../test/support/metric-families.js';
import type { LabelPairs } from '../../../test/support/metric-families.js';

function create(relabelConfigs: readonly RelabelConfig[], more: Partial<MetricFilter> = {}): BodyFilter {
  return createFamilyFilter(compileFilter({ relabelConfigs, sampleLimit: undefined, ...more }));
}

/** What comes out, whatever the pieces it comes in; and how many samples went. */
function filter(body: Buffer, rules: readonly RelabelConfig[], more: Partial<MetricFilter> = {}): Buffer | string {
  const results = [1, 7, body.length + 1].map((pieceBytes) => {
    const families = create(rules, more);
    const out: Buffer[] = [];
    for (let at = 0; at < body.length; at += pieceBytes) {
      const pushed = families.push(body.subarray(at, at + pieceBytes));
      if (typeof pushed === 'string') return pushed;
      out.push(pushed);
    }
    const end = families.end();
    return typeof end === 'string' ? end : Buffer.concat([...out, end]);
  });
  expect(new Set(results.map(String)).size).toBe(1);
  return results[0] ?? '';
}

type Labels = LabelPairs;

const TIMESTAMP_MS = -5;
const SECONDS = 1_700_000_000;

function metric(writer: FieldWriter, labels: Labels, valueField: number, value: () => void): void {
  writeMetric(writer, labels, valueField, value, TIMESTAMP_MS);
}

function exemplar(writer: FieldWriter, field: number): void {
  writeExemplar(writer, field, SECONDS);
}

/** With help, unit and a field that nobody knows. */
const family = (name: string, type: number, metrics: (writer: FieldWriter) => void): Buffer => delimitedFamily(name, (writer) => {
  writer.text(2, 'Some help.');
  writer.uint(3, type);
  metrics(writer);
  writer.text(5, 'bytes');
  writer.text(99, 'unknown');
});

/** The same in the order that the filter writes it: what it leaves alone goes first. */
const written = (name: string, type: number, metrics: (writer: FieldWriter) => void): Buffer => delimitedFamily(name, (writer) => {
  writer.text(2, 'Some help.');
  writer.text(5, 'bytes');
  writer.text(99, 'unknown');
  writer.uint(3, type);
  metrics(writer);
});

const gauges = (name: string, ...all: readonly Labels[]): Buffer => family(name, GAUGE, (writer) => {
  for (const labels of all) metric(writer, labels, GAUGE_VALUE, () => writer.double(1, 1.5));
});

interface Shape {
  readonly native?: boolean;
  readonly classic?: boolean;
  readonly labels?: Labels;
  readonly start?: boolean;
  readonly exemplars?: 'bucket' | 'native';
}

const histogram = (name: string, { native = false, classic = true, labels = { a: '1' }, start = false, exemplars }: Shape): Buffer => family(name, HISTOGRAM, (writer) => metric(writer, labels, HISTOGRAM_VALUE, () => {
  writeHistogram(writer, { native, classic, ...(start && { startSeconds: SECONDS }), ...(exemplars !== undefined && { exemplars: { of: exemplars, seconds: SECONDS } }) });
}));

/** A series alone: untyped or, with what only that can carry, a counter. */
const single = (name: string, labels: Labels, value: number, extra?: (writer: FieldWriter) => void): Buffer => {
  const [type, field] = extra === undefined ? [UNTYPED, UNTYPED_VALUE] : [COUNTER, COUNTER_VALUE];
  return written(name, type, (writer) => metric(writer, labels, field, () => {
    writer.double(1, value);
    extra?.(writer);
  }));
};

const hex = (body: Buffer | string): string => body.toString('hex');

const DROP_GO: RelabelConfig = { source_labels: ['__name__'], regex: 'go_.*', action: 'drop' };
const drop = (regex: string): RelabelConfig => ({ source_labels: ['__name__'], regex, action: 'drop' });

describe('metric families', () => {
  it('that stay whole are the bytes of the target, whatever stands in them', () => {
    const body = Buffer.concat([gauges('up', { a: '1' }, { a: '2', b: '' }), histogram('h', { native: true, exemplars: 'native', start: true }), family('empty', COUNTER, () => {}), family('odd', 9, (w) => metric(w, {}, 2, () => {}))]);
    expect(filter(body, [DROP_GO])).toEqual(body);
    expect(filter(body, [])).toEqual(body);
  });

  it('go, or some of their metrics', () => {
    expect(filter(Buffer.concat([gauges('go_x', {}), gauges('up', { a: '1' }), histogram('go_h', {})]), [DROP_GO])).toEqual(gauges('up', { a: '1' }));
    const rest = filter(gauges('up', { a: '1' }, { a: '2' }), [{ source_labels: ['a'], regex: '1', action: 'drop' }]);
    expect(rest).toEqual(written('up', GAUGE, (w) => metric(w, { a: '2' }, 2, () => w.double(1, 1.5))));
  });

  it('with renamed metrics become several, each metric with its value and time', () => {
    const renamed = filter(gauges('up', { a: '1' }, { b: '2' }), [{ source_labels: ['a'], regex: '1', target_label: '__name__', replacement: 'down' }, { regex: 'a', action: 'labeldrop' }]);
    const part = (name: string, labels: Labels): Buffer => written(name, GAUGE, (w) => metric(w, labels, 2, () => w.double(1, 1.5)));
    expect(hex(renamed)).toBe(hex(Buffer.concat([part('down', {}), part('up', { b: '2' })])));
  });

  it('stay histograms where all series of one change alike', () => {
    const rules: RelabelConfig[] = [{ source_labels: ['__name__'], regex: 'old_(.*)', target_label: '__name__', replacement: 'new_$1' }, { regex: 'a', replacement: 'b', action: 'labelmap' }, { regex: 'a', action: 'labeldrop' }];
    for (const shape of [{}, { native: true, classic: false }, { native: true }]) {
      const [out, readBoth] = [filter(histogram('old_h', shape), rules), filter(histogram('old_h', shape), rules, { readsClassic: true })];
      expect(readBoth).toEqual(out);
      expect(out).toHaveLength(histogram('new_h', { ...shape, labels: { b: '1' } }).length);
      expect(out.toString('latin1')).toMatch(/new_h/);
    }
  });

  it('of a classic histogram are written as series where only some stay, with exemplar and start time', () => {
    const some = filter(histogram('h', {}), [drop('h_(sum|count)')]);
    expect(hex(some)).toBe(hex(written('h_bucket', UNTYPED, (w) => {
      metric(w, { a: '1', le: '0.5' }, 5, () => w.double(1, 2));
      metric(w, { a: '1', le: '+Inf' }, 5, () => w.double(1, 3));
    })));
    const carried = filter(histogram('h', { exemplars: 'bucket' }), [drop('h_(sum|count)'), { source_labels: ['le'], regex: '.Inf', action: 'drop' }]);
    expect(hex(carried)).toBe(hex(single('h_bucket', { a: '1', le: '0.5' }, 2, (w) => exemplar(w, 2))));
    const started = filter(histogram('h', { start: true }), [drop('h_(sum|bucket)')]);
    expect(hex(started)).toBe(hex(single('h_count', { a: '1' }, 3, (w) => w.nested(3, () => w.uint(1, SECONDS)))));
  });

  it('of a summary likewise', () => {
    const body = family('s', SUMMARY, (w) => metric(w, {}, 4, () => {
      w.uint(1, 7);
      w.double(2, 2.5);
      w.nested(3, () => {
        w.double(1, 0.99);
        w.double(2, 0.3);
      });
    }));
    expect(hex(filter(body, [drop('s_.*')]))).toBe(hex(single('s', { quantile: '0.99' }, 0.3)));
    expect(filter(body, [drop('s.*')])).toHaveLength(0);
  });

  describe('of native histograms', () => {
    const both = histogram('h', { native: true });
    it('are judged by their own name, as Prometheus reads them', () => {
      expect(filter(both, [drop('h_.*')])).toEqual(both);
      expect(filter(both, [drop('h')])).toHaveLength(0);
    });

    it('with classic buckets are taken apart for a Prometheus that reads both', () => {
      const readsClassic = true;
      const parts = (content: (w: FieldWriter) => void): Buffer => written('h', HISTOGRAM, (w) => metric(w, { a: '1' }, 7, () => {
        w.uint(1, 3);
        w.double(2, 4.5);
        content(w);
      }));
      const classic = parts((w) => w.nested(3, () => {
        w.uint(1, 2);
        w.double(2, 0.5);
      }));
      const native = (more: (w: FieldWriter) => void = () => {}): Buffer => parts((w) => {
        writeNative(w);
        more(w);
      });
      expect(hex(filter(both, [drop('h')], { readsClassic }))).toBe(hex(classic));
      expect(hex(filter(both, [drop('h_.*')], { readsClassic }))).toBe(hex(native()));
      expect(hex(filter(both, [drop('h_(bucket|sum)')], { readsClassic }))).toBe(hex(Buffer.concat([native(), single('h_count', { a: '1' }, 3)])));
      // exemplars of the buckets are the native histogram's, too, while it has none
      expect(hex(filter(histogram('h', { native: true, exemplars: 'bucket' }), [drop('h_.*')], { readsClassic }))).toBe(hex(native((w) => exemplar(w, 16))));
    });
  });
});

describe('the limit', () => {
  const count = (body: Buffer, sampleLimit: number, readsClassic = false): string => (typeof filter(body, [], { sampleLimit, readsClassic }) === 'string' ? 'over' : 'within');
  it.each<[string, Buffer, number, boolean?]>([
    ['a gauge', gauges('g', {}), 1],
    ['a classic histogram: count, sum, its buckets and +Inf', histogram('h', {}), 4],
    ['a native histogram', histogram('h', { native: true, classic: false }), 1],
    ['a native histogram with classic buckets that are not read', histogram('h', { native: true }), 1],
    ['the same where they are', histogram('h', { native: true }), 5, true],
  ])('counts %s', (_, body, samples, readsClassic = false) => {
    expect([count(body, samples, readsClassic), count(body, samples - 1, readsClassic)]).toEqual(['within', 'over']);
    expect(count(Buffer.concat([body, gauges('more', {})]), samples, readsClassic)).toBe('over');
  });

  it('counts what went', () => {
    const families = create([drop('h_bucket')]);
    families.push(histogram('h', {}));
    expect(families.droppedSamples()).toBe(2);
  });
});

describe('bytes that are no metric families', () => {
  const good = gauges('up', { a: '1' });
  it.each<[string, Buffer]>([
    ['break off', good.subarray(0, -1)],
    ['have a length that never ends', Buffer.alloc(8, 0xff)],
    ['are too long to hold', Buffer.from([0xff, 0xff, 0xff, 0x7f])],
    ['are text', Buffer.from('# TYPE up gauge\nup 1\n')],
    ['have a label twice', family('up', GAUGE, (w) => w.nested(4, () => {
      for (const value of ['1', '2']) {
        w.nested(1, () => {
          w.text(1, 'a');
          w.text(2, value);
        });
      }
    }))],
    ['have the label that is a bucket\'s', histogram('h', { labels: { le: '1' } })],
    ['have two values', family('up', GAUGE, (w) => w.nested(4, () => {
      w.double(2, 1);
      w.nested(2, () => {});
    }))],
  ])('%s: the scrape fails', (_, body) => {
    expect(filter(body, [DROP_GO])).toBe('target_unfilterable');
  });
});

describe('a bound', () => {
  it.each([[0.5, '0.5'], [1, '1.0'], [10, '10.0'], [100_000, '100000.0'], [1e6, '1e+06'], [123_456_789, '1.23456789e+08'], [1e21, '1e+21'], [0.0001, '0.0001'], [0.000_01, '1e-05'], [-2.5, '-2.5'], [0, '0.0'], [-0, '0.0'], [Infinity, '+Inf'], [-Infinity, '-Inf'], [NaN, 'NaN']])('%d is %s, as Prometheus writes it', (value, text) => {
    expect(formatFloat(value)).toBe(text);
  });
});
