import type { QueryLimits } from '../model/desired-state.js';
import type { Duration, DurationExpr, Expr } from '../promql/ast.js';
import { childrenOf, visit } from '../promql/walk.js';

/** What one query may cost, decided from its text before anybody is asked. */

export type Limits = { readonly [K in keyof QueryLimits]-?: number };

const DAY_MS = 86_400_000;

/** Steps, concurrency and timeout are Prometheus's own. */
export const DEFAULT_LIMITS: Limits = {
  maxQueryChars: 131_072,
  maxDepth: 200,
  maxBranches: 16,
  maxRangeMs: 366 * DAY_MS,
  maxSteps: 11_000,
  maxConcurrent: 20,
  timeoutMs: 120_000,
  maxResponseBytes: 128 * 1024 * 1024,
};

export function limitsOf(own: QueryLimits | undefined, general: QueryLimits = {}): Limits {
  const pick = (key: keyof QueryLimits): number => own?.[key] ?? general[key] ?? DEFAULT_LIMITS[key];
  return {
    maxQueryChars: pick('maxQueryChars'),
    maxDepth: pick('maxDepth'),
    maxBranches: pick('maxBranches'),
    maxRangeMs: pick('maxRangeMs'),
    maxSteps: pick('maxSteps'),
    maxConcurrent: pick('maxConcurrent'),
    timeoutMs: pick('timeoutMs'),
    maxResponseBytes: pick('maxResponseBytes'),
  };
}

/** Selectors and their matchers, of one question: each is compared with each rule. */
export const MAX_MATCHERS = 2_000;

/** When a query is evaluated; an instant is a range without steps. */
export interface Times {
  readonly rangeMs: number;
  readonly stepMs: number;
}

/** Prometheus's evaluation interval, which a subquery without a step has. */
const DEFAULT_STEP_MS = 60_000;

/** The limit that the query is over, in words; undefined where it is within all. */
export function overLimit(expr: Expr, times: Times, { maxRangeMs, maxSteps }: Limits): string | undefined {
  const steps = times.stepMs === 0 ? 1 : Math.floor(times.rangeMs / times.stepMs) + 1;
  if (steps > maxSteps) return `${steps} steps, and at most ${maxSteps} are allowed; use a longer step or a shorter range`;
  const reach = times.rangeMs + reachMs(expr, times);
  if (!(reach <= maxRangeMs)) return `it reaches over ${Math.ceil(reach / 1000)} s, and at most ${Math.floor(maxRangeMs / 1000)} s are allowed`;
  let most = 0;
  let matchers = 0;
  visit(expr, (node) => {
    if (node.kind === 'vector') matchers += 1 + node.matchers.length;
    if (node.kind === 'subquery') most = Math.max(most, lengthMs(node.range, times) / (node.step === undefined ? DEFAULT_STEP_MS : Math.max(1, lengthMs(node.step, times))));
  });
  if (matchers > MAX_MATCHERS) return `${matchers} selectors and matchers, and at most ${MAX_MATCHERS} are allowed`;
  return most <= maxSteps ? undefined : `a subquery of ${Math.ceil(most)} steps, and at most ${maxSteps} are allowed`;
}

/** How far back of the moment of evaluation: ranges within subqueries add up. Offsets move the window, they do not widen it. */
function reachMs(expr: Expr, times: Times): number {
  const below = childrenOf(expr).reduce((most, child) => Math.max(most, reachMs(child, times)), 0);
  return expr.kind === 'matrix' || expr.kind === 'subquery' ? below + Math.max(0, lengthMs(expr.range, times)) : below;
}

function lengthMs(duration: Duration, times: Times): number {
  return seconds(duration, times) * 1000;
}

function seconds(duration: Duration | undefined, times: Times): number {
  if (duration === undefined) return 0;
  return duration.kind === 'number' ? duration.value : calculated(duration, times);
}

function calculated({ op, lhs, rhs }: DurationExpr, times: Times): number {
  const [left, right] = [seconds(lhs, times), seconds(rhs, times)];
  switch (op) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      return left / right;
    case '%':
      return left % right;
    case '^':
      return left ** right;
    case 'step':
      return times.stepMs / 1000;
    case 'range':
      return times.rangeMs / 1000;
    case 'min_of':
      return Math.min(left, right);
    case 'max_of':
      return Math.max(left, right);
  }
}
