import { parse } from '../parse.js';
import type { MetricPattern } from './policy.js';

const METRIC_NAME = /^[A-Za-z_:][A-Za-z0-9_:]*$/;

/**
 * What an access pattern means (facts/metricaccess.md §3): a metric's name; a selector, with or without a name; else a regular
 * expression on the name, anchored at both ends. `a{2,3}` is no selector, so it is a regular expression.
 */
export function readMetricPattern(text: string): MetricPattern {
  if (METRIC_NAME.test(text)) return { kind: 'exact', name: text };
  if (/[}\]]$/.test(text) && parse(text).ok) return { kind: 'selector', selector: text };
  // What looks like one is meant as one: as a regular expression it would match nothing, and nobody would be told.
  return /^\{|\{[^}]*[=!]/.test(text) ? { kind: 'selector', selector: text } : { kind: 'regex', pattern: text };
}
