import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { BackendGroup } from '../model/desired-state.js';
import { Inexact } from '../promql/histogram/histogram.js';
import type { Plan, UpstreamRequest } from './endpoint.js';
import { askFederation } from './federation.js';
import { gather } from './gather.js';
import type { Gathered, GroupAsking } from './gather.js';
import { isObject } from './json.js';
import { mergeLists } from './merge-lists.js';
import { mergeEvaluations } from './merge-values.js';
import { TooLarge } from './reading.js';
import { jsonReply, refuse } from './refusal.js';
import type { Refusal, Reply } from './refusal.js';
import { fromMemory } from './remembered.js';
import { MixedSum, Unmergeable } from './unmergeable.js';

/** A group's answer: each member is asked the same at once, and what they say is put together in the members' order (docs/adr/0022). */

/** Texts and the server itself: any member's answer will do. */
const ALIKE: ReadonlySet<string> = new Set(['/api/v1/format_query', '/api/v1/parse_query', '/api/v1/status/buildinfo']);

type GroupPlan = Extract<Plan, { kind: 'forward' | 'filter' }>;
type Asking = Omit<GroupAsking, 'budget'>;

/** Rejects as `asked` does where all members fail, or one that must not, and with MixedSum where the plan has another one. */
export async function askGroup(plan: GroupPlan, group: BackendGroup, asking: Asking): Promise<Result<Reply, Reply | Refusal>> {
  if (plan.kind === 'forward' && plan.request.path === '/federate') return askFederation(plan.request, group, asking);
  const requests = plan.kind === 'forward' ? [plan.request] : plan.requests;
  const notes = { warnings: new Set<string>(), infos: new Set<string>() };
  const merged: unknown[] = [];
  const budget = { bytes: asking.limits.maxResponseBytes };
  for (const request of requests) {
    const gathered = await gather(plan.kind === 'forward' && plan.merge !== undefined ? evaluation(request) : request, group, { ...asking, budget }, fromMemory(asking.memory));
    if (!gathered.ok) return gathered;
    for (const text of gathered.value.warnings) notes.warnings.add(text);
    for (const text of gathered.value.infos) notes.infos.add(text);
    try {
      merged.push(mergedData(plan, request, gathered.value, notes.infos));
    } catch (error) {
      if (error instanceof MixedSum && 'otherwise' in plan) throw error;
      if (error instanceof Unmergeable || error instanceof Inexact) return refuse('query_not_distributable', error.message);
      throw error;
    }
  }
  const data = plan.kind === 'forward' ? merged[0] : plan.filter(merged);
  const said = Object.entries(notes).flatMap(([kind, texts]) => (texts.size === 0 ? [] : [[kind, [...texts]]]));
  const body = JSON.stringify({ status: 'success', data, ...Object.fromEntries(said) });
  if (Buffer.byteLength(body) > asking.limits.maxResponseBytes) throw new TooLarge();
  return ok(jsonReply(body));
}

function mergedData(plan: GroupPlan, { path, parameters }: UpstreamRequest, gathered: Gathered, infos: Set<string>): unknown {
  const { data } = gathered;
  if (ALIKE.has(path)) return data[0];
  const limit = Number(parameters.find(([name]) => name === 'limit')?.[1] ?? 0);
  if (plan.kind !== 'forward' || plan.merge === undefined) return mergeLists(path, data, limit);
  return cutResult(mergeEvaluations(gathered, plan.merge, infos), limit);
}

export function cutResult(data: unknown, limit: number): unknown {
  return limit > 0 && isObject(data) && (data.resultType === 'vector' || data.resultType === 'matrix') && Array.isArray(data.result) ? { ...data, result: data.result.slice(0, limit) } : data;
}

/** One moment for all members, where the caller has named none; and `limit` is for the whole, since parts of it cannot be combined. */
function evaluation(request: UpstreamRequest): UpstreamRequest {
  const parameters = request.parameters.filter(([name]) => name !== 'limit');
  const isTimed = request.path !== '/api/v1/query' || parameters.some(([name]) => name === 'time');
  return { ...request, parameters: isTimed ? parameters : [...parameters, ['time', `${Date.now() / 1000}`]] };
}
