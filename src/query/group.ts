import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { BackendGroup } from '../model/desired-state.js';
import { asked, NO_CONTENT } from './asked.js';
import type { Asked } from './asked.js';
import { jsonOf } from './backend-error.js';
import type { Plan, UpstreamRequest } from './endpoint.js';
import { isObject } from './json.js';
import { mergeLists } from './merge-lists.js';
import { mergeEvaluations, Unmergeable } from './merge-values.js';
import { readAll, TooLarge } from './reading.js';
import { jsonReply, refuse } from './refusal.js';
import type { Refusal, Reply } from './refusal.js';
import type { Upstream } from './upstream.js';

/** A group's answer: each member is asked the same at once, and what they say is put together in the members' order (docs/adr/0022). */

export interface Member {
  readonly name: string;
  readonly upstream: Upstream;
}

/** Of the query's time; what is left is for the answer of the others. */
const MEMBERS_SHARE = 0.9;

/** Texts and the server itself: any member's answer will do. */
const ALIKE: ReadonlySet<string> = new Set(['/api/v1/format_query', '/api/v1/parse_query', '/api/v1/status/buildinfo']);

interface Gathered {
  readonly data: readonly unknown[];
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
}

type GroupPlan = Extract<Plan, { kind: 'forward' | 'filter' }>;
type Asking = Omit<Asked, 'upstream'> & { readonly members: readonly Member[] };

/** Rejects as `asked` does where all members fail, or one that must not. */
export async function askGroup(plan: GroupPlan, group: BackendGroup, asking: Asking): Promise<Result<Reply, Reply | Refusal>> {
  const requests = plan.kind === 'forward' ? [plan.request] : plan.requests;
  const notes = { warnings: new Set<string>(), infos: new Set<string>() };
  const merged: unknown[] = [];
  for (const request of requests) {
    const gathered = await gather(plan.kind === 'forward' && plan.merge !== undefined ? evaluation(request) : request, group, asking);
    if (!gathered.ok) return gathered;
    for (const text of gathered.value.warnings) notes.warnings.add(text);
    for (const text of gathered.value.infos) notes.infos.add(text);
    try {
      merged.push(mergedData(plan, request, gathered.value.data));
    } catch (error) {
      if (error instanceof Unmergeable) return refuse('query_not_distributable', error.message);
      throw error;
    }
  }
  const data = plan.kind === 'forward' ? merged[0] : plan.filter(merged);
  const said = Object.entries(notes).flatMap(([kind, texts]) => (texts.size === 0 ? [] : [[kind, [...texts]]]));
  return ok(jsonReply(JSON.stringify({ status: 'success', data, ...Object.fromEntries(said) })));
}

function mergedData(plan: GroupPlan, { path, parameters }: UpstreamRequest, data: readonly unknown[]): unknown {
  if (ALIKE.has(path)) return data[0];
  const limit = Number(parameters.find(([name]) => name === 'limit')?.[1] ?? 0);
  if (plan.kind !== 'forward' || plan.merge === undefined) return mergeLists(path, data, limit);
  return cutResult(mergeEvaluations(data, plan.merge), limit);
}

function cutResult(data: unknown, limit: number): unknown {
  return limit > 0 && isObject(data) && (data.resultType === 'vector' || data.resultType === 'matrix') && Array.isArray(data.result) ? { ...data, result: data.result.slice(0, limit) } : data;
}

/** One moment for all members, where the caller has named none; and `limit` is for the whole, since parts of it cannot be combined. */
function evaluation(request: UpstreamRequest): UpstreamRequest {
  const parameters = request.parameters.filter(([name]) => name !== 'limit');
  const isTimed = request.path !== '/api/v1/query' || parameters.some(([name]) => name === 'time');
  return { ...request, parameters: isTimed ? parameters : [...parameters, ['time', `${Date.now() / 1000}`]] };
}

async function gather(request: UpstreamRequest, { onFailure }: BackendGroup, { members, limits, signal }: Asking): Promise<Result<Gathered, Reply | Refusal>> {
  const enough = new AbortController();
  const within = AbortSignal.any([signal, enough.signal, ...(onFailure === 'warn' ? [AbortSignal.timeout(limits.timeoutMs * MEMBERS_SHARE)] : [])]);
  const budget = { bytes: limits.maxResponseBytes };
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
