import type { Binary, Call, Expr, NumberLiteral } from '../promql/ast.js';
import { rewrite, selectorsOf, unwrapped } from '../promql/walk.js';
import type { EvaluationWindow } from './endpoint.js';

/** A query that is to be cut in parts, said so that more of it can be: in words that mean the same wherever a part is asked. */

export function prepared(expr: Expr, window: EvaluationWindow | undefined): Expr {
  const known = window === undefined || (window.kind === 'instant' && window.timeMs === undefined) ? undefined : window;
  return withoutComputedPrediction(known === undefined ? expr : withFixedTimes(expr, startAndEnd(known)));
}

interface Times {
  readonly startMs: number;
  readonly endMs: number;
}

function startAndEnd(window: EvaluationWindow): Times {
  if (window.kind === 'instant') return { startMs: window.timeMs ?? 0, endMs: window.timeMs ?? 0 };
  return window;
}

/** `@ start()` and `@ end()` are of the whole query, and a part in a subquery is asked over another range. */
function withFixedTimes(expr: Expr, { startMs, endMs }: Times): Expr {
  const fixed = <T extends { readonly at: Extract<Expr, { kind: 'vector' }>['at'] }>(node: T): T => {
    if (node.at === undefined || node.at.kind === 'timestamp') return node;
    return { ...node, at: { kind: 'timestamp', seconds: (node.at.kind === 'start' ? startMs : endMs) / 1000 } };
  };
  return rewrite(expr, {
    vector: fixed,
    matrix: (matrix) => ({ ...matrix, selector: fixed(matrix.selector) }),
    before: (node) => (node.kind === 'subquery' && node.at !== undefined && node.at.kind !== 'timestamp' ? withFixedTimes(fixed(node), { startMs, endMs }) : undefined),
  });
}

/** About twelve days: far enough that the slope keeps its digits. */
const FAR_SECONDS = 2 ** 20;

/** A prediction is on a line, so with a number that no member knows it is told by two others: where the line is now, and far ahead. */
function withoutComputedPrediction(expr: Expr): Expr {
  return rewrite(expr, {
    vector: (selector) => selector,
    matrix: (matrix) => matrix,
    before: (node) => {
      if (node.kind !== 'call' || node.name !== 'predict_linear') return undefined;
      const [range, seconds] = node.args;
      if (range === undefined || seconds === undefined || unwrapped(range).kind !== 'matrix' || selectorsOf(seconds).length === 0) return undefined;
      const at = (value: number): Call => ({ ...node, args: [range, literal(value, node)] });
      const slope = arithmetic('/', arithmetic('-', at(FAR_SECONDS), at(0), ONE_TO_ONE), literal(FAR_SECONDS, node), undefined);
      return arithmetic('+', arithmetic('*', slope, withoutComputedPrediction(seconds), undefined), at(0), ONE_TO_ONE);
    },
  });
}

const ONE_TO_ONE = { card: 'one-to-one', on: false, labels: [], include: [], fillLeft: undefined, fillRight: undefined } as const;

function arithmetic(op: '+' | '-' | '*' | '/', lhs: Expr, rhs: Expr, matching: Binary['matching']): Binary {
  return { kind: 'binary', op, lhs, rhs, bool: false, matching, span: lhs.span };
}

function literal(value: number, { span }: Expr): NumberLiteral {
  return { kind: 'number', value, duration: false, span };
}
