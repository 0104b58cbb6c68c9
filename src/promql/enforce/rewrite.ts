import { matchersOf } from '../ast.js';
import type { Aggregation, Call, Expr, MatrixSelector, Span, VectorSelector } from '../ast.js';
import { print } from '../print.js';
import { childrenOf, rewrite, unwrapped } from '../walk.js';
import type { Merges } from './merge.js';
import type { Policy } from './policy.js';
import { commonName, Restrictions, selectingNothing, selectsNothing, withMatchers, withOnly } from './restrict.js';
import { disjoint, keepsNames, unionByName, unionOf, unionOfDisjoint, withAbsentLabels } from './split.js';

/**
 * The rewriting of a whole tree: each selector gets its restriction, and where that is a union, what stands around the selector
 * decides how the union is said. What cannot be said exactly is refused.
 */

export type RefusalReason = 'unsplittable' | 'too_many_branches' | 'too_large' | 'forbidden_function';

/** Thrown and caught inside of `enforce` only. */
export class Refused extends Error {
  readonly reason: RefusalReason;
  readonly span: Span;

  constructor(reason: RefusalReason, message: string, span: Span) {
    super(message);
    this.reason = reason;
    this.span = span;
  }
}

/** What became of one selector, for explaining it. */
export interface Decision {
  readonly selector: string;
  readonly span: Span;
  readonly outcome: 'unchanged' | 'constrained' | 'split' | 'denied';
  /** Indices of the rules that allow something of it. */
  readonly rules: readonly number[];
}

export interface RewriteOptions {
  readonly maxBranches: number;
  readonly maxNodes: number;
  /** A label that neither query nor policy names. */
  readonly temporaryLabel: string;
}

/** A rule can be a list of a thousand names, and each selector gets it. What is added is read again, here and by the backend. */
const MAX_ADDED_CHARS = 1_000_000;

export class Rewriting {
  readonly decisions: Decision[] = [];
  readonly #restrictions: Restrictions;
  readonly #merges: Merges;
  readonly #options: RewriteOptions;
  readonly #sizes = new WeakMap<Expr, number>();
  #splits = 0;
  #addedChars = 0;

  constructor(policy: Policy, merges: Merges, options: RewriteOptions) {
    this.#restrictions = new Restrictions(policy, merges);
    this.#merges = merges;
    this.#options = options;
  }

  expression(expr: Expr): Expr {
    return rewrite(expr, {
      vector: (selector) => this.#instant(selector),
      matrix: (matrix) => this.#bareRange(matrix),
      before: (node) => (node.kind === 'call' ? this.#call(node) : node.kind === 'aggregation' ? this.#aggregation(node) : undefined),
    });
  }

  /** The selectors whose union is what the policy leaves of this one; several where one cannot say it. */
  #parts(selector: VectorSelector): readonly VectorSelector[] {
    const restriction = this.#restrictions.of(selector);
    const note = (outcome: Decision['outcome'], rules: readonly number[]): void => {
      this.decisions.push({ selector: print(selector), span: selector.span, outcome, rules });
    };
    switch (restriction.kind) {
      case 'unchanged':
        note('unchanged', restriction.rules);
        return [selector];
      case 'denied':
        note('denied', []);
        return [selectingNothing(selector)];
      case 'branches': {
        const { branches } = restriction;
        if (branches.length > this.#options.maxBranches) {
          throw new Refused('too_many_branches', `${print(selector)} would need ${branches.length} branches; at most ${this.#options.maxBranches} are allowed`, selector.span);
        }
        for (const { matchers } of branches) for (const { name, value } of matchers) this.#addedChars += name.length + value.length;
        if (this.#addedChars > MAX_ADDED_CHARS) throw new Refused('too_large', `the rules would add more than ${MAX_ADDED_CHARS} characters to the query`, selector.span);
        note(branches.length === 1 ? 'constrained' : 'split', branches.flatMap(({ rules }) => rules));
        if (branches.length > 1) this.#splits += 1;
        return branches.map(({ matchers }) => withMatchers(selector, matchers));
      }
    }
  }

  #instant(selector: VectorSelector): Expr {
    const parts = this.#parts(selector);
    const [only] = parts;
    if (parts.length === 1 && only !== undefined) return only;
    const { span } = selector;
    return this.#sized(commonName(parts) === undefined ? unionByName(parts, this.#options.temporaryLabel, span) : unionOf(parts, span));
  }

  #bareRange(matrix: MatrixSelector): Expr {
    const [only, ...others] = this.#parts(matrix.selector);
    if (only === undefined || others.length > 0) return this.#refuse('a range of several branches can only be the argument of a function', matrix);
    return { ...matrix, selector: only };
  }

  #call(call: Call): Expr | undefined {
    if (call.name === 'info') {
      throw new Refused('forbidden_function', 'info() joins series that the policy cannot restrict; write the join with * on (…) group_left (…)', call.span);
    }
    const [first] = call.args;
    const argument = first === undefined ? undefined : unwrapped(first);
    if ((call.name === 'timestamp' || call.name === 'start_timestamp') && argument?.kind === 'vector') return this.#timestamp(call, argument);
    if (call.name === 'absent' && argument?.kind === 'vector') return this.#absent(call, argument, argument, (part) => part);
    if (call.name === 'absent_over_time' && argument?.kind === 'matrix') {
      return this.#absent(call, argument, argument.selector, (selector) => ({ ...argument, selector }));
    }
    const index = call.args.findIndex((arg) => unwrapped(arg).kind === 'matrix');
    const matrix = call.args[index] === undefined ? undefined : unwrapped(call.args[index]);
    return matrix?.kind === 'matrix' ? this.#rangeCall(call, index, matrix) : undefined;
  }

  /** The time of the sample is known to `timestamp` of a bare selector only: each branch gets its own. */
  #timestamp(call: Call, selector: VectorSelector): Expr {
    return this.#perBranch(call, this.#parts(selector), (part) => ({ ...call, args: [part] }));
  }

  #rangeCall(call: Call, index: number, matrix: MatrixSelector): Expr {
    const args = call.args.map((arg, position) => (position === index ? arg : this.expression(arg)));
    return this.#perBranch(call, this.#parts(matrix.selector), (selector) => ({ ...call, args: args.with(index, { ...matrix, selector }) }));
  }

  /** The union of calls on each part of a selector. */
  #perBranch(call: Call, parts: readonly VectorSelector[], callOn: (part: VectorSelector) => Call): Expr {
    const [only] = parts;
    if (parts.length === 1 && only !== undefined) return callOn(only);
    const { span } = call;
    const { maxBranches, temporaryLabel } = this.#options;
    if (commonName(parts) !== undefined) return this.#sized(unionOf(parts.map(callOn), span));
    if (keepsNames(call)) return this.#sized(unionByName(parts.map(callOn), temporaryLabel, span));
    const pieces = disjoint(parts.map(({ matchers }) => matchers), maxBranches);
    if (pieces === undefined) {
      throw new Refused('too_many_branches', `${call.name}() over several metric names would need more than ${maxBranches} branches; name one metric`, span);
    }
    const [sample] = parts;
    if (sample === undefined) return this.#refuse('nothing to ask', call);
    const sides = pieces.map((matchers) => callOn(withOnly(sample, matchers)));
    return this.#sized(unionOfDisjoint(sides, temporaryLabel, span));
  }

  /** Its answer has the labels that the selector asks by equality, and no others: the policy's must not be seen. */
  #absent(call: Call, argument: VectorSelector | MatrixSelector, selector: VectorSelector, place: (part: VectorSelector) => Expr): Expr {
    const parts = this.#parts(selector);
    const own = selector.matchers.length;
    const [only] = parts;
    if (parts.length === 1 && only !== undefined) {
      const added = only.matchers.slice(own);
      // Two equalities of one label leave it out of the answer already.
      return { ...call, args: [place(selectsNothing(added) ? only : withMatchers(selector, added.map((matcher) => this.#merges.withoutEquality(matcher))))] };
    }
    const { span } = argument;
    // last_over_time keeps the names, so that series of several names are no error here.
    const sides = parts.map((part): Expr => (argument.kind === 'vector' ? part : { kind: 'call', name: 'last_over_time', args: [place(part)], span }));
    const absent: Call = { ...call, name: 'absent', args: [unionOf(sides, span)] };
    return this.#sized(withAbsentLabels(absent, matchersOf(selector)));
  }

  /** Which k series `limitk` picks depends on their order, which a union does not keep. */
  #aggregation(node: Aggregation): Expr | undefined {
    if (node.op !== 'limitk') return undefined;
    const param = node.param === undefined ? undefined : this.expression(node.param);
    const before = this.#splits;
    const expr = this.expression(node.expr);
    return this.#splits === before ? { ...node, param, expr } : this.#refuse('limitk picks by order, which a union of rules does not keep', node);
  }

  #refuse(message: string, node: Expr): never {
    throw new Refused('unsplittable', `${print(node)}: ${message}`, node.span);
  }

  /** Repeated arguments share nodes, so a tree can be far larger in print than in memory. */
  #sized(expr: Expr): Expr {
    const size = this.#sizeOf(expr);
    if (size > this.#options.maxNodes) throw new Refused('too_large', `the rewritten query would have more than ${this.#options.maxNodes} parts`, expr.span);
    return expr;
  }

  #sizeOf(expr: Expr): number {
    const known = this.#sizes.get(expr);
    if (known !== undefined) return known;
    const size = 1 + childrenOf(expr).reduce((sum, child) => sum + this.#sizeOf(child), 0);
    this.#sizes.set(expr, size);
    return size;
  }
}

