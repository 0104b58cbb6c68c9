import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { BackendGroup } from '../model/desired-state.js';
import { asked, NO_CONTENT } from './asked.js';
import type { Asked } from './asked.js';
import { jsonOf } from './backend-error.js';
import type { UpstreamRequest } from './endpoint.js';
import type { Memory } from './range-cache.js';
import { isObject } from './json.js';
import { readAll, TooLarge } from './reading.js';
import type { Refusal, Reply } from './refusal.js';
import type { Upstream, UpstreamAnswer } from './upstream.js';

/** One question to all members of a group at once: what those say who answer, in the members' order. */

export interface Member {
  readonly name: string;
  readonly upstream: Upstream;
}

/** Of the members that have answered, each one's. */
export interface Gathered<T = unknown> {
  readonly data: readonly T[];
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
}

/** Of one member. */
export interface Said<T> {
  readonly data: T;
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
}

/** Bytes that may still be read, of all members and of all questions for one query. */
interface Budget {
  bytes: number;
}

export interface GroupAsking extends Omit<Asked, 'upstream'> {
  readonly members: readonly Member[];
  readonly budget: Budget;
  /** Where settled answers of range queries are kept. */
  readonly memory?: Memory | undefined;
}

interface Read<T> {
  readonly said: Said<T>;
  readonly bytes: number;
}

/** Rejects where the body is no answer to the question, or is too large. */
export type Reader<T> = (answer: UpstreamAnswer, maxBytes: number) => Promise<Read<T>>;

/** One member, as `asked` and a reader of its answer do. */
export type Asker<T> = (request: UpstreamRequest, one: Asked, maxBytes: number) => Promise<Result<Read<T>, Reply | Refusal>>;

export function reading<T>(read: Reader<T>): Asker<T> {
  return async (request, one, maxBytes) => {
    const answer = await asked(request, one);
    return answer.ok ? ok(await read(answer.value, maxBytes)) : answer;
  };
}

/** Of the query's time; what is left is for the answer of the others. */
const MEMBERS_SHARE = 0.9;

/** Rejects as `asked` does where all members fail, or one that must not. */
export async function gather<T>(request: UpstreamRequest, { onFailure }: Pick<BackendGroup, 'onFailure'>, { members, limits, signal, budget }: GroupAsking, ask: Asker<T>): Promise<Result<Gathered<T>, Reply | Refusal>> {
  const enough = new AbortController();
  const within = AbortSignal.any([signal, enough.signal, ...(onFailure === 'warn' ? [AbortSignal.timeout(limits.timeoutMs * MEMBERS_SHARE)] : [])]);
  try {
    const all = await Promise.all(members.map(({ name, upstream }) => askMember(request, { name, onFailure, budget, ask, asked: { upstream, limits, signal: within } })));
    signal.throwIfAborted();
    return together(all);
  } finally {
    // Where one has failed, nobody waits for the others.
    enough.abort();
  }
}

/** An answer of the JSON API: its `data`. */
export const readApiAnswer: Reader<unknown> = async (answer, maxBytes) => {
  const body = await readAll(answer.body, maxBytes);
  const bytes = Buffer.byteLength(body);
  return { said: answer.status === NO_CONTENT ? { data: [], warnings: [], infos: [] } : saidIn(body), bytes };
};

/** Throws where it is no answer of the JSON API. */
export function saidIn(body: string): Said<unknown> {
  const value = jsonOf(body);
  if (!isObject(value) || value.status !== 'success') throw new Error('not an answer of the API');
  return { data: value.data, warnings: textsOf(value.warnings), infos: textsOf(value.infos) };
}

type MemberAnswer<T> =
  | { readonly kind: 'answer'; readonly said: Said<T> }
  /** The query's own fault: it is everybody's answer. */
  | { readonly kind: 'error'; readonly error: Reply | Refusal }
  | { readonly kind: 'away'; readonly warning: string; readonly cause: unknown };

interface MemberAsking<T> {
  readonly name: string;
  readonly onFailure: BackendGroup['onFailure'];
  readonly budget: Budget;
  readonly ask: Asker<T>;
  readonly asked: Asked;
}

async function askMember<T>(request: UpstreamRequest, { name, onFailure, budget, ask, asked: one }: MemberAsking<T>): Promise<MemberAnswer<T>> {
  try {
    const answer = await ask(request, one, budget.bytes);
    if (!answer.ok) {
      if ('status' in answer.error && answer.error.status < 500) return { kind: 'error', error: answer.error };
      if (onFailure === 'fail') return { kind: 'error', error: answer.error };
      throw new Error('it failed');
    }
    const { said, bytes } = answer.value;
    budget.bytes -= bytes;
    if (budget.bytes < 0) throw new TooLarge();
    return { kind: 'answer', said };
  } catch (cause) {
    if (onFailure === 'fail' || cause instanceof TooLarge) throw cause;
    return { kind: 'away', warning: `the answer is not complete: backend "${name}" has not answered`, cause };
  }
}

function together<T>(all: readonly MemberAnswer<T>[]): Result<Gathered<T>, Reply | Refusal> {
  const data: T[] = [];
  const warnings: string[] = [];
  const infos: string[] = [];
  for (const one of all) {
    if (one.kind === 'error') return err(one.error);
    if (one.kind === 'away') warnings.push(one.warning);
    else {
      data.push(one.said.data);
      warnings.push(...one.said.warnings);
      infos.push(...one.said.infos);
    }
  }
  const [first] = all;
  if (data.length === 0 && first?.kind === 'away') throw first.cause;
  return ok({ data, warnings, infos });
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((text) => typeof text === 'string') : [];
}
