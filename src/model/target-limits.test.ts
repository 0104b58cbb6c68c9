import { describe, expect, it } from '@jest/globals';
import type { Template, TemplateLimits } from './desired-state.js';
import { compileTargetLimits } from './target-limits.js';
import type { Target } from './target.js';

const TARGET: Target = { name: 'node', scheme: 'http', host: 'db', port: 9100, path: '/metrics', labels: { kind: 'node' } };
const NONE: TemplateLimits = { rate: undefined, maxConcurrentScrapes: undefined, maxBodyBytes: undefined, maxScrapeTimeoutMs: undefined };

/** A template for all targets with this label. */
function template(name: string, value: string, limits?: Partial<TemplateLimits>): Template {
  return { name, selector: [{ label: 'kind', operator: '=', value }], tenants: ['a'], scrapeInterval: undefined, scrapeTimeout: undefined, limits: limits && { ...NONE, ...limits } };
}

describe('limits of a target', () => {
  it.each([
    ['are those of the template that matches', [template('a', 'node', { maxBodyBytes: 10 }), template('b', 'db', { maxBodyBytes: 1 })], { maxBodyBytes: 10 }],
    ['are the tightest of each, where several match', [template('a', 'node', { maxBodyBytes: 10, maxConcurrentScrapes: 1 }), template('b', 'node', { maxBodyBytes: 5, maxScrapeTimeoutMs: 2000 })], { maxBodyBytes: 5, maxConcurrentScrapes: 1, maxScrapeTimeoutMs: 2000 }],
    ['are the lowest rate', [template('a', 'node', { rate: { requestsPerSecond: 5, burst: 5 } }), template('b', 'node', { rate: { requestsPerSecond: 1, burst: 50 } })], { rateOf: 'b' }],
  ])('%s', (_, templates, expected) => {
    expect(compileTargetLimits({ templates })('site-a', TARGET)).toEqual({ rateOf: undefined, maxConcurrentScrapes: undefined, maxBodyBytes: undefined, maxScrapeTimeoutMs: undefined, ...expected });
  });

  it.each([
    ['no template', []],
    ['a template without limits', [template('a', 'node')]],
    ['a template for others', [template('a', 'db', { maxBodyBytes: 1 })]],
  ])('are none with %s', (_, templates) => {
    expect(compileTargetLimits({ templates })('site-a', TARGET)).toBeUndefined();
  });

  it('are asked for by agent too', () => {
    const limitsOf = compileTargetLimits({ templates: [{ ...template('a', '', { maxBodyBytes: 1 }), selector: [{ label: 'agent', operator: '=', value: 'site-a' }] }] });
    expect([limitsOf('site-a', TARGET)?.maxBodyBytes, limitsOf('site-b', TARGET)]).toEqual([1, undefined]);
  });
});
