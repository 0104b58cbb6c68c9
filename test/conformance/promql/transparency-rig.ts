import { request } from 'undici';
import { compilePolicy } from '../../../src/promql/enforce/policy.js';
import type { Policy } from '../../../src/promql/enforce/policy.js';
import { startPrometheus } from '../../support/prometheus.js';
import type { RunningPrometheus } from '../../support/prometheus.js';
import { remoteWrite } from './remote-write.js';
import type { Series } from './remote-write.js';

/** What tests of transparency share: servers with some of the series, questions to them, and answers in one form. */

export interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data?: { readonly resultType: string; readonly result: unknown };
}

const FEATURES = '--enable-feature=promql-experimental-functions,promql-extended-range-selectors,promql-binop-fill-modifiers,exemplar-storage';

export function policyOf(selectors: readonly string[]): Policy {
  const compiled = compilePolicy(selectors.map((selector) => ({ metric: { kind: 'selector', selector }, labels: [] })));
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.error));
  return compiled.value;
}

export function isAllowed({ rules }: Policy, { labels }: Series): boolean {
  return rules.some((rule) => rule.every(({ matcher, accepts }) => accepts(labels[matcher.name] ?? '')));
}

export async function startWith(series: readonly Series[]): Promise<RunningPrometheus> {
  const server = await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver', FEATURES] });
  await remoteWrite(server.url, series);
  return server;
}

export async function ask(server: Pick<RunningPrometheus, 'url'>, path: string, parameters: Readonly<Record<string, string>>): Promise<Answer> {
  const { body } = await request(`${server.url}/api/v1/${path}`, {
    method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams(parameters).toString(),
  });
  const answer: Answer = JSON.parse(await body.text());
  return answer;
}

/** With series in one order, and numbers short enough for sums to be equal whatever the order of the summands was. */
export function canonical({ status, data }: Answer): unknown {
  if (data === undefined) return { status };
  const result = rounded(data.result);
  return { status, type: data.resultType, result: Array.isArray(result) && data.resultType !== 'scalar' ? result.map((item) => JSON.stringify(item)).sort() : result };
}

function rounded(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(rounded);
  if (typeof value === 'string') return /^-?[\d.]+(?:e[+-]?\d+)?$/.test(value) ? tidy(Number(value)) : value;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, rounded(item)]));
}

function tidy(value: number): string {
  return Math.abs(value) < 1e-9 ? '0' : value.toPrecision(9);
}

/** Status, type and result, series in the order of their labels. */
export function byLabels({ status, data }: Answer): unknown {
  if (data === undefined) return { status };
  const { resultType, result } = data;
  return { status, resultType, result: Array.isArray(result) && resultType !== 'scalar' ? result.toSorted((a, b) => (labelsOf(a) < labelsOf(b) ? -1 : 1)) : result };
}

/** A label made of a number (`count_values`) has its last digits from the order of summands, too. */
function labelsOf(item: unknown): string {
  return JSON.stringify(rounded(typeof item === 'object' && item !== null && 'metric' in item ? item.metric : item));
}

const RELATIVE = 1e-6;
const ABSOLUTE = 1e-6;

/** Equal, but for the last digits of numbers, which depend on the order of summands. */
export function areClose(one: unknown, other: unknown): boolean {
  if (typeof one === 'string' && typeof other === 'string') {
    const [a, b] = [Number(one), Number(other)];
    return one === other || Math.abs(a - b) <= Math.max(ABSOLUTE, RELATIVE * Math.max(Math.abs(a), Math.abs(b)));
  }
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return Object.is(one, other);
  const [keys, others] = [Object.keys(one).toSorted(), Object.keys(other).toSorted()];
  return keys.length === others.length && keys.every((key, index) => key === others[index] && areClose(Reflect.get(one, key), Reflect.get(other, key)));
}
