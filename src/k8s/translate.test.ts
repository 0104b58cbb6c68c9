import { describe, expect, it } from '@jest/globals';
import { compilePolicy } from '../promql/enforce/policy.js';
import { readMetricPattern } from '../promql/enforce/metric-pattern.js';
import { DOCUMENTED_METRIC_ACCESSES } from '../../test/support/metric-access-manifests.js';
import { createTranslate } from './translate.js';
import type { MetricAccessTerms, Translation, TranslationRules, Verdict } from './translate.js';

function access(metrics: unknown, more: Readonly<Record<string, unknown>> = {}, name = 'one', namespace = 'team-a'): object {
  return { metadata: { name, namespace, generation: 3 }, spec: { source: namespace, metrics, ...more } };
}

/** A ceiling that nothing meets: for tests that are not about it. */
const EVERYTHING: readonly MetricAccessTerms[] = [{ tenant: 'a', namespaces: ['team-a'], within: [{ backends: ['main'], metrics: ['.+'], labels: {} }] }];

function translateMetricAccesses(objects: readonly object[], terms: readonly MetricAccessTerms[], withoutTerms: TranslationRules['withoutTerms']): Translation {
  return createTranslate()(objects, { terms, withoutTerms, tenants: new Set(['a', 'b', 'merged']) });
}

function only({ verdicts }: Translation): Verdict {
  const [verdict] = verdicts;
  if (verdict === undefined || verdicts.length !== 1) throw new Error(`${verdicts.length} verdicts`);
  return verdict;
}

function selectors(translation: Translation, tenant = 'a'): readonly string[] {
  return (translation.grants.get(tenant) ?? []).flatMap(({ metrics }) => metrics);
}

describe('a pattern', () => {
  it.each([
    ['up', '{__name__="up"}'],
    [':cluster:kube_node_unallocated_cpu_cores:sum', '{__name__=":cluster:kube_node_unallocated_cpu_cores:sum"}'],
    ['http_.*', '{__name__=~"http_.*",__name__=~".+"}'],
    ['{job="my-app"}', '{job="my-app",__name__=~".+"}'],
    ['up{job=~"data-.*"}', '{job=~"data-.*",__name__="up"}'],
    ['{namespace="a",__name__=~"kube_pod_.*"}', '{namespace="a",__name__=~"kube_pod_.*",__name__=~".+"}'],
    ['{__name__=~"a|b",job!="x, {y}"}', '{__name__=~"a|b",job!="x, {y}",__name__=~".+"}'],
  ])('%s becomes a selector under the ceiling', (pattern, selector) => {
    const translation = translateMetricAccesses([access([pattern])], EVERYTHING, 'deny');
    expect(selectors(translation)).toEqual([selector]);
    expect(only(translation)).toMatchObject({ inForce: [pattern], refused: [], generation: 3 });
  });

  it.each(['{}', '', '.*', '{job=~".*"}', '{job=""}'])('that matches everything (%j) is refused', (pattern) => {
    const translation = translateMetricAccesses([access([pattern])], EVERYTHING, 'deny');
    expect(selectors(translation)).toEqual([]);
    expect(only(translation).refused[0]?.message).toMatch(/matches series without any label|must contain at least one non-empty matcher/);
  });

  it.each(['*_total', '{job="x"', 'up{job=~"("}', 'a(', '{job="x"} or up{a="b"}'])('that is none (%s) is refused alone, and named', (pattern) => {
    const translation = translateMetricAccesses([access(['up', pattern])], EVERYTHING, 'deny');
    expect(selectors(translation)).toEqual(['{__name__="up"}']);
    expect(only(translation)).toMatchObject({ inForce: ['up'], refused: [{ place: 'spec.metrics[1]', message: expect.stringContaining(pattern) }] });
  });

  it.each([
    ['node_*', '"node_.*"'],
    ['{__name__="up",instance=".*"}', '=~'],
  ])('%s is taken as it reads, with a warning', (pattern, hint) => {
    const { inForce, warnings } = only(translateMetricAccesses([access([pattern])], EVERYTHING, 'deny'));
    expect(inForce).toEqual([pattern]);
    expect(warnings[0]?.message).toContain(hint);
  });
});

describe('labelSelectors', () => {
  it('hold for every pattern, those of one object only for its own', () => {
    const objects = [access(['up', '{job="x"}'], { labelSelectors: { env: 'prod' } }), access(['node_load1'], { labelSelectors: { env: 'dev' } }, 'two')];
    const { grants } = translateMetricAccesses(objects, EVERYTHING, 'deny');
    expect(grants.get('a')).toEqual([
      { backends: ['main'], metrics: ['{__name__="up",env="prod"}', '{job="x",env="prod",__name__=~".+"}'], labels: {} },
      { backends: ['main'], metrics: ['{__name__="node_load1",env="dev"}'], labels: {} },
    ]);
  });

  it('do not make a rule of a pattern that matches everything', () => {
    const translation = translateMetricAccesses([access(['{}', '.*'], { labelSelectors: { env: 'prod' } })], EVERYTHING, 'deny');
    expect(translation.grants.size).toBe(0);
    expect(only(translation).refused).toHaveLength(2);
  });

  it('that contradict a pattern refuse it, since it would silently give nothing', () => {
    const { inForce, refused } = only(translateMetricAccesses([access(['up{env="dev"}', 'up'], { labelSelectors: { env: 'prod' } })], EVERYTHING, 'deny'));
    expect(inForce).toEqual(['up']);
    expect(refused).toMatchObject([{ place: 'spec.metrics[0]', message: expect.stringContaining('no series can match') }]);
  });

  it('that cannot be read refuse the whole object', () => {
    const translation = translateMetricAccesses([access(['up'], { labelSelectors: { env: 1 } })], EVERYTHING, 'deny');
    expect(translation.grants.size).toBe(0);
    expect(only(translation).refused).toEqual([{ place: 'spec.labelSelectors', message: 'must be a map of texts' }]);
  });
});

describe('a ceiling', () => {
  const within = (...metrics: readonly string[]): readonly MetricAccessTerms[] => [{ tenant: 'a', namespaces: ['team-a'], within: [{ backends: undefined, metrics, labels: { namespace: 'team-a' } }] }];

  it('lets through what both allow, and says which pattern it keeps out', () => {
    const translation = translateMetricAccesses([access(['http_requests_total', 'secret_total', '{namespace="team-b"}', 'go_.*'])], within('http_.*', 'go_.*'), 'deny');
    expect(selectors(translation)).toEqual([
      '{__name__="http_requests_total",namespace="team-a"}',
      '{__name__=~"go_.*",__name__=~"http_.*",namespace="team-a"}',
      '{__name__=~"go_.*",namespace="team-a"}',
    ]);
    expect(only(translation).refused.map(({ place }) => place)).toEqual(['spec.metrics[1]', 'spec.metrics[2]']);
  });

  it('may be everything with certain labels', () => {
    const translation = translateMetricAccesses([access(['up'])], within('.*'), 'deny');
    expect(selectors(translation)).toEqual(['{__name__="up",namespace="team-a"}']);
  });

  it('is not widened by labelSelectors that contradict it', () => {
    const translation = translateMetricAccesses([access(['http_requests_total'], { labelSelectors: { namespace: 'team-b' } })], within('.+'), 'deny');
    expect(translation.grants.size).toBe(0);
    expect(only(translation).refused[0]?.message).toContain('outside of what an admin allows');
  });

  it('that cannot be read gives nothing, and is named', () => {
    const translation = translateMetricAccesses([access(['up'])], within('('), 'deny');
    expect(translation.grants.size).toBe(0);
    expect(only(translation).refused[0]?.message).toContain('the terms of tenant a cannot be used');
  });

  it('of two tenants for one namespace holds for each alone', () => {
    const terms = [...EVERYTHING, { tenant: 'b', namespaces: ['team-a'], within: [{ backends: undefined, metrics: ['up'], labels: {} }] }];
    const translation = translateMetricAccesses([access(['up', 'node_load1'])], terms, 'deny');
    expect(selectors(translation, 'a')).toEqual(['{__name__="up"}', '{__name__="node_load1"}']);
    expect(selectors(translation, 'b')).toEqual(['{__name__="up"}']);
  });
});

describe('a namespace without terms', () => {
  it('has no say by default, and its objects are told so', () => {
    const translation = translateMetricAccesses([access(['up'])], [], 'deny');
    expect(translation.grants.size).toBe(0);
    expect(only(translation).refused[0]?.message).toContain('no tenant takes the word of the namespace team-a');
  });

  it('sees its own series where the admin says so', () => {
    const translation = translateMetricAccesses([access(['up'], {}, 'one', 'merged')], EVERYTHING, 'own-namespace');
    expect(selectors(translation, 'merged')).toEqual(['{__name__="up",namespace="merged"}']);
  });
});

describe('a tenant that there is not', () => {
  it('gets nothing, and the objects that speak for it are told', () => {
    const byTerms = translateMetricAccesses([access(['up'])], [{ tenant: 'gone', namespaces: ['team-a'], within: [{ backends: undefined, metrics: ['up'], labels: {} }] }], 'deny');
    expect(byTerms.grants.size).toBe(0);
    expect(only(byTerms).refused[0]?.message).toContain('tenant gone cannot be used: there is no such tenant');
    expect(translateMetricAccesses([access(['up'])], [], 'own-namespace').grants.size).toBe(0);
  });
});

describe('objects', () => {
  it('are translated anew when they are replaced, and only then', () => {
    const rules: TranslationRules = { terms: EVERYTHING, withoutTerms: 'deny', tenants: new Set(['a']) };
    const all = createTranslate();
    const translate = (objects: readonly object[], under = rules): Translation => all(objects, under);
    const first = access(['up']);
    const [before] = translate([first]).verdicts;
    expect(translate([first]).verdicts[0]).toBe(before);
    // Terms of the same words are the same terms; terms of others are none of its business.
    expect(translate([first], { ...structuredClone(rules), terms: [...EVERYTHING, { tenant: 'a', namespaces: ['elsewhere'], within: [] }] }).verdicts[0]).toBe(before);
    expect(translate([first], { ...rules, terms: [] }).verdicts[0]).toMatchObject({ inForce: [] });
    expect(translate([access(['node_load1'])]).verdicts[0]?.inForce).toEqual(['node_load1']);
    expect(translate([]).grants.size).toBe(0);
  });

  it('that are broken affect only themselves', () => {
    const broken = [{}, { metadata: { name: 'x' } }, access('up', {}, 'text'), { metadata: { name: 'empty', namespace: 'team-a' } }, access([1], {}, 'number'), access([], {}, 'none')];
    const translation = translateMetricAccesses([...broken, access(['up'])], EVERYTHING, 'deny');
    expect(selectors(translation)).toEqual(['{__name__="up"}']);
    expect(translation.verdicts.map(({ object: { name }, inForce, refused }) => [name, inForce.length, refused.length])).toEqual([
      ['text', 0, 1],
      ['empty', 0, 1],
      ['number', 0, 1],
      ['none', 0, 1],
      ['one', 1, 0],
    ]);
  });

  it('are bounded', () => {
    const many = Array.from({ length: 1_002 }, (_each, index) => `metric_${index}`);
    const { inForce, refused } = only(translateMetricAccesses([access([...many, 'a'.repeat(5_000)])], EVERYTHING, 'deny'));
    expect([inForce.length, refused.length]).toEqual([1_000, 3]);
    expect(only(translateMetricAccesses([access(['a'.repeat(5_000)])], EVERYTHING, 'deny')).refused[0]?.message).toContain('4096 characters');
  });

  it('as they are documented give something, each', () => {
    const { verdicts } = translateMetricAccesses(DOCUMENTED_METRIC_ACCESSES, EVERYTHING, 'deny');
    const withFaults = verdicts.filter(({ refused }) => refused.length > 0).map(({ object }) => object.name);
    expect(verdicts).toHaveLength(9);
    expect(withFaults).toEqual(['odd-but-valid']);
    expect(verdicts.every(({ inForce }) => inForce.length > 0)).toBe(true);
  });

  it('make selectors that the query service reads as rules', () => {
    const { grants } = translateMetricAccesses(DOCUMENTED_METRIC_ACCESSES, EVERYTHING, 'deny');
    const sources = [...grants.values()].flat().flatMap(({ metrics }) => metrics.map((text) => ({ metric: readMetricPattern(text), labels: [] })));
    expect(sources.every(({ metric }) => metric.kind === 'selector')).toBe(true);
    expect(compilePolicy(sources)).toMatchObject({ ok: true });
  });
});
