/**
 * What an aggregation makes of the values of one group at one step, value by value, with Prometheus's care for precision: sums and
 * means by Kahan's and Neumaier's method, variances by Welford's.
 */

export interface Accumulator {
  /** With the first value. */
  begin(value: number): void;
  add(value: number): void;
  result(step: number): number;
}

export type AccumulatingOp = 'sum' | 'avg' | 'count' | 'min' | 'max' | 'group' | 'stddev' | 'stdvar' | 'quantile';

/** `quantileAt`: the parameter of `quantile` at a step. */
export function accumulator(op: AccumulatingOp, quantileAt: (step: number) => number): Accumulator {
  switch (op) {
    case 'sum':
      return new Sum();
    case 'avg':
      return new Mean();
    case 'count':
      return folding(() => 1, (count) => count + 1);
    case 'min':
      return folding((value) => value, (least, value) => (least > value || Number.isNaN(least) ? value : least));
    case 'max':
      return folding((value) => value, (most, value) => (most < value || Number.isNaN(most) ? value : most));
    case 'group':
      return folding(() => 1, () => 1);
    case 'stddev':
      return new Variance(Math.sqrt);
    case 'stdvar':
      return new Variance((variance) => variance);
    case 'quantile':
      return new Quantile(quantileAt);
  }
}

function folding(first: (value: number) => number, fold: (state: number, value: number) => number): Accumulator {
  let state = 0;
  return {
    begin: (value) => void (state = first(value)),
    add: (value) => void (state = fold(state, value)),
    result: () => state,
  };
}

/** A sum, and what its rounding has lost. */
export type Compensated = readonly [sum: number, lost: number];

export function increased([sum, lost]: Compensated, value: number): Compensated {
  const total = sum + value;
  if (Math.abs(total) === Infinity) return [total, 0];
  return [total, lost + (Math.abs(sum) >= Math.abs(value) ? sum - total + value : value - total + sum)];
}

class Sum implements Accumulator {
  #state: Compensated = [0, 0];

  begin(value: number): void {
    this.#state = [value, 0];
  }

  add(value: number): void {
    this.#state = increased(this.#state, value);
  }

  result(): number {
    return this.#state[0] + this.#state[1];
  }
}

/** The sum over the count, or, from where the sum would overflow, the mean carried on from value to value. */
class Mean implements Accumulator {
  #state: Compensated = [0, 0];
  #count = 0;
  #incremental = false;

  begin(value: number): void {
    this.#state = [value, 0];
    this.#count = 1;
    this.#incremental = false;
  }

  add(value: number): void {
    const before = this.#count;
    this.#count += 1;
    if (!this.#incremental) {
      const next = increased(this.#state, value);
      if (Math.abs(next[0]) !== Infinity) {
        this.#state = next;
        return;
      }
      this.#incremental = true;
      this.#state = [this.#state[0] / before, this.#state[1] / before];
    }
    const share = before / this.#count;
    this.#state = increased([share * this.#state[0], share * this.#state[1]], value / this.#count);
  }

  result(): number {
    const [value, lost] = this.#state;
    return this.#incremental ? value + lost : value / this.#count + lost / this.#count;
  }
}

class Variance implements Accumulator {
  readonly #finish: (variance: number) => number;
  #mean = 0;
  #count = 0;
  #squares = 0;

  constructor(finish: (variance: number) => number) {
    this.#finish = finish;
  }

  begin(value: number): void {
    this.#mean = value;
    this.#count = 1;
    this.#squares = Number.isFinite(value) ? 0 : Number.NaN;
  }

  add(value: number): void {
    this.#count += 1;
    const delta = value - this.#mean;
    this.#mean += delta / this.#count;
    this.#squares += delta * (value - this.#mean);
  }

  result(): number {
    return this.#finish(this.#squares / this.#count);
  }
}

class Quantile implements Accumulator {
  readonly #at: (step: number) => number;
  #values: number[] = [];

  constructor(at: (step: number) => number) {
    this.#at = at;
  }

  begin(value: number): void {
    this.#values = [value];
  }

  add(value: number): void {
    this.#values.push(value);
  }

  result(step: number): number {
    const q = this.#at(step);
    if (Number.isNaN(q)) return q;
    if (q < 0) return -Infinity;
    if (q > 1) return Infinity;
    const sorted = this.#values.toSorted(ascending);
    const rank = q * (sorted.length - 1);
    const lower = Math.floor(rank);
    const weight = rank - lower;
    return (sorted[lower] ?? Number.NaN) * (1 - weight) + (sorted[Math.min(sorted.length - 1, lower + 1)] ?? Number.NaN) * weight;
  }
}

/** For sorting; NaN comes last either way. */
export function largestFirst(a: number, b: number): number {
  return ascending(b, a);
}

export function smallestFirst(a: number, b: number): number {
  return Number.isNaN(a) || Number.isNaN(b) ? ascending(b, a) : ascending(a, b);
}

/** NaN is the smallest of all, as for Prometheus's quantiles. */
function ascending(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(b)) - Number(Number.isNaN(a));
  return a < b ? -1 : Number(a > b);
}
