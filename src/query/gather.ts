import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { BackendGroup } from '../model/desired-state.js';
import { asked, NO_CONTENT } from './asked.js';
import type { Asked } from './asked.js';
import { jsonOf } from './backend-error.js';
import type { UpstreamRequest } from './endpoint.js';
import { isObject } from './json.js';
import { readAll, TooLarge } from './reading.js';
import type { Refusal, Reply } from './refusal.js';
import type { Upstream } from './upstream.js';

/** One question to all members of a group at once: what those say who answer, in the members' order. */

export interface Member {
  readonly name: string;
  readonly upstream: Upstream;
}

export interface Gathered {
  readonly data: readonly unknown[];
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
}

export interface GroupAsking extends Omit<Asked, 'upstream'> {
  readonly members: readonly Member[];
  /** Bytes that may still be read, of all members and of all questions for one query. */
  readonly budget: { bytes: number };
}

/** Of the query's time; what is left is for the answer of the others. */
const MEMBERS_SHARE = 0.9;

/** Rejects as `asked` does where all members fail, or one that must not. */
export async function gather(request: UpstreamRequest, { onFailure }: BackendGroup, { members, limits, signal, budget }: GroupAsking): Promise<Result<Gathered, Reply | Refusal>> {
  const enough = new AbortController();
  const within = AbortSignal.any([signal, enough.signal, ...(onFailure === 'warn' ? [AbortSignal.timeout(limits.timeoutMs * MEMBERS_SHARE)] : [])]);
  try {
    const all = await Promise.all(members.map(({ name, upstream }) => askMember(request, { name, onFailure, budget, asked: { upstream, limits, signal: within } })));
    signal.throwIfAborted();
    return together(all);
  } finally {
    // Where one has failed, nobody waits for the others.
    enough.abort();
  }
}

type MemberAnswer =
  | { readonly kind: 'answer'; readonly body: unknown }
  /** The query's own fault: it is everybody's answer. */
  | { readonly kind: 'error'; readonly error: Reply | Refusal }
  | { readonly kind: 'away'; readonly warning: string; readonly cause: unknown };

interface MemberAsking {
  readonly name: string;
  readonly onFailure: BackendGroup['onFailure'];
  /** Shared by all. */
  readonly budget: { bytes: number };
  readonly asked: Asked;
}

async function askMember(request: UpstreamRequest, { name, onFailure, budget, asked: one }: MemberAsking): Promise<MemberAnswer> {
  try {
    const answer = await asked(request, one);
    if (!answer.ok) {
      if ('status' in answer.error && answer.error.status < 500) return { kind: 'error', error: answer.error };
      if (onFailure === 'fail') return { kind: 'error', error: answer.error };
      throw new Error('it failed');
    }
    const body = await readAll(answer.value.body, budget.bytes);
    budget.bytes -= Buffer.byteLength(body);
    if (budget.bytes < 0) throw new TooLarge();
    if (answer.value.status === NO_CONTENT) return { kind: 'answer', body: { status: 'success', data: [] } };
    const value = jsonOf(body);
    if (!isObject(value) || value.status !== 'success') throw new Error('not an answer of the API');
    return { kind: 'answer', body: value };
  } catch (cause) {
    if (onFailure === 'fail' || cause instanceof TooLarge) throw cause;
    return { kind: 'away', warning: `the answer is not complete: backend "${name}" has not answered`, cause };
  }
}

function together(all: readonly MemberAnswer[]): Result<Gathered, Reply | Refusal> {
  const data: unknown[] = [];
  const warnings: string[] = [];
  const infos: string[] = [];
  for (const one of all) {
    if (one.kind === 'error') return err(one.error);
    if (one.kind === 'away') warnings.push(one.warning);
    else if (isObject(one.body)) {
      data.push(one.body.data);
      warnings.push(...textsOf(one.body.warnings));
      infos.push(...textsOf(one.body.infos));
    }
  }
  const [first] = all;
  if (data.length === 0 && first?.kind === 'away') throw first.cause;
  return ok({ data, warnings, infos });
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((text) => typeof text === 'string') : [];
}
