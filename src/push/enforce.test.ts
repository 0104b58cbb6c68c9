import { describe, expect, it } from '@jest/globals';
import type { JsonValue } from '@bufbuild/protobuf';
import { labelsOf, requestBytes, requestJson } from '../../test/support/remote-write-messages.js';
import type { Result } from '../lib/result.js';
import type { Enforced } from './enforced.js';
import { enforceVersion1 } from './enforce-version1.js';
import { enforceVersion2 } from './enforce-version2.js';
import type { OnConflict } from './tenant-label.js';
import { tenantLabel } from './tenant-label.js';

/** The same rule for both versions: labels in, labels out. */

const VERSIONS = [1, 2] as const;
type Labels = readonly string[];

function request(version: 1 | 2, all: readonly Labels[]): Buffer {
  const pairs = all.map((labels) => labels.map((label) => label.split('=')));
  if (version === 1) return requestBytes(1, { timeseries: pairs.map((labels) => ({ labels: labels.map(([name = '', value = '']) => ({ name, value })) })) });
  const symbols = [...new Set(['', ...pairs.flat(2)])];
  return requestBytes(2, { symbols, timeseries: pairs.map((labels) => ({ labelsRefs: labels.flat().map((text) => symbols.indexOf(text)) })) });
}

function enforceBytes(version: 1 | 2, bytes: Buffer, onConflict: OnConflict = 'refuse'): Result<Enforced, string> {
  return (version === 1 ? enforceVersion1 : enforceVersion2)(bytes, tenantLabel('tenant', 'team-a', onConflict));
}

function enforced(version: 1 | 2, bytes: Buffer, onConflict: OnConflict = 'refuse'): Enforced {
  const result = enforceBytes(version, bytes, onConflict);
  if (!result.ok) throw new Error(result.error);
  return result.value;
}

describe.each(VERSIONS)('version %d: the tenant label', (version) => {
  const after = (labels: Labels, onConflict?: OnConflict): readonly Labels[] => labelsOf(version, enforced(version, request(version, [labels]), onConflict).body);

  it.each([
    ['in the middle', ['__name__=up', 'zone=1'], ['__name__=up', 'tenant=team-a', 'zone=1']],
    ['at the end', ['__name__=up'], ['__name__=up', 'tenant=team-a']],
    ['at the beginning', ['up=1'], ['tenant=team-a', 'up=1']],
    ['by bytes, not by alphabet', ['tenanT=1', 'tenant_=2'], ['tenanT=1', 'tenant=team-a', 'tenant_=2']],
    ['alone', [], ['tenant=team-a']],
  ])('is put where it sorts: %s', (_, labels, expected) => {
    expect(after(labels)).toEqual([expected]);
  });

  it('stays where it is already right', () => {
    expect(after(['a=1', 'tenant=team-a', 'z=1'])).toEqual([['a=1', 'tenant=team-a', 'z=1']]);
  });

  it('replaces another tenant’s, if it is told to', () => {
    expect(after(['a=1', 'tenant=team-b', 'z=1'], 'overwrite')).toEqual([['a=1', 'tenant=team-a', 'z=1']]);
  });

  it('of another tenant takes the series out, and only that one', () => {
    const { body, series, refused, why } = enforced(version, request(version, [['a=1', 'tenant=team-b'], ['a=2'], ['tenant=team-bb']]));
    expect(labelsOf(version, body)).toEqual([['a=2', 'tenant=team-a']]);
    expect({ series, refused, why }).toEqual({ series: 1, refused: 2, why: 'another value of the label tenant than its sender may write' });
  });

  it.each<readonly [string, Labels]>([
    ['the tenant label twice, ours first', ['tenant=team-a', 'tenant=team-b']],
    ['the tenant label twice, ours last', ['tenant=team-b', 'tenant=team-a']],
    ['another label twice', ['a=1', 'a=2']],
    ['labels that are not sorted', ['b=1', 'a=1']],
    ['an empty tenant', ['tenant=']],
    ['an empty name', ['=x']],
    ['an empty value', ['a=']],
  ])('cannot be escaped by %s, not even when it overwrites', (_, labels) => {
    for (const onConflict of ['refuse', 'overwrite'] as const) {
      const { body, refused } = enforced(version, request(version, [labels]), onConflict);
      expect([refused, labelsOf(version, body)]).toEqual([1, []]);
    }
  });

  it.each([1, 7, 63, 64, 200])('survives every cut of a request without an exception, step %d', (step) => {
    const bytes = request(version, [['__name__=up', 'tenant=team-b'], ['__name__=down', 'zone=1']]);
    for (let end = 0; end <= bytes.length; end += step) {
      const result = enforceBytes(version, bytes.subarray(0, end));
      const labels = result.ok ? labelsOf(version, result.value.body) : [];
      expect(labels.filter((each) => !each.includes('tenant=team-a'))).toEqual([]);
    }
  });
});

describe('whatever is not a label', () => {
  const histogram = { countInt: '3', sum: 1.5, schema: 3, positiveSpans: [{ offset: 1, length: 2 }], positiveDeltas: ['1', '1'], timestamp: '7' };

  it('is passed on in version 1: samples, exemplars, native histograms, metadata', () => {
    const series = { samples: [{ value: 1, timestamp: '5' }, { value: 2, timestamp: '6' }], exemplars: [{ labels: [{ name: 'tenant', value: 'trace' }], value: 3, timestamp: '4' }], histograms: [histogram] };
    const metadata = [{ type: 1, metricFamilyName: 'up', help: 'Is it?' }];
    const { body, ...counts } = enforced(1, requestBytes(1, { timeseries: [{ labels: [{ name: 'a', value: '1' }], ...series }], metadata }));
    expect(requestJson(1, body)).toEqual({ timeseries: [{ labels: [{ name: 'a', value: '1' }, { name: 'tenant', value: 'team-a' }], ...series }], metadata });
    expect(counts).toEqual({ series: 1, samples: 2, exemplars: 1, histograms: 1, metadata: 1, refused: 0, why: undefined });
  });

  it('is passed on in version 2, with its references meaning what they meant', () => {
    const series = { samples: [{ value: 1, timestamp: '5', startTimestamp: '1' }], histograms: [histogram], exemplars: [{ labelsRefs: [3, 4], value: 3, timestamp: '4' }], metadata: { type: 1, helpRef: 5 } };
    const symbols = ['', 'a', '1', 'trace_id', 'x', 'Help.'];
    const { body, ...counts } = enforced(2, requestBytes(2, { symbols, timeseries: [{ labelsRefs: [1, 2], ...series }] }));
    expect(requestJson(2, body)).toEqual({ symbols: [...symbols, 'tenant', 'team-a'], timeseries: [{ labelsRefs: [1, 2, 6, 7], ...series }] });
    expect(counts).toEqual({ series: 1, samples: 1, exemplars: 1, histograms: 1, metadata: 0, refused: 0, why: undefined });
  });
});

describe('a request that is made to be read in two ways', () => {
  const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
  const ascii = (text: string): string => Buffer.from(text).toString('hex');
  const field = (tag: string, content: string): string => tag + (content.length / 2).toString(16).padStart(2, '0') + content;

  it('has the label that a parser would see: the last name counts', () => {
    const label = field('0a', field('0a', ascii('a')) + field('0a', ascii('tenant')) + field('12', ascii('team-b')));
    expect(enforced(1, hex(field('0a', label)))).toMatchObject({ refused: 1, series: 0 });
  });

  it('has labels after its samples', () => {
    const sample = field('12', '1001');
    const label = field('0a', field('0a', ascii('tenant')) + field('12', ascii('team-b')));
    expect(enforced(1, hex(field('0a', sample + label)))).toMatchObject({ refused: 1 });
  });

  it('loses fields that the protocol does not have', () => {
    const label = field('0a', field('0a', ascii('a')) + field('12', ascii('1')) + field('1a', ascii('more')));
    const { body } = enforced(1, hex(field('0a', label + field('7a', ascii('unknown'))) + field('12', ascii('source'))));
    expect(requestJson(1, body)).toEqual({ timeseries: [{ labels: [{ name: 'a', value: '1' }, { name: 'tenant', value: 'team-a' }] }] });
    expect(body.includes('unknown') || body.includes('source') || body.includes('more')).toBe(false);
  });

  it('has symbols after its series, and the same one twice', () => {
    const series = field('2a', field('0a', '0102'));
    const symbols = ['', 'tenant', 'team-b'].map((text) => field('22', ascii(text))).join('');
    expect(enforced(2, hex(series + symbols))).toMatchObject({ refused: 1, series: 0 });
    const twice = ['', 'tenant', 'team-a', 'tenant', 'team-b'].map((text) => field('22', ascii(text))).join('');
    expect(enforced(2, hex(field('2a', field('0a', '01020304')) + twice))).toMatchObject({ refused: 1, series: 0 });
  });

  it('has its references one by one, partly packed', () => {
    const symbols = ['', 'tenant', 'team-b', 'z', '1'].map((text) => field('22', ascii(text))).join('');
    expect(enforced(2, hex(symbols + field('2a', '0801 0802'.replace(' ', '') + field('0a', '0304'))))).toMatchObject({ refused: 1, series: 0 });
  });

  it.each<readonly [string, JsonValue, string]>([
    ['a reference to nothing', { symbols: [''], timeseries: [{ labelsRefs: [1, 2] }] }, 'a reference to a symbol that is not there'],
    ['a reference to the symbols that enforcement adds', { symbols: ['', 'a'], timeseries: [{ labelsRefs: [1, 3] }] }, 'a reference to a symbol that is not there'],
    ['an odd count', { symbols: ['', 'a'], timeseries: [{ labelsRefs: [1] }] }, 'a label without a value'],
  ])('%s', (_, json, why) => {
    expect(enforced(2, requestBytes(2, json))).toMatchObject({ refused: 1, series: 0, why });
  });

  it.each([
    ['no symbols', ''],
    ['a first symbol that is not empty', field('22', ascii('a'))],
    ['a version 1 request', field('0a', field('0a', field('0a', ascii('a'))))],
  ])('is no version 2 request: %s', (_, content) => {
    expect(enforceVersion2(hex(content), tenantLabel('tenant', 'team-a', 'refuse')).ok).toBe(false);
  });
});
