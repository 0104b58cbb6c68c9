import { describe, expect, it } from '@jest/globals';
import { readLabelSets } from './label-sets.js';

function read(text: string, format: 'json' | 'yaml' = 'json', maxTargets = 10): unknown {
  const result = readLabelSets(text, { format, maxTargets });
  return result.ok ? result.value.map((set) => Object.fromEntries(set)) : result.error;
}

describe('a file of targets', () => {
  it('may have groups of Prometheus and entries of our own', () => {
    const text = '[{"targets": ["a:1", "b:2"], "labels": {"env": "prod"}}, {"name": "web", "url": "https://c:3/probe?module=x", "labels": {"env": "dev"}}]';
    expect(read(text)).toEqual([
      { env: 'prod', __address__: 'a:1' },
      { env: 'prod', __address__: 'b:2' },
      { env: 'dev', __scheme__: 'https', __address__: 'c:3', __metrics_path__: '/probe', __param_module: 'x', __scrapeway_target__: 'web' },
    ]);
  });

  it('in YAML may leave quotes and values out', () => {
    expect(read('- targets:\n  - a:1\n  labels:\n    version: 1.10\n    on: yes\n- targets:\n  labels:\n- targets: [b:1]\n', 'yaml')).toEqual([{ version: '1.10', on: 'yes', __address__: 'a:1' }, { __address__: 'b:1' }]);
  });

  it.each([['[]', 'json'], ['null', 'json'], ['', 'yaml'], ['[{"targets": [], "labels": null}]', 'json']] as const)('%j is an empty list', (text, format) => {
    expect(read(text, format)).toEqual([]);
  });

  it.each([
    ['', 'is not JSON'],
    ['[{"targets": ["a:1"]', 'is not JSON'],
    ['{}', 'must be a list'],
    ['[null]', '[0]: must be a map'],
    ['[{"targets": [1]}]', '[0].targets: must be a list'],
    ['[{"targets": "a"}]', '[0].targets: must be a list'],
    ['[{"targets": [], "labels": {"port": 9100}}]', '[0].labels: names and values must be text'],
    ['[{"targets": [], "labels": []}]', '[0].labels: must be a map'],
    ['[{"targets": [], "x": 1}]', '[0]: unknown key'],
    ['[{"name": "web", "url": "nothing"}]', '[0].url: must be a URL'],
    ['[{"name": "web", "url": "http://u:p@a"}]', '[0].url: must hold no credentials'],
    ['[{"url": "http://a"}]', '[0].name: must be text'],
    ['[{"name": "a", "url": "http://a", "targets": []}]', '[0]: `targets` stands beside'],
    [JSON.stringify([{ targets: Array.from({ length: 11 }, () => 'a:1') }]), 'has more than 10 targets'],
  ])('%s is refused whole', (text, message) => {
    expect(read(text)).toEqual([expect.stringContaining(message)]);
  });

  it.each(['- targets: ["b:', '- targets: [a:1]\n- targets: {', "- targets: [a:1]\n  labels: { a: 'x", '- targets: [a:1]\n  targets: [b:1]'])('%j is no YAML, not a shorter list', (text) => {
    expect(read(text, 'yaml')).toEqual(['is not YAML']);
  });

  it('tells at most five faults, and cannot be blown up by aliases', () => {
    expect(read(JSON.stringify(Array.from({ length: 100 }, () => 1)))).toHaveLength(5);
    const bomb = ['- &a0 x', ...Array.from({ length: 20 }, (_, i) => `- &a${i + 1} [${Array.from({ length: 9 }, () => `*a${i}`).join(', ')}]`)].join('\n');
    expect(read(bomb, 'yaml')).toEqual(['is not YAML']);
  });
});
