import { describe, expect, it } from '@jest/globals';
import type { Matcher } from '../ast.js';
import { ALL_FEATURES } from '../features.js';
import { parse } from '../parse.js';
import { print } from '../print.js';
import { allowedSelectors, enforce } from './enforce.js';
import type { EnforceOptions } from './enforce.js';
import { escapeRegex, Merges } from './merge.js';
import { compilePolicy } from './policy.js';
import type { Policy } from './policy.js';
import { disjoint } from './split.js';
import { uncovered } from './verify.js';

/** Each rule as a selector. */
function policy(...selectors: readonly string[]): Policy {
  const compiled = compilePolicy(selectors.map((selector) => ({ metric: { kind: 'selector', selector }, labels: [] })));
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.error));
  return compiled.value;
}

function enforced(text: string, rules: Policy, options: EnforceOptions = {}): string {
  const result = enforce(text, rules, { features: ALL_FEATURES, ...options });
  return result.ok ? result.value.query : `${result.error.reason}: ${result.error.message}`;
}

function is(name: string, op: Matcher['op']): Matcher {
  return { name, op, value: '1' };
}

const A = policy('{ns="a"}');
const DENIED = '__scrapeway_denied__="1",__scrapeway_denied__="2"';

describe('one rule', () => {
  it.each([
    ['x', 'x{ns="a"}'],
    ['x{ns="a"}', 'x{ns="a"}'],
    ['x{ns="b"}', `x{ns="b",${DENIED}}`],
    ['{"ns"="b", "x"}', `{ns="b",__name__="x",${DENIED}}`],
    ['x{"\\u006es"="b"}', `x{ns="b",${DENIED}}`],
    ['x{ns="a",ns="b"}', `x{ns="a",ns="b",${DENIED}}`],
    ['x{ns=""}', `x{ns="",${DENIED}}`],
    ['x{ns!="a"}', `x{ns!="a",${DENIED}}`],
    ['x{ns!="b"}', 'x{ns!="b",ns="a"}'],
    ['x{ns=~".*"}', 'x{ns=~".*",ns="a"}'],
    ['x{ns=~"b|c"}', `x{ns=~"b|c",${DENIED}}`],
    ['{__name__=~".+"}', '{__name__=~".+",ns="a"}'],
    ['mine # x\r or secret', 'mine{ns="a"} or secret{ns="a"}'],
    ['a + b offset 5m', 'a{ns="a"} + b{ns="a"} offset 5m'],
    ['rate(x[5m] @ end())', 'rate(x{ns="a"}[5m] @ end())'],
    ['topk(scalar(secret), y)', 'topk(scalar(secret{ns="a"}), y{ns="a"})'],
    ['quantile(scalar(max_over_time(secret[1h:1m])), y)', 'quantile(scalar(max_over_time(secret{ns="a"}[1h:1m])), y{ns="a"})'],
    ['count_values("v", x)', 'count_values("v", x{ns="a"})'],
    ['label_replace(x, "ns", "b", "", "")', 'label_replace(x{ns="a"}, "ns", "b", "", "")'],
    ['predict_linear(x[5m], scalar(secret))', 'predict_linear(x{ns="a"}[5m], scalar(secret{ns="a"}))'],
    ['x[5m]', 'x{ns="a"}[5m]'],
    ['x[5m] smoothed', 'x{ns="a"}[5m] smoothed'],
    ['x + fill(0) y', 'x{ns="a"} + fill (0) y{ns="a"}'],
    ['1+1', '1 + 1'],
    ['vector(1)', 'vector(1)'],
  ])('%s', (text, query) => expect(enforced(text, A)).toBe(query));

  it('does not show in the labels of absent', () => {
    expect(enforced('absent(x{pod="p"})', A)).toBe('absent(x{pod="p",ns=~"a"})');
    expect(enforced('absent((x{ns="a"}))', A)).toBe('absent(x{ns="a"})');
    expect(enforced('absent(x{ns="b"})', A)).toBe(`absent(x{ns="b",${DENIED}})`);
    expect(enforced('absent_over_time(x{pod="p"}[5m])', A)).toBe('absent_over_time(x{pod="p",ns=~"a"}[5m])');
    expect(enforced('absent(sum(x))', A)).toBe('absent(sum(x{ns="a"}))');
  });

  it('is refused with info(), which joins what no matcher restricts', () => {
    expect(enforced('info(x)', A)).toMatch(/^forbidden_function: /);
    expect(enforced('sum(info(x, {ns="a"}))', A)).toMatch(/^forbidden_function: /);
  });
});

describe('rules that differ in one label', () => {
  it.each([
    [['{ns="a"}', '{ns="b"}'], 'x', 'x{ns=~"a|b"}'],
    [['{ns="a"}', '{ns="b"}'], 'rate(x[5m])', 'rate(x{ns=~"a|b"}[5m])'],
    [['{ns="a"}', '{ns="b"}'], 'x{ns="b"}', 'x{ns="b"}'],
    [['{ns="a.b"}', '{ns=~"c.*|d"}'], 'x', 'x{ns=~"a\\\\.b|(?:c.*|d)"}'],
    [['x', 'y'], '{job="j"}', '{job="j",__name__=~"x|y"}'],
    [['x{ns="a"}', 'y{ns="a"}', 'x{ns="b"}', 'y{ns="b"}'], '{job="j"}', '{job="j",ns=~"a|b",__name__=~"x|y"}'],
    [['x{ns="a"}', 'y{ns="b"}'], 'x', 'x{ns="a"}'],
    [['x{ns="a"}', '{__name__=~"x.*",ns="b"}'], 'x', 'x{ns=~"a|b"}'],
    [['{ns="a"}', '{ns="a",job="j"}'], 'x', 'x{ns="a"}'],
    [['x', '{ns="a"}'], 'x', 'x'],
  ])('%s: %s', (rules, text, query) => expect(enforced(text, policy(...rules))).toBe(query));
});

describe('rules that no matcher can unite', () => {
  const two = policy('{ns="a"}', '{team="t"}');
  const names = policy('x{ns="a"}', 'y{ns="b"}');
  const T = '__scrapeway_0__';
  it.each([
    ['x', '(x{ns="a"} or x{team="t"})'],
    ['x offset 5m @ 10', '(x{ns="a"} @ 10 offset 5m or x{team="t"} @ 10 offset 5m)'],
    ['sum by (pod) (x)', 'sum by (pod) ((x{ns="a"} or x{team="t"}))'],
    ['rate(x[5m])', '(rate(x{ns="a"}[5m]) or rate(x{team="t"}[5m]))'],
    ['predict_linear((x[5m]), scalar(y))', '(predict_linear(x{ns="a"}[5m], scalar((y{ns="a"} or y{team="t"}))) or predict_linear(x{team="t"}[5m], scalar((y{ns="a"} or y{team="t"}))))'],
    ['max_over_time(x[5m:1m])', 'max_over_time((x{ns="a"} or x{team="t"})[5m:1m])'],
    ['timestamp(x)', '(timestamp(x{ns="a"}) or timestamp(x{team="t"}))'],
    ['absent(x{pod="$p"})', 'label_replace(absent((x{pod="$p",ns="a"} or x{pod="$p",team="t"})), "pod", "$$p", "", "")'],
    ['absent_over_time(x[5m])', 'absent((last_over_time(x{ns="a"}[5m]) or last_over_time(x{team="t"}[5m])))'],
    ['x{ns="a"}', 'x{ns="a"}'],
    ['x{ns="c"}', 'x{ns="c",team="t"}'],
  ])('%s', (text, query) => expect(enforced(text, two)).toBe(query));

  it('over several names carry the name in a temporary label', () => {
    const named = (side: string): string => `label_replace(${side}, "${T}", "$1", "__name__", "(.+)")`;
    const [x, y] = ['{job="j",ns="a",__name__="x"}', '{job="j",ns="b",__name__="y"}'];
    expect(enforced('{job="j"}', names)).toBe(`label_replace((${named(x)} or ${named(y)}), "${T}", "", "", "")`);
    expect(enforced('last_over_time({job="j"}[5m])', names)).toBe(
      `label_replace((${named(`last_over_time(${x}[5m])`)} or ${named(`last_over_time(${y}[5m])`)}), "${T}", "", "", "")`,
    );
  });

  it('over several names, where names get lost, are made disjoint', () => {
    const tagged = (matchers: string, tag: number): string => `label_replace(rate({job="j",${matchers}}[5m]), "${T}", "${tag}", "", "")`;
    expect(enforced('rate({job="j"}[5m])', two)).toBe(
      `label_replace((${tagged('ns="a"', 1)} or ${tagged('team="t",ns!="a"', 2)}), "${T}", "", "", "")`,
    );
  });

  it('use another temporary label where the query has this one', () => {
    expect(enforced(`{job="j"} or up{${T}="1",ns="a"}`, names)).toContain('__scrapeway_1__');
  });

  it.each([
    ['x[5m]', /^unsplittable: .*range of several branches/],
    ['limitk(1, x)', /^unsplittable: .*picks by order/],
  ])('%s is refused', (text, message) => expect(enforced(text, two)).toMatch(message));

  it('are refused beyond the cap, naming the selector', () => {
    const many = policy(...Array.from({ length: 17 }, (_, index) => `{l${index}="v"}`));
    expect(enforced('x', many)).toBe('too_many_branches: x would need 17 branches; at most 16 are allowed');
    expect(enforced('x', many, { maxBranches: 17 })).toContain('x{l16="v"}');
    expect(enforced('rate({job="j"}[5m])', policy('{a="1",b="1",c="1"}', '{d="1",e="1",f="1"}', '{g="1",h="1",i="1"}', '{j="1"}'))).toMatch(/^too_many_branches: /);
  });

  it('are refused where repeated arguments would make the query huge', () => {
    const nested = Array.from({ length: 40 }).reduce<string>((inner) => `predict_linear(x[5m], scalar(${inner}))`, 'x');
    expect(enforced(nested, two)).toBe('too_large: the rewritten query would have more than 5000 parts');
  });
});

describe('a policy', () => {
  it('without rules allows nothing', () => expect(enforced('x', policy())).toBe(`x{${DENIED}}`));

  it.each([
    [{ kind: 'selector', selector: '{ns=~".*",a="b"}' }, [], undefined],
    [{ kind: 'any' }, [], /matches series without any label/],
    [{ kind: 'any' }, [{ name: 'ns', op: '!=', value: 'b' }], /matches series without any label/],
    [{ kind: 'regex', pattern: 'node_.*' }, [], undefined],
    [{ kind: 'regex', pattern: '*_total' }, [], /missing argument to repetition operator/],
    [{ kind: 'regex', pattern: '(?=x)' }, [], /invalid or unsupported Perl syntax/],
    [{ kind: 'selector', selector: '{}' }, [], /at least one non-empty matcher/],
    [{ kind: 'selector', selector: 'x[5m]' }, [], /without offset, @ or range/],
    [{ kind: 'selector', selector: 'x offset 5m' }, [], /without offset, @ or range/],
    [{ kind: 'exact', name: '' }, [], /matches series without any label/],
  ] as const)('%j with labels %j', (metric, labels: readonly Matcher[], message) => {
    const compiled = compilePolicy([{ metric, labels }]);
    if (message === undefined) expect(compiled).toMatchObject({ ok: true });
    else expect(compiled).toMatchObject({ ok: false, error: [{ place: 'rules[0]', message: expect.stringMatching(message) }] });
  });
});

describe('merging', () => {
  it.each(['a.b', 'a|b', '(', '\\', '^$', '[x]{2}*+?'])('takes the value %j literally', (value) => {
    const merged = new Merges().union([{ name: 'ns', op: '=', value }, { name: 'ns', op: '=', value: 'other' }]);
    expect(merged?.value).toContain(escapeRegex(value));
    expect(enforced(`x{ns=${JSON.stringify(value)}}`, policy(`{ns=${JSON.stringify(value)}}`, '{ns="other"}'))).toBe(`x{ns=${JSON.stringify(value)}}`);
  });

  it('leaves regexes alone that would swallow what follows, or cannot stand beside each other', () => {
    expect(enforced('x', policy('{ns=~"\\\\Qa"}', '{ns="b"}'))).toBe('(x{ns=~"\\\\Qa"} or x{ns="b"})');
    expect(enforced('x', policy('{ns=~"(?P<n>a.)"}', '{ns=~"(?P<n>b.)"}'))).toMatch(/ or /);
  });
});

describe('disjoint', () => {
  it('splits so that each case is in one piece only', () => {
    const [a, b, c] = [is('a', '='), is('b', '='), is('c', '=')];
    expect(disjoint([[a, b], [c]], 16)).toEqual([[a, b], [c, is('a', '!=')], [c, a, is('b', '!=')]]);
    expect(disjoint([[a, b], [c]], 2)).toBeUndefined();
  });
});

describe('the last check', () => {
  it.each([
    ['x{ns="a"}', true], ['x', false], ['x{ns="b"}', false], ['x{ns=~"a"}', false], ['x{ns!="b"}', false], ['topk(scalar(x), y{ns="a"})', false], ['1', true],
    ['x{ns="b",ns="c"}', true], ['x{ns="a"} or y{ns=~"a|b"}', false],
  ])('%s: %s', (text, covered) => {
    const parsed = parse(text);
    if (!parsed.ok) throw new Error(parsed.error.message);
    expect(uncovered(parsed.value, A, new Merges()) === undefined).toBe(covered);
  });
});

describe('allowedSelectors, for match[]', () => {
  it.each([
    ['x', ['{ns="a"}', '{team="t"}'], ['x{ns="a"}', 'x{team="t"}']],
    ['x{ns="a"}', ['{ns="a"}', '{team="t"}'], ['x{ns="a"}']],
    ['x{ns="b"}', ['{ns="a"}'], []],
    ['{__name__=~".+"}', ['{ns="a"}', '{ns="b"}'], ['{__name__=~".+",ns=~"a|b"}']],
  ])('%s under %s', (text, rules, expected) => {
    const parsed = parse(text);
    if (!parsed.ok || parsed.value.kind !== 'vector') throw new Error('no selector');
    expect(allowedSelectors(parsed.value, policy(...rules)).map(print)).toEqual(expected);
  });
});

describe('a rule that is a long list of names', () => {
  const names = Array.from({ length: 500 }, (_, index) => `metric_number_${index}`);
  const long = policy(...names);
  const sum = (count: number): string => `sum by (a) ({a="1"}${' or {b="2"}'.repeat(count - 1)})`;

  it('is added to each selector', () => {
    expect(enforced(sum(20), long)).toContain(`{b="2",__name__=~"${names.toSorted().slice(0, 2).join('|')}`);
  });

  it('is not added to so many that the query grows to megabytes', () => {
    expect(enforced(sum(200), long)).toBe('too_large: the rules would add more than 1000000 characters to the query');
  });

  it('is one for all selectors that ask the same of what it is about, and for no others', () => {
    const rules = policy('x{ns="a"}', 'y{ns="b"}');
    expect(enforced('x{a="1"} + x{a="2"} + y{a="1"} + x{ns="b"} + y{ns="b"}', rules)).toBe(`x{a="1",ns="a"} + x{a="2",ns="a"} + y{a="1",ns="b"} + x{ns="b",${DENIED}} + y{ns="b"}`);
  });
});

describe('the explanation', () => {
  it('names each selector, what became of it and by which rules', () => {
    const result = enforce('x{ns="a"} + y + z{ns="q",team="u"}', policy('{ns="a"}', '{team="t"}'));
    expect(result).toMatchObject({
      ok: true,
      value: {
        decisions: [
          { selector: 'x{ns="a"}', outcome: 'unchanged', rules: [0] },
          { selector: 'y', outcome: 'split', rules: [0, 1], span: { start: 12, end: 13 } },
          { selector: 'z{ns="q",team="u"}', outcome: 'denied', rules: [] },
        ],
      },
    });
  });
});
