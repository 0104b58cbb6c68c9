import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { BackendGroup } from '../model/desired-state.js';
import type { Expr, Subquery } from '../promql/ast.js';
import { Inexact } from '../promql/histogram/histogram.js';
import { evaluate } from '../promql/eval/evaluate.js';
import type { Evaluation, EvaluationError } from '../promql/eval/evaluate.js';
import { timeMs, TooManyPoints } from '../promql/eval/series.js';
import type { Series, Steps } from '../promql/eval/series.js';
import { subquerySteps } from '../promql/eval/windows.js';
import type { EvaluationPlan, EvaluationWindow, UpstreamRequest } from './endpoint.js';
import { gather } from './gather.js';
import type { GroupAsking } from './gather.js';
import { cutResult } from './group.js';
import { mergeEvaluations } from './merge-values.js';
import { TooLarge } from './reading.js';
import { errorReply, jsonReply, refuse } from './refusal.js';
import type { Refusal, Reply } from './refusal.js';
import { fromMemory } from './remembered.js';
import { seriesOf } from './series-json.js';
import { askForStep } from './subquery-step.js';
import { MixedSum, Unmergeable } from './unmergeable.js';
import { valueJson } from './value-json.js';

/** The parts of a query are asked of all members at once; what is above them is evaluated over what they say (docs/adr/0022). */

/** Of all vectors of one query, series times steps: nine bytes each, and about a second of work. */
const MAX_POINTS = 5_000_000;

interface Notes {
  readonly warnings: Set<string>;
  readonly infos: Set<string>;
}

/** Rejects as `gather` does, and with MixedSum where the plan has another one. */
export async function askAndEvaluate(plan: EvaluationPlan, group: BackendGroup, asking: Omit<GroupAsking, 'budget'>): Promise<Result<Reply, Reply | Refusal>> {
  const { expr, times, limit } = plan;
  const window: Window = times.kind === 'range' ? times : { kind: 'instant', timeMs: times.timeMs ?? Date.now() };
  const steps = stepsOf(window);
  const notes: Notes = { warnings: new Set<string>(), infos: new Set<string>() };
  const asked = await askParts(plan, { window, steps, group, asking, notes });
  if (!asked.ok) return asked;
  const { given, maxPoints, subqueryStepMs } = asked.value;
  const evaluated = evaluate(expr, { steps, given, maxPoints, subqueryStepMs });
  if (!evaluated.ok) return refusedBy(evaluated.error);
  const { value, warnings, infos } = evaluated.value;
  note(notes, { warnings, infos });
  const said = Object.entries(notes).flatMap(([kind, texts]) => (texts.size === 0 ? [] : [[kind, [...texts]]]));
  const body = JSON.stringify({ status: 'success', data: cutResult(valueJson(value, window.kind, steps), limit), ...Object.fromEntries(said) });
  if (Buffer.byteLength(body) > asking.limits.maxResponseBytes) throw new TooLarge();
  return ok(jsonReply(body));
}

function note(notes: Notes, { warnings, infos }: { readonly warnings: readonly string[]; readonly infos: readonly string[] }): void {
  for (const text of warnings) notes.warnings.add(text);
  for (const text of infos) notes.infos.add(text);
}

interface PartsAsking {
  readonly window: Window;
  readonly steps: Steps;
  readonly group: BackendGroup;
  readonly asking: Omit<GroupAsking, 'budget'>;
  readonly notes: Notes;
}

/** What the evaluation is given: the parts' answers, and how many points are left for it. */
type Given = Pick<Evaluation, 'given' | 'maxPoints' | 'subqueryStepMs'>;

async function askParts({ parts, otherwise }: EvaluationPlan, { window, steps, group, asking, notes }: PartsAsking): Promise<Result<Given, Reply | Refusal>> {
  const given = new Map<Expr, readonly Series[]>();
  const budget = { points: MAX_POINTS };
  const enough = new AbortController();
  try {
    const together = { ...asking, signal: AbortSignal.any([asking.signal, enough.signal]), budget: { bytes: asking.limits.maxResponseBytes } };
    const subqueryStep = parts.some(({ within }) => within.some(({ step }) => step === undefined)) ? await askForStep(group, together) : ok(undefined);
    if (!subqueryStep.ok) return subqueryStep;
    const stepsWithin = (within: readonly Subquery[]): Steps | undefined => within.reduce<Steps | undefined>((outer, subquery) => outer && subquerySteps(subquery, outer, subqueryStep.value), steps);
    const asked = parts.map(({ within, ...part }) => ({ ...part, steps: stepsWithin(within), isWithin: within.length > 0 }));
    const most = Math.max(0, ...asked.map((part) => part.steps?.count ?? 0));
    if (most > asking.limits.maxSteps) return refuse('query_over_limit', `${most} steps of a subquery, over the whole range, and at most ${asking.limits.maxSteps} are allowed`);
    const ask = fromMemory(asking.memory);
    const all = await Promise.all(asked.map(async (part) => ({ ...part, gathered: part.steps === undefined ? NOTHING : await gather(at(part.request, part.isWithin ? rangeOf(part.steps) : window), group, together, ask) })));
    for (const { merge, nodes, gathered, steps: own } of all) {
      if (!gathered.ok) return gathered;
      note(notes, gathered.value);
      const series = own === undefined ? [] : seriesOf(mergeEvaluations(gathered.value, merge, notes.infos), { steps: own, budget });
      for (const node of nodes) given.set(node, series);
    }
    return ok({ given, maxPoints: budget.points, subqueryStepMs: subqueryStep.value });
  } catch (error) {
    if (error instanceof MixedSum && otherwise !== undefined) throw error;
    if (error instanceof Unmergeable || error instanceof Inexact) return refuse('query_not_distributable', error.message);
    if (error instanceof TooManyPoints) return tooManyPoints();
    throw error;
  } finally {
    // Where one question has failed, nobody waits for the others.
    enough.abort();
  }
}

type Window = Extract<EvaluationWindow, { kind: 'range' }> | { readonly kind: 'instant'; readonly timeMs: number };

/** Of a part whose subquery has no step in the time that is asked about. */
const NOTHING = ok({ data: [], warnings: [], infos: [] });

function rangeOf(steps: Steps): Window {
  return { kind: 'range', startMs: steps.startMs, endMs: timeMs(steps, steps.count - 1), stepMs: steps.stepMs };
}

function refusedBy(error: EvaluationError): Result<never, Reply | Refusal> {
  switch (error.kind) {
    case 'fault':
      return err(errorReply(422, 'execution', error.message));
    case 'inexact':
      return refuse('query_not_distributable', error.message);
    case 'too_many_points':
      return tooManyPoints();
  }
}

function tooManyPoints(): ReturnType<typeof refuse> {
  return refuse('query_over_limit', `more than ${MAX_POINTS} values (series times steps) would have to be evaluated here; use a longer step, or aggregate more`);
}

function stepsOf(window: Window): Steps {
  if (window.kind === 'instant') return { startMs: window.timeMs, stepMs: 1, count: 1 };
  const { startMs, endMs, stepMs } = window;
  return { startMs, stepMs, count: Math.floor((endMs - startMs) / stepMs) + 1 };
}

/** VictoriaMetrics moves a range onto its cache's steps unless it is told not to use that; others do not know the parameter. */
const EXACT_STEPS = ['nocache', '1'] as const;

function at(request: UpstreamRequest, window: Window): UpstreamRequest {
  const seconds = (ms: number): string => `${ms / 1000}`;
  const times = window.kind === 'instant'
    ? [['time', seconds(window.timeMs)] as const]
    : [['start', seconds(window.startMs)] as const, ['end', seconds(window.endMs)] as const, ['step', seconds(window.stepMs)] as const];
  return { ...request, parameters: [...request.parameters, ...times, EXACT_STEPS] };
}
