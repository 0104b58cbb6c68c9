import type { MetricPattern } from './policy.js';

const META = /[.*+?^$[\](){}|\\]/;
/** A quote, or a brace that begins no repetition or class: a selector is meant, even if it is a bad one. */
const SELECTOR = /["'`]|(?<!\\|\\[pPx])\{(?!\d+(?:,\d*)?\})/;

/**
 * Which of the forms an access pattern has (facts/metricaccess.md §3): a metric's name, a regular expression on it, a selector with or
 * without a name. Whether it is a good one is the policy's to say.
 */
export function readMetricPattern(pattern: string): MetricPattern {
  if (pattern === '.*') return { kind: 'any' };
  if (SELECTOR.test(pattern)) return { kind: 'selector', selector: pattern };
  return META.test(pattern) ? { kind: 'regex', pattern } : { kind: 'exact', name: pattern };
}
