import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { asked } from './asked.js';
import type { Asked } from './asked.js';
import type { UpstreamRequest } from './endpoint.js';
import { dataOf, extentOf, join } from './extent.js';
import { readApiAnswer, reading, saidIn } from './gather.js';
import type { Asker, Said } from './gather.js';
import { rangeQuestion, startingAt } from './range-cache.js';
import type { Memory, RangeCache, RangeQuestion } from './range-cache.js';
import { readAll } from './reading.js';
import type { Refusal, Reply } from './refusal.js';

/** A range query of which the settled beginning is known from before: the backend is asked for the rest only. */

export interface Remembered {
  readonly said: Said<unknown>;
  /** Of the backend's answer. */
  readonly bytes: number;
  /** That answer, where it is all. */
  readonly text: string | undefined;
}

/** Rejects as `asked` does, and where it is no answer of the API or too large. */
export async function askRemembered(request: UpstreamRequest, question: RangeQuestion, cache: RangeCache, one: Asked, maxBytes: number): Promise<Result<Remembered, Reply | Refusal>> {
  await cache.prepare(question, Date.now());
  const known = cache.find(question);
  if (known !== undefined && known.toMs >= question.endMs) return ok({ said: { data: dataOf(known), warnings: [], infos: [] }, bytes: 0, text: undefined });
  const fromMs = known === undefined ? question.startMs : known.toMs + question.stepMs;
  const answer = await asked(known === undefined ? request : startingAt(request, fromMs), one);
  if (!answer.ok) return answer;
  const text = await readAll(answer.value.body, maxBytes);
  const said = saidIn(text);
  const part = extentOf(said.data, fromMs, question.endMs);
  if (part === undefined) throw new Error('not an answer of the API');
  const whole = known === undefined ? part : join(known, part);
  // What was said besides belongs to this answer and cannot be cut.
  if (said.warnings.length + said.infos.length === 0) cache.keep(question, whole, Date.now());
  const bytes = Buffer.byteLength(text);
  return ok(known === undefined ? { said, bytes, text } : { said: { ...said, data: dataOf(whole) }, bytes, text: undefined });
}

/** Members' answers of the JSON API, each kept for itself. */
export function fromMemory(memory: Memory | undefined): Asker<unknown> {
  const ask = reading(readApiAnswer);
  if (memory === undefined) return ask;
  const { cache, tenant } = memory;
  return (request, one, maxBytes) => {
    const question = rangeQuestion(request, tenant, one.upstream.identity);
    return question === undefined ? ask(request, one, maxBytes) : askRemembered(request, question, cache, one, maxBytes);
  };
}
