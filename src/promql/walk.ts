import { isDeepStrictEqual } from 'node:util';
import type { Duration, Expr, MatrixSelector, VectorSelector } from './ast.js';

/**
 * Ways through a tree. Each is an exhaustive switch: a kind of node that is new does not compile until somebody has said where
 * its children are, so that no selector is passed over.
 */

/** The expressions directly below, parameters of aggregations included; a range selector's child is its selector. */
export function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case 'number':
    case 'string':
    case 'vector':
      return [];
    case 'matrix':
      return [expr.selector];
    case 'subquery':
    case 'unary':
    case 'paren':
      return [expr.expr];
    case 'call':
      return expr.args;
    case 'aggregation':
      return expr.param === undefined ? [expr.expr] : [expr.param, expr.expr];
    case 'binary':
      return [expr.lhs, expr.rhs];
  }
}

/** Every selector, wherever it stands, in the order of the text. */
export function selectorsOf(expr: Expr): readonly VectorSelector[] {
  const found: VectorSelector[] = [];
  visit(expr, (node) => {
    if (node.kind === 'vector') found.push(node);
  });
  return found;
}

/** Calls `see` for each node, parents first. */
export function visit(expr: Expr, see: (node: Expr) => void): void {
  const rest: Expr[] = [expr];
  for (let node = rest.pop(); node !== undefined; node = rest.pop()) {
    see(node);
    rest.push(...childrenOf(node).toReversed());
  }
}

/** The same tree with every selector replaced, those in ranges too. Nodes that do not change stay the same objects. */
export function mapSelectors(expr: Expr, replace: (selector: VectorSelector) => VectorSelector): Expr {
  return rewrite(expr, { vector: replace, matrix: (matrix) => withSelector(matrix, replace(matrix.selector)) });
}

/** Without the parentheses around it, which Prometheus takes off arguments. */
export function unwrapped(expr: Expr): Expr {
  return expr.kind === 'paren' ? unwrapped(expr.expr) : expr;
}

export interface Rewriter {
  /** Of selectors that are no part of a range. */
  readonly vector: (selector: VectorSelector) => Expr;
  readonly matrix: (selector: MatrixSelector) => Expr;
  /** Asked before the children are visited: a replacement for the whole node, or undefined to go on below it. */
  readonly before?: (node: Expr) => Expr | undefined;
}

/** The tree with what the rewriter says in place of its selectors. */
export function rewrite(expr: Expr, rewriter: Rewriter): Expr {
  const instead = rewriter.before?.(expr);
  if (instead !== undefined) return instead;
  switch (expr.kind) {
    case 'number':
    case 'string':
      return expr;
    case 'vector':
      return rewriter.vector(expr);
    case 'matrix':
      return rewriter.matrix(expr);
    case 'subquery':
    case 'unary':
    case 'paren': {
      const inner = rewrite(expr.expr, rewriter);
      return inner === expr.expr ? expr : { ...expr, expr: inner };
    }
    case 'call': {
      const args = expr.args.map((arg) => rewrite(arg, rewriter));
      return args.every((arg, index) => arg === expr.args[index]) ? expr : { ...expr, args };
    }
    case 'aggregation': {
      const param = expr.param === undefined ? undefined : rewrite(expr.param, rewriter);
      const inner = rewrite(expr.expr, rewriter);
      return param === expr.param && inner === expr.expr ? expr : { ...expr, param, expr: inner };
    }
    case 'binary': {
      const lhs = rewrite(expr.lhs, rewriter);
      const rhs = rewrite(expr.rhs, rewriter);
      return lhs === expr.lhs && rhs === expr.rhs ? expr : { ...expr, lhs, rhs };
    }
  }
}

function withSelector(matrix: MatrixSelector, selector: VectorSelector): MatrixSelector {
  return selector === matrix.selector ? matrix : { ...matrix, selector };
}

/** Do both say the same, positions in the text apart? */
export function equal(a: Expr | Duration, b: Expr | Duration): boolean {
  return isDeepStrictEqual(withoutSpans(a), withoutSpans(b));
}

function withoutSpans(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withoutSpans);
  if (typeof node !== 'object' || node === null) return node;
  return Object.fromEntries(Object.entries(node).flatMap(([key, value]) => (key === 'span' ? [] : [[key, withoutSpans(value)]])));
}
