import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Agent, request } from 'undici';
import { compileRegex } from '../../../src/promql/regex.js';
import { quote } from '../../../src/promql/strings.js';
import { startPrometheus } from '../../support/prometheus.js';
import type { RunningPrometheus } from '../../support/prometheus.js';

/**
 * Whether a value matches decides who sees what, so our RE2 must agree with Prometheus's on each pattern and value. Its
 * label_replace tells: it anchors a pattern and lets `.` match newline exactly as matchers do.
 */

const PATTERNS = [
  '', 'a', 'a|b', 'a|', '|', '.', '.*', '.+', 'a.*', '.*b', 'a.b', '(a|b)c?', '[a-z]+', '[^a-z]+', '[[:alpha:]]+', '[[:^digit:]]+', '\\d+', '\\D+', '\\w+', '\\W+',
  '\\s', '\\S+', '\\bab\\b', 'a\\b.*', '(?i)AB', '(?i:a)B', '(?i)straße', '(?i)ſ', '(?i)k',
  '(?s:.)', '(?-s).', '(?-s:a.b)', '(?m)a$', '(?m)^a$.*', '^a$', '\\Aa\\z', 'a$', '^', '$', '(?U)a+', 'a{2}', 'a{1,2}', 'a{2,}', 'a*?', '(?:ab)+', '(?P<x>a)b',
  '(?<x>a)b', '\\pL+', '\\p{Greek}', '\\PL', '\\p{Lu}', '[\\p{Lu}b]', '\\Qa.b\\E', '\\x41', '\\x{1F600}',
  'a\\.b', '[.]', '[a\\]]+', '\\n', 'a\\nb', '[^b]*', '(a*)*', '(|a)+', 'é', '[é-ü]', '😀', '[😀]', '\\C', '(?i)[a-c]+', '\\t', '\\v', '\\f', '\\a', '\\/', '[[:word:]]+',
  '[[:space:]]', '[\\d-]+', '\\B.*', '.{2}',
];
const VALUES = [
  '', 'a', 'b', 'c', 'A', 'ab', 'aB', 'AB', 'ac', 'a.b', 'aab', 'aa', 'a\nb', '\n', 'a\n', '1', '12', 'a1', '_', '-', ' ', '\t', '\v', '\f', '\u0007', 'é', 'É', 'ü',
  'λ', 'Σ', 'ς', 'straße', 'STRASSE', 'ſ', 's', 'K', 'k', '\u212a', '😀', '/', ']', 'a]', '\u00a0', '\u2028', 'ǅ',
];

describe('regular expressions', () => {
  let prometheus: RunningPrometheus;
  const agent = new Agent({ connections: 2 });

  beforeAll(async () => {
    prometheus = await startPrometheus({ config: {} });
  });
  afterAll(async () => {
    await agent.destroy();
    await prometheus.stop();
  });

  /** The values that Prometheus lets match; undefined where it refuses the pattern. */
  async function matching(pattern: string): Promise<readonly number[] | undefined> {
    const tries = VALUES.map((value, index) => {
      const labelled = `label_replace(label_replace(vector(1), "v", ${quote(value)}, "", ""), "n", "${index}", "", "")`;
      return `label_replace(${labelled}, "m", "yes", "v", ${quote(pattern)})`;
    });
    const { body } = await request(`${prometheus.url}/api/v1/query`, {
      method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, dispatcher: agent, body: new URLSearchParams({ query: tries.join(' or ') }).toString(),
    });
    const answer: { readonly data?: { readonly result: readonly { readonly metric: Readonly<Record<string, string>> }[] } } = JSON.parse(await body.text());
    return answer.data?.result.filter(({ metric }) => metric['m'] === 'yes').map(({ metric }) => Number(metric['n'])).sort((a, b) => a - b);
  }

  it.each(PATTERNS.map((pattern) => [pattern]))('%j', async (pattern) => {
    const compiled = compileRegex(pattern);
    const ours = compiled.ok ? VALUES.flatMap((value, index) => (compiled.value(value) ? [index] : [])) : undefined;
    expect(ours).toEqual(await matching(pattern));
  });
});
