import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { Aggregation, Call, Expr, Subquery } from '../promql/ast.js';
import { typeOf } from '../promql/check.js';
import { unevaluable } from '../promql/eval/evaluate.js';
import { windowedCall } from '../promql/eval/windows.js';
import { childrenOf, selectorsOf, visit } from '../promql/walk.js';
import { distribute } from './distribute.js';
import type { Merge } from './distribute.js';
import { meansAndCounts } from './merge-means.js';

/**
 * A query that members cannot answer as it is, cut in two: below, the largest parts that each member can answer and whose answers can
 * be put together; above, what is left, which is evaluated here.
 */

export interface Part {
  readonly expr: Expr;
  readonly merge: Merge;
  /** In which it stands, the outermost first: its steps are theirs. */
  readonly within: readonly Subquery[];
}

/** By the nodes in whose place their answers stand. The error says what can be done neither there nor here. */
export function partsOf(expr: Expr, disjointBy: readonly string[]): Result<ReadonlyMap<Expr, Part>, string> {
  const parts = new Map<Expr, Part>();
  const fault = collect(expr, { disjointBy, within: [], parts });
  return fault === undefined ? ok(parts) : err(fault);
}

interface Cut {
  readonly disjointBy: readonly string[];
  readonly within: readonly Subquery[];
  readonly parts: Map<Expr, Part>;
}

/** Adds the parts of the node. The fault, where it has one. */
function collect(node: Expr, cut: Cut): string | undefined {
  const { disjointBy, within, parts } = cut;
  if (selectorsOf(node).length === 0 && isEvaluable(node)) return undefined;
  const whole = distribute(node, disjointBy);
  if (whole.ok && typeOf(node) === 'vector') {
    parts.set(node, { expr: node, merge: whole.value, within });
    return undefined;
  }
  const smaller = instead(node, disjointBy);
  if (smaller !== undefined) {
    parts.set(smaller.of, { ...smaller.part, within });
    return undefined;
  }
  const windowed = node.kind === 'call' ? windowedCall(node) : undefined;
  if (windowed !== undefined) {
    const { subquery, parameters } = windowed;
    return [...parameters.map((parameter) => collect(parameter, cut)), collect(subquery.expr, { ...cut, within: [...within, subquery] })].find((fault) => fault !== undefined);
  }
  const reason = unevaluable(node);
  if (reason !== undefined) return whole.ok ? `${reason} over several backends` : `${reason} over what is not one backend's own (${whole.error})`;
  for (const child of childrenOf(node)) {
    const fault = collect(child, cut);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function isEvaluable(expr: Expr): boolean {
  let evaluable = true;
  visit(expr, (node) => {
    evaluable &&= unevaluable(node) === undefined;
  });
  return evaluable;
}

interface Instead {
  readonly of: Expr;
  readonly part: Omit<Part, 'within'>;
}

/** Where less than all series of an argument will do. */
function instead(node: Expr, disjointBy: readonly string[]): Instead | undefined {
  if (node.kind === 'aggregation') return node.op === 'avg' ? mean(node, disjointBy) : best(node, disjointBy);
  const [argument] = node.kind === 'call' ? node.args : [];
  if (node.kind !== 'call' || argument === undefined) return undefined;
  if (node.name === 'absent') return anyOf(argument, argument, disjointBy);
  // It keeps names, so that no two series become one.
  if (node.name === 'absent_over_time') return anyOf(argument, { kind: 'call', name: 'last_over_time', args: [argument], span: node.span } satisfies Call, disjointBy);
  return undefined;
}

/** Of what is absent or not, it is enough to know whether there is any. */
function anyOf(of: Expr, series: Expr, disjointBy: readonly string[]): Instead | undefined {
  const expr: Aggregation = { kind: 'aggregation', op: 'group', expr: series, param: undefined, grouping: [], without: false, span: of.span };
  const merge = distribute(expr, disjointBy);
  return merge.ok ? { of, part: { expr, merge: merge.value } } : undefined;
}

/** Made of each member's, where every series is one member's only. */
function mean(node: Aggregation, disjointBy: readonly string[]): Instead | undefined {
  return isEachOneMembers(node.expr, disjointBy) ? { of: node, part: { expr: meansAndCounts(node), merge: { kind: 'mean' } } } : undefined;
}

/** The best of all (of `limitk`: any) are among the best of each member, where every series is one member's only. */
function best(node: Aggregation, disjointBy: readonly string[]): Instead | undefined {
  const { op, expr, param } = node;
  if ((op !== 'topk' && op !== 'bottomk' && op !== 'limitk') || param === undefined || selectorsOf(param).length > 0) return undefined;
  return isEachOneMembers(expr, disjointBy) ? { of: expr, part: { expr: node, merge: { kind: 'union', disjoint: true, order: 'labels' } } } : undefined;
}

function isEachOneMembers(expr: Expr, disjointBy: readonly string[]): boolean {
  const merge = distribute(expr, disjointBy);
  return merge.ok && merge.value.kind === 'union' && merge.value.disjoint;
}
