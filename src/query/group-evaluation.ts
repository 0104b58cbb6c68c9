import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { BackendGroup } from '../model/desired-state.js';
import type { Expr, Subquery } from '../promql/ast.js';
import { Inexact } from '../promql/histogram/histogram.js';
import type { Histogram } from '../promql/histogram/histogram.js';
import { evaluate } from '../promql/eval/evaluate.js';
import type { EvaluationError, Value } from '../promql/eval/evaluate.js';
import { compareLabelSets } from '../promql/eval/labels.js';
import { HISTOGRAM, NUMBER, timeMs, TooManyPoints } from '../promql/eval/series.js';
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
import { histogramJson } from './histogram-json.js';
import { formatValue } from './numbers.js';
import { fromMemory } from './remembered.js';
import { seriesOf } from './series-json.js';
import { askForStep } from './subquery-step.js';
import { Unmergeable } from './unmergeable.js';

/** The parts of a query are asked of all members at once; what is above them is evaluated over what they say (docs/adr/0022). */

/** Of all vectors of one query, series times steps: nine bytes each, and about a second of work. */
const MAX_POINTS = 5_000_000;

/** Rejects as `gather` does. */
export async function askAndEvaluate({ expr, parts, times, limit }: EvaluationPlan, group: BackendGroup, asking: Omit<GroupAsking, 'budget'>): Promise<Result<Reply, Reply | Refusal>> {
  const window: Window = times.kind === 'range' ? times : { kind: 'instant', timeMs: times.timeMs ?? Date.now() };
  const steps = stepsOf(window);
  const notes = { warnings: new Set<string>(), infos: new Set<string>() };
  const given = new Map<Expr, readonly Series[]>();
  const budget = { points: MAX_POINTS };
  const enough = new AbortController();
  let subqueryStepMs: number | undefined;
  try {
    const together = { ...asking, signal: AbortSignal.any([asking.signal, enough.signal]), budget: { bytes: asking.limits.maxResponseBytes } };
    const defaultStep = parts.some(({ within }) => within.some(({ step }) => step === undefined)) ? await askForStep(group, together) : ok(undefined);
    if (!defaultStep.ok) return defaultStep;
    subqueryStepMs = defaultStep.value;
    const stepsWithin = (within: readonly Subquery[]): Steps | undefined => within.reduce<Steps | undefined>((outer, subquery) => outer && subquerySteps(subquery, outer, subqueryStepMs), steps);
    const asked = parts.map(({ within, ...part }) => ({ ...part, steps: stepsWithin(within), isWithin: within.length > 0 }));
    const most = Math.max(0, ...asked.map((part) => part.steps?.count ?? 0));
    if (most > asking.limits.maxSteps) return refuse('query_over_limit', `${most} steps of a subquery, over the whole range, and at most ${asking.limits.maxSteps} are allowed`);
    const all = await Promise.all(asked.map(async (part) => ({ ...part, gathered: part.steps === undefined ? NOTHING : await gather(at(part.request, part.isWithin ? rangeOf(part.steps) : window), group, together, fromMemory(asking.memory)) })));
    for (const { merge, nodes, gathered, steps: own } of all) {
      if (!gathered.ok) return gathered;
      for (const text of gathered.value.warnings) notes.warnings.add(text);
      for (const text of gathered.value.infos) notes.infos.add(text);
      const series = own === undefined ? [] : seriesOf(mergeEvaluations(gathered.value, merge), { steps: own, budget });
      for (const node of nodes) given.set(node, series);
    }
  } catch (error) {
    if (error instanceof Unmergeable || error instanceof Inexact) return refuse('query_not_distributable', error.message);
    if (error instanceof TooManyPoints) return tooManyPoints();
    throw error;
  } finally {
    // Where one question has failed, nobody waits for the others.
    enough.abort();
  }
  const evaluated = evaluate(expr, { steps, given, maxPoints: budget.points, subqueryStepMs });
  if (!evaluated.ok) return refusedBy(evaluated.error);
  for (const text of evaluated.value.warnings) notes.warnings.add(text);
  for (const text of evaluated.value.infos) notes.infos.add(text);
  const said = Object.entries(notes).flatMap(([kind, texts]) => (texts.size === 0 ? [] : [[kind, [...texts]]]));
  const data = cutResult(dataOf(evaluated.value.value, window, steps), limit);
  const body = JSON.stringify({ status: 'success', data, ...Object.fromEntries(said) });
  if (Buffer.byteLength(body) > asking.limits.maxResponseBytes) throw new TooLarge();
  return ok(jsonReply(body));
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

/** As Prometheus's API has it: over a range, series in the order of their labels. */
function dataOf(value: Value, { kind }: Window, steps: Steps): unknown {
  const pair = (values: Float64Array, step: number): readonly unknown[] => [timeMs(steps, step) / 1000, formatValue(values[step] ?? Number.NaN)];
  if (value.kind === 'string') throw new TypeError('a text is never evaluated here');
  if (kind === 'instant') {
    if (value.kind === 'scalar') return { resultType: 'scalar', result: pair(value.values, 0) };
    return { resultType: 'vector', result: value.series.map(({ labels, values, histograms }) => ({ metric: Object.fromEntries(labels.labels), ...(histograms === undefined ? { value: pair(values, 0) } : { histogram: histogramsOf(histograms, steps)[0] }) })) };
  }
  if (value.kind === 'scalar') return { resultType: 'matrix', result: [{ metric: {}, values: Array.from({ length: steps.count }, (_, step) => pair(value.values, step)) }] };
  const result = value.series.toSorted((a, b) => compareLabelSets(a.labels, b.labels)).map(({ labels, values, present, histograms }) => ({
    metric: Object.fromEntries(labels.labels),
    ...(present.includes(NUMBER) && { values: Array.from(present.entries()).flatMap(([step, is]) => (is === NUMBER ? [pair(values, step)] : [])) }),
    ...(present.includes(HISTOGRAM) && histograms !== undefined && { histograms: histogramsOf(histograms, steps) }),
  }));
  return { resultType: 'matrix', result };
}

function histogramsOf(histograms: ReadonlyMap<number, Histogram>, steps: Steps): readonly (readonly unknown[])[] {
  return [...histograms].sort(([a], [b]) => a - b).map(([step, histogram]) => [timeMs(steps, step) / 1000, histogramJson(histogram)]);
}
