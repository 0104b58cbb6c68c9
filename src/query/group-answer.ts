import type { Result } from '../lib/result.js';
import type { BackendGroup } from '../model/desired-state.js';
import type { Plan } from './endpoint.js';
import type { GroupAsking } from './gather.js';
import { askGroup } from './group.js';
import { askAndEvaluate } from './group-evaluation.js';
import type { Refusal, Reply } from './refusal.js';
import { MixedSum } from './unmergeable.js';

/** The answer of a group to what is a question of the JSON API; once more, and by other questions, where the first ones have left it open. */

type AnswerPlan = Extract<Plan, { kind: 'forward' | 'filter' | 'evaluate' }>;
type Asking = Omit<GroupAsking, 'budget'>;

/** Rejects as `gather` does. */
export async function answerOfGroup(plan: AnswerPlan, group: BackendGroup, asking: Asking): Promise<Result<Reply, Reply | Refusal>> {
  try {
    return await ask(plan, group, asking);
  } catch (error) {
    const instead = error instanceof MixedSum && 'otherwise' in plan ? plan.otherwise?.() : undefined;
    if (instead === undefined) throw error;
    if (!instead.ok) return instead;
    if (instead.value.kind !== 'forward' && instead.value.kind !== 'evaluate') throw error;
    return ask(instead.value, group, asking);
  }
}

function ask(plan: AnswerPlan, group: BackendGroup, asking: Asking): Promise<Result<Reply, Reply | Refusal>> {
  return plan.kind === 'evaluate' ? askAndEvaluate(plan, group, asking) : askGroup(plan, group, asking);
}
