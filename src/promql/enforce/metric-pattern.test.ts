import { describe, expect, it } from '@jest/globals';
import { compilePolicy } from './policy.js';
import { readMetricPattern } from './metric-pattern.js';

describe('a pattern is', () => {
  it.each([
    ['up', 'exact'],
    [':cluster:kube_node:sum', 'exact'],
    ['http_.*', 'regex'],
    ['.*_duration_.*', 'regex'],
    ['a{2,3}', 'regex'],
    ['{job="my-app"}', 'selector'],
    ['{__name__=~"node_.*",job="node-exporter"}', 'selector'],
    ['up{job=~"data-.*"}', 'selector'],
    ['{"my.metric"}', 'selector'],
  ])('%s: %s', (text, kind) => {
    expect(readMetricPattern(text).kind).toBe(kind);
  });

  it.each(['*_total', '{job=}', '{}', '{job=~".*"}', 'up{job="a"} offset 5m', '(?=x)'])('%s is a fault, never everything and never nothing', (text) => {
    expect(compilePolicy([{ metric: readMetricPattern(text), labels: [] }]).ok).toBe(false);
  });
});
