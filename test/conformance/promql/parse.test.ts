import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isDeepStrictEqual } from 'node:util';
import type { Expr } from '../../../src/promql/ast.js';
import { ALL_FEATURES, DEFAULT_FEATURES } from '../../../src/promql/features.js';
import type { Features } from '../../../src/promql/features.js';
import { formatParseError, parse } from '../../../src/promql/parse.js';
import { print } from '../../../src/promql/print.js';
import { equal } from '../../../src/promql/walk.js';
import { CORPUS } from './corpus.js';
import { Generator } from './generate.js';
import { startOracle } from './oracle.js';
import type { Oracle, Verdict } from './oracle.js';
import { shapeOf } from './shape.js';

/**
 * Our parser against Prometheus's own: the same is accepted, with the same tree, and what we print means to Prometheus what the
 * original meant. Known differences are listed, each with its reason, and must really be there.
 */

/** Refused by us, accepted by Prometheus (docs/adr/0020). */
const STRICTER: Readonly<Record<string, string>> = {
  'a offset NaN': 'what becomes of NaN as an integer depends on the processor',
  'a offset nan': 'the same',
  'a offset -NaN': 'the same',
};

const SEED = 20_261_121;
const ROUNDS = 2_500;

interface Accepted {
  readonly text: string;
  readonly expr: Expr;
  readonly tree: unknown;
}

interface Comparison {
  readonly differences: readonly string[];
  readonly accepted: readonly Accepted[];
  readonly refused: number;
  /** Refusals in exactly Prometheus's words, position included. */
  readonly sameWords: number;
}

function compare(expressions: readonly string[], verdicts: readonly Verdict[], features: Features): Comparison {
  const differences: string[] = [];
  const accepted: Accepted[] = [];
  let refused = 0;
  let sameWords = 0;
  for (const [index, text] of expressions.entries()) {
    const verdict = verdicts[index];
    const ours = parse(text, { features });
    if (verdict === undefined || ours.ok !== (verdict.error === undefined)) {
      differences.push(`${JSON.stringify(text)}: ${ours.ok ? 'accepted here' : formatParseError(ours.error)}; Prometheus: ${verdict?.error ?? 'accepted'}`);
    } else if (!ours.ok) {
      refused += 1;
      if (verdict.error === `invalid parameter "query": ${formatParseError(ours.error)}`) sameWords += 1;
    } else if (verdict.tree !== undefined && !isDeepStrictEqual(shapeOf(ours.value), verdict.tree)) {
      differences.push(`${JSON.stringify(text)}: ${JSON.stringify(shapeOf(ours.value))}; Prometheus: ${JSON.stringify(verdict.tree)}`);
    } else accepted.push({ text, expr: ours.value, tree: verdict.tree });
  }
  return { differences, accepted, refused, sameWords };
}

/** Print → parse gives an equal tree here, and the same tree there. */
async function misprinted(oracle: Oracle, accepted: readonly Accepted[], features: Features): Promise<readonly string[]> {
  const printed = accepted.map(({ expr }) => print(expr));
  const verdicts = await oracle.askAll(printed);
  return accepted.flatMap(({ text, expr, tree }, index) => {
    const again = parse(printed[index] ?? '', { features });
    const same = again.ok && equal(again.value, expr) && isDeepStrictEqual(verdicts[index]?.tree, tree);
    return same ? [] : [`${JSON.stringify(text)} → ${printed[index]}`];
  });
}

describe.each([
  { name: 'with every feature on', features: ALL_FEATURES },
  { name: 'as it comes', features: DEFAULT_FEATURES },
])('Prometheus $name', ({ features }) => {
  let oracle: Oracle;

  beforeAll(async () => {
    oracle = await startOracle(features);
  });
  afterAll(async () => {
    await oracle[Symbol.asyncDispose]();
  });

  it('agrees on each expression of the corpus', async () => {
    const expressions = CORPUS.filter((text) => STRICTER[text] === undefined);
    const { differences, accepted, refused, sameWords } = compare(expressions, await oracle.askAll(expressions), features);
    expect(differences).toEqual([]);
    expect(await misprinted(oracle, accepted, features)).toEqual([]);
    expect(Math.min(accepted.length, refused)).toBeGreaterThan(500);
    expect(sameWords / refused).toBeGreaterThan(0.97);
  });

  it('agrees on random expressions and damaged ones', async () => {
    const generator = new Generator(SEED);
    const expressions = Array.from({ length: ROUNDS }, () => generator.expression()).flatMap((text) => [text, generator.damaged(text)]);
    const { differences, accepted, refused, sameWords } = compare(expressions, await oracle.askAll(expressions), features);
    expect(differences).toEqual([]);
    expect(await misprinted(oracle, accepted, features)).toEqual([]);
    expect(Math.min(accepted.length, refused)).toBeGreaterThan(500);
    expect(sameWords / refused).toBeGreaterThan(0.97);
  });

  it.each(Object.entries(STRICTER))('takes what is refused here on purpose, %s: %s', async (text) => {
    expect((await oracle.ask(text)).error).toBeUndefined();
    expect(parse(text, { features })).toMatchObject({ ok: false });
  });
});
