import { describe, expect, it } from '@jest/globals';
import type { RelabelConfig } from '../../model/relabel-config.js';
import { mustCompileRelabel } from '../../relabel/relabel.js';
import { deriveTarget } from './derive.js';

const JOB = { name: 'node', scheme: 'http', metricsPath: '/metrics', params: {} } as const;

function derive(labels: Readonly<Record<string, string>>, relabel: readonly RelabelConfig[] = [], job: Partial<Parameters<typeof deriveTarget>[1]> = {}): unknown {
  const result = deriveTarget(new Map(Object.entries(labels)), { ...JOB, ...job }, mustCompileRelabel(relabel));
  if (result === 'dropped') return result;
  return result.ok ? result.value : result.error;
}

describe('a discovered target', () => {
  it('has the defaults of its job', () => {
    expect(derive({ __address__: 'web.example:9100', env: 'prod' })).toEqual({ name: 'web.example-9100', scheme: 'http', host: 'web.example', port: 9100, path: '/metrics', labels: { env: 'prod' } });
  });

  it('is steered by its labels, which are dropped', () => {
    const labels = { __address__: '[::1]', __scheme__: 'https', __metrics_path__: '/a b?', __param_module: 'x&y', __param_a: '1', __meta_x: 'y', __tmp: 'z', __scrapeway_target__: 'Own Name' };
    expect(derive(labels)).toEqual({ name: 'own-name', scheme: 'https', host: '::1', port: 443, path: '/a%20b%3F?a=1&module=x%26y', labels: {} });
  });

  it('is relabelled with the job and the steering labels in sight', () => {
    const rules: RelabelConfig[] = [
      { source_labels: ['__address__'], target_label: '__param_target' },
      { source_labels: ['__param_target'], target_label: 'instance' },
      { source_labels: ['job', '__param_module'], target_label: 'seen' },
      { target_label: '__address__', replacement: 'blackbox:9115' },
    ];
    expect(derive({ __address__: 'http://shop.example/' }, rules, { metricsPath: '/probe', params: { module: ['http_2xx'] } })).toEqual({
      name: 'http-shop.example',
      scheme: 'http',
      host: 'blackbox',
      port: 9115,
      path: '/probe?module=http_2xx&target=http%3A%2F%2Fshop.example%2F',
      labels: { seen: 'node;http_2xx' },
    });
  });

  it('keeps a label that the gateway sets under another name', () => {
    expect(derive({ __address__: 'a:1', agent: 'x', target: 'y', job: 'z', instance: 'i' })).toMatchObject({ name: 'i', labels: { exported_agent: 'x', exported_target: 'y' } });
  });

  it('takes its job along where that is wanted', () => {
    expect(derive({ __address__: 'a:1' }, [{ target_label: 'job', replacement: 'shop/web' }], { passesJob: true })).toMatchObject({ labels: { job: 'shop/web' } });
  });

  it('has each value of a parameter, the first of which rules may change', () => {
    const params = { 'match[]': ['up', 'x'], module: ['a', 'b'], z: ['1'] };
    const rules: RelabelConfig[] = [{ target_label: '__param_module', replacement: 'c' }, { target_label: '__param_z', replacement: '' }];
    expect(derive({ __address__: 'a:1' }, rules, { params })).toMatchObject({ path: '/metrics?match%5B%5D=up&match%5B%5D=x&module=c&module=b&z=1' });
  });

  it('may be dropped', () => {
    expect(derive({ __address__: 'a:1' }, [{ source_labels: ['job'], regex: 'node', action: 'drop' }])).toBe('dropped');
  });

  it.each<[string, Record<string, string>, string]>([
    ['no address', { a: 'b' }, 'has no __address__'],
    ['a URL as its address', { __address__: 'http://a:1/' }, '__address__ must be HOST:PORT'],
    ['credentials in its address', { __address__: 'u:p@a:1' }, '__address__ must be HOST:PORT'],
    ['an address that ends the host early', { __address__: 'a#b:1' }, '__address__ must be HOST:PORT'],
    ['another such', { __address__: 'a?b:1' }, '__address__ must be HOST:PORT'],
    ['and another', { __address__: 'a\\b:1' }, '__address__ must be HOST:PORT'],
    ['a port that is none', { __address__: 'a:99999' }, '__address__ must be HOST:PORT'],
    ['another scheme', { __address__: 'a:1', __scheme__: 'file' }, '__scheme__ must be http or https'],
    ['a long label', { __address__: 'a:1', big: 'x'.repeat(2000) }, 'label "big" has a value longer'],
    ['a huge label', { __address__: 'a:1', big: 'x'.repeat(2 ** 20) }, 'has labels of more than 64 KiB'],
    ['a label name that Prometheus 2 does not take', { __address__: 'a:1', 'ä ö': 'x' }, 'is not a label name'],
    ['too many labels', { __address__: 'a:1', ...Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`l${i}`, 'x'])) }, 'at most 64'],
    ['a huge path', { __address__: 'a:1', __metrics_path__: `/${'x'.repeat(5000)}` }, 'at most 2048'],
  ])('with %s is refused', (_, labels, message) => {
    expect(derive(labels)).toContain(message);
  });
});
