import { FUNCTIONS } from '../../../src/promql/functions.js';
import type { ValueType } from '../../../src/promql/ast.js';

/**
 * Random expressions from a grammar of PromQL, mostly well typed, and damaged versions of them. The same seed gives the same
 * expressions, so that a difference found once can be found again.
 */

export type Random = () => number;

/** mulberry32: small, and good enough to pick alternatives. Values in [0, 1). */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const NAMES = [
  'up', 'http_requests_total', 'a:b:c', ':x', 'sum', 'offset', 'by', 'without', 'start', 'END', 'and', 'Or', 'step', 'fill', 'fill_left', 'anchored', 'topk',
  'm1', 'limitk', 'min_of', 'smoothed', 'unless', 'GROUP', 'bool_', 'range',
];
const LABELS = ['job', 'instance', 'le', '__name__', '"job"', '"a.b"', "'ä'", '`with space`', '"\\u006es"', 'on', 'bool'];
const GROUPING = ['job', 'instance', 'le', '"a.b"', 'sum', 'on', 'start', 'offset', '"without"', 'a:b', "'ü'", 'bool', 'fill'];
const STRINGS = [
  '"a"', "'b'", '`c\\d`', '""', '"x\\ny"', '"\\x41\\101\\u00e9\\U0001F600"', "'it\\'s'", '"#no comment"', '"é✓"', '"\\xff\\xfe"', '"\\\\"', '"a|b"', '"1"',
];
const REGEXES = ['".+"', '".*"', '"a|b"', '""', '"a|"', '"(a|b)c?"', '"[a-z]{2,5}"', '"\\\\d+"', '"(?i)abc"', '"a.b"', '"(?P<n>x)"', '"^a$"', '"\\\\pL"', '"(?s:.)"'];
const NUMBERS = ['0', '1', '2.5', '.5', '5.', '1e3', '1E-2', '0x1F', '017', '089', '1_000', 'Inf', 'nan', '+1', '0.1', '1e21', '1e-9', '123456789.125', '-1'];
const DURATIONS = ['5m', '1h30m', '1d', '1w', '1y', '90s', '1500ms', '10', '0.5', '2.25', '1m1s1ms', '0x10', '300'];
const COMPARISONS = ['==', '!=', '<', '<=', '>', '>='];
const ARITHMETIC = ['+', '-', '*', '/', '%', '^', 'atan2', '</', '>/', 'ATAN2'];
const SETS = ['and', 'or', 'unless', 'AND'];
const SPACES = [' ', ' ', ' ', '', '\t', '\n', '\r\n', ' # note\n', ' #x\r'];
const PARTS = [
  '(', ')', '{', '}', '[', ']', ',', ':', '"', "'", '`', '#', '@', '^', '=', '!', '~', '-', '+', ' ', '\n', '\r', '\\', '.', '5m', '1', 'e', '_', 'x', 'by',
  'on', 'offset', 'bool', 'é', ';', '$', '5m:', '[5m]', '{}', '()', 'and', '0x', 'start()', '</', 'group_left', 'sum', 'rate', 'inf', 'fill(0)', '\u00a0', '\ufeff',
];

export class Generator {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seeded(seed);
  }

  expression(): string {
    return this.#ofType(this.#pick(['vector', 'vector', 'vector', 'vector', 'scalar', 'matrix', 'string']), 3 + Math.floor(this.#random() * 2));
  }

  /** The text with one to three small accidents. */
  damaged(text: string): string {
    let result = text;
    for (let count = 1 + Math.floor(this.#random() * 3); count > 0; count -= 1) result = this.#damage(result);
    return result;
  }

  #damage(text: string): string {
    const at = Math.floor(this.#random() * (text.length + 1));
    const to = Math.min(text.length, at + 1 + Math.floor(this.#random() * 4));
    switch (Math.floor(this.#random() * 4)) {
      case 0:
        return text.slice(0, at) + text.slice(to);
      case 1:
        return text.slice(0, at) + this.#pick(PARTS) + text.slice(at);
      case 2:
        return text.slice(0, at) + this.#pick(PARTS) + text.slice(to);
      default:
        return text.slice(0, at) + text.slice(at, to) + text.slice(at);
    }
  }

  #pick<T>(choices: readonly T[]): T {
    const choice = choices[Math.floor(this.#random() * choices.length)];
    if (choice === undefined) throw new Error('nothing to pick from');
    return choice;
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #maybe(probability: number, text: () => string): string {
    return this.#chance(probability) ? text() : '';
  }

  #space(): string {
    return this.#chance(0.8) ? ' ' : this.#pick(SPACES);
  }

  #ofType(type: ValueType, depth: number): string {
    const wanted = this.#chance(0.03) ? this.#pick<ValueType>(['vector', 'scalar', 'matrix', 'string']) : type;
    switch (wanted) {
      case 'string':
        return this.#pick(STRINGS);
      case 'scalar':
        return this.#scalar(depth);
      case 'matrix':
        return this.#matrix(depth);
      case 'vector':
        return this.#vector(depth);
    }
  }

  #scalar(depth: number): string {
    if (depth <= 0 || this.#chance(0.4)) return this.#pick([...NUMBERS, ...DURATIONS]);
    switch (Math.floor(this.#random() * 4)) {
      case 0:
        return `(${this.#scalar(depth - 1)})`;
      case 1:
        return `${this.#pick(['-', '+', '- ', '--'])}${this.#scalar(depth - 1)}`;
      case 2:
        return this.#call('scalar', depth);
      default:
        return `${this.#scalar(depth - 1)} ${this.#chance(0.7) ? this.#pick(ARITHMETIC) : `${this.#pick(COMPARISONS)} bool`} ${this.#scalar(depth - 1)}`;
    }
  }

  #matrix(depth: number): string {
    if (depth > 1 && this.#chance(0.25)) {
      return `${this.#operand(depth - 1)}[${this.#duration(2)}:${this.#maybe(0.6, () => this.#duration(2))}]${this.#timing()}`;
    }
    return `${this.#selector()}${this.#maybe(0.05, () => this.#timing())}[${this.#duration(2)}]${this.#timing()}`;
  }

  #vector(depth: number): string {
    if (depth <= 0 || this.#chance(0.15)) return this.#selector() + this.#timing();
    switch (Math.floor(this.#random() * 8)) {
      case 0:
      case 1:
        return this.#aggregation(depth);
      case 2:
      case 3:
        return this.#call('vector', depth);
      case 4:
        return `(${this.#space()}${this.#vector(depth - 1)}${this.#space()})`;
      case 5:
        return `${this.#pick(['-', '+', '- -'])}${this.#vector(depth - 1)}`;
      default:
        return this.#binary(depth);
    }
  }

  #operand(depth: number): string {
    return this.#chance(0.5) ? `(${this.#vector(depth - 1)})` : this.#vector(depth - 1);
  }

  #binary(depth: number): string {
    const [left, right] = this.#pick<readonly [ValueType, ValueType]>([['vector', 'vector'], ['vector', 'vector'], ['vector', 'scalar'], ['scalar', 'vector']]);
    const vectors = left === 'vector' && right === 'vector';
    const set = vectors && this.#chance(0.25);
    const op = set ? this.#pick(SETS) : this.#chance(0.7) ? this.#pick(ARITHMETIC) : this.#pick(COMPARISONS) + this.#maybe(0.4, () => ' bool');
    const matching = vectors || this.#chance(0.03) ? this.#matching(set) : '';
    return `${this.#ofType(left, depth - 1)} ${op}${matching}${this.#space()} ${this.#ofType(right, depth - 1)}`;
  }

  #matching(set: boolean): string {
    if (this.#chance(0.5)) return this.#fill(set);
    const group = this.#maybe(set ? 0.03 : 0.5, () => ` ${this.#pick(['group_left', 'group_right', 'GROUP_LEFT'])}${this.#maybe(0.7, () => ` ${this.#labels()}`)}`);
    return ` ${this.#pick(['on', 'ignoring'])}${this.#space()}${this.#labels()}${group}${this.#fill(set)}`;
  }

  #fill(set: boolean): string {
    const value = (): string => `(${this.#pick(NUMBERS)})`;
    if (!this.#chance(set ? 0.02 : 0.15)) return '';
    const choices = [`fill${value()}`, `fill_left ${value()}`, `fill_right${value()}`, `fill_left${value()} fill_right${value()}`, `fill_right${value()} fill_left${value()}`];
    return ` ${this.#pick(choices)}`;
  }

  #labels(): string {
    const labels = Array.from({ length: Math.floor(this.#random() * 3) }, () => this.#pick(GROUPING));
    return `(${labels.join(', ')}${this.#maybe(labels.length > 0 ? 0.1 : 0, () => ',')})`;
  }

  #aggregation(depth: number): string {
    const op = this.#pick(['sum', 'avg', 'count', 'min', 'max', 'group', 'stddev', 'stdvar', 'topk', 'bottomk', 'quantile', 'count_values', 'limitk', 'limit_ratio', 'SUM']);
    const param = op === 'count_values' ? `${this.#pick(STRINGS)},` : ['topk', 'bottomk', 'quantile', 'limitk', 'limit_ratio'].includes(op) ? `${this.#scalar(depth - 1)}, ` : '';
    const grouping = this.#maybe(0.5, () => ` ${this.#pick(['by', 'without', 'BY'])}${this.#space()}${this.#labels()} `);
    const body = `(${param}${this.#ofType('vector', depth - 1)})`;
    return this.#chance(0.5) ? op + grouping + body : op + body + grouping;
  }

  #call(returns: ValueType, depth: number): string {
    const candidates = [...FUNCTIONS].filter(([, signature]) => signature.returns === returns);
    const [name, { args, variadic }] = this.#pick(candidates);
    const least = variadic === 0 ? args.length : args.length - 1;
    const extra = variadic === 0 ? 0 : Math.floor(this.#random() * (variadic === -1 ? 3 : variadic + 1));
    const count = Math.max(0, least + extra + (this.#chance(0.03) ? this.#pick([-1, 1]) : 0));
    const values = Array.from({ length: count }, (_, index) => {
      if (name === 'info' && index === 1 && this.#chance(0.9)) return this.#braces();
      return this.#ofType(args[Math.min(index, args.length - 1)] ?? 'scalar', depth - 1);
    });
    return `${name}(${values.join(`,${this.#space()}`)})`;
  }

  #selector(): string {
    if (this.#chance(0.5)) return this.#pick(NAMES) + this.#maybe(0.6, () => this.#maybe(0.1, () => ' ') + this.#braces());
    return this.#braces();
  }

  #braces(): string {
    const matchers = Array.from({ length: Math.floor(this.#random() * 4) }, () => this.#matcher());
    return `{${this.#maybe(0.1, () => ' ')}${matchers.join(`,${this.#maybe(0.3, () => ' ')}`)}${this.#maybe(matchers.length > 0 ? 0.1 : 0, () => ',')}}`;
  }

  #matcher(): string {
    if (this.#chance(0.1)) return this.#pick(STRINGS);
    const regex = this.#chance(0.4);
    const op = regex ? this.#pick(['=~', '!~']) : this.#pick(['=', '!=']);
    return this.#pick(LABELS) + this.#maybe(0.1, () => ' ') + op + this.#pick(regex ? REGEXES : STRINGS);
  }

  #timing(): string {
    const parts = [
      this.#maybe(0.12, () => ` ${this.#pick(['offset', 'OFFSET'])} ${this.#maybe(0.3, () => this.#pick(['-', '+', '- -', '-+']))}${this.#duration(1)}`),
      this.#maybe(0.12, () => ` @${this.#space()}${this.#pick(['start()', 'end()', '1', '-2.5', '1609746000.123', '5m', '+1e9', '0'])}`),
      this.#maybe(0.04, () => ` ${this.#pick(['anchored', 'smoothed'])}`),
      this.#maybe(0.02, () => ' offset 1m'),
    ];
    return (this.#chance(0.5) ? parts : parts.toReversed()).join('');
  }

  #duration(depth: number): string {
    if (depth <= 0 || this.#chance(0.7)) return this.#pick(DURATIONS);
    const part = (): string => this.#duration(depth - 1);
    switch (Math.floor(this.#random() * 6)) {
      case 0:
        return `${part()} ${this.#pick(['+', '-', '*', '/', '%', '^'])} ${part()}`;
      case 1:
        return `(${part()})`;
      case 2:
        return this.#pick(['step()', 'range()', 'STEP()']);
      case 3:
        return `${this.#pick(['min_of', 'max_of'])}(${part()}, ${part()})`;
      case 4:
        return `${this.#pick(['-', '+', '--'])}${part()}`;
      default:
        return `(${part()} ${this.#pick(['+', '-', '*', '/', '%', '^'])} ${part()}) ${this.#pick(['+', '*', '^'])} ${part()}`;
    }
  }
}
