import { Agent, request } from 'undici';
import type { Features } from '../../../src/promql/features.js';
import { startPrometheus } from '../../support/prometheus.js';

/** A real Prometheus asked what it makes of an expression; many questions over a few connections that stay open. */

export interface Verdict {
  /** The tree as its API tells it; absent where it refuses, and where JSON cannot say it (`fill(Inf)`). */
  readonly tree: unknown;
  /** Why it refuses, with the position. */
  readonly error: string | undefined;
}

export interface Oracle extends AsyncDisposable {
  ask(expression: string): Promise<Verdict>;
  /** The answers in the order of the questions. */
  askAll(expressions: readonly string[]): Promise<readonly Verdict[]>;
}

interface Answer {
  readonly status: 'success' | 'error';
  readonly data?: unknown;
  readonly error?: string;
}

const CONNECTIONS = 4;
const FLAGS: readonly (readonly [keyof Features, string])[] = [
  ['experimentalFunctions', 'promql-experimental-functions'],
  ['extendedRangeSelectors', 'promql-extended-range-selectors'],
  ['fillModifiers', 'promql-binop-fill-modifiers'],
];

export async function startOracle(features: Features): Promise<Oracle> {
  const enabled = FLAGS.flatMap(([feature, flag]) => (features[feature] ? [flag] : []));
  const prometheus = await startPrometheus({ config: {}, args: enabled.length === 0 ? [] : [`--enable-feature=${enabled.join(',')}`] });
  const agent = new Agent({ connections: CONNECTIONS, pipelining: 1 });

  async function ask(expression: string): Promise<Verdict> {
    const { body } = await request(`${prometheus.url}/api/v1/parse_query`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ query: expression }).toString(),
      dispatcher: agent,
    });
    const text = await body.text();
    if (/^v1\.Response\.Data: .*unsupported value/.test(text)) return { tree: undefined, error: undefined };
    const answer: Answer = JSON.parse(text);
    return { tree: answer.data, error: answer.status === 'success' ? undefined : (answer.error ?? 'no message') };
  }

  return {
    ask,
    askAll: async (expressions) => {
      const verdicts: Verdict[] = [];
      for (let i = 0; i < expressions.length; i += 64) verdicts.push(...(await Promise.all(expressions.slice(i, i + 64).map(ask))));
      return verdicts;
    },
    [Symbol.asyncDispose]: async () => {
      await agent.destroy();
      await prometheus.stop();
    },
  };
}
