/**
 * What a regular expression costs to compile, told from its text: a few characters can stand for millions of instructions
 * (`((a{99}){99}){99}`), and compiling them is work that is done for whoever sends them. Errs on the side of too much.
 */

/** Reading a class by its name (`\pL`, `[[:alpha:]]`) takes as long as so many characters. */
const NAMED_CLASS = 25;
const NAMES_OF_CLASSES = /\\[pP]|\[:/g;
/** A class in brackets; the first character in it may be a bracket itself. */
const CLASS = /\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]?/sy;
const ESCAPE = /\\(?:[pPx]\{[^}]*\}?|.)?/sy;
const LITERAL = /\\Q.*?(?:\\E|$)/sy;
const REPETITION = /\{(\d+)(?:,(\d*))?\}/y;

/** About as many instructions, classes by name weighed. */
export function regexCost(pattern: string): number {
  const outer: number[] = [];
  let [cost, last, at] = [0, 0, 0];
  const take = (expression: RegExp): RegExpExecArray | undefined => {
    expression.lastIndex = at;
    const found = expression.exec(pattern) ?? undefined;
    at += found?.[0].length ?? 0;
    return found;
  };
  const atom = (of: number): void => {
    last = of;
    cost += of;
  };
  while (at < pattern.length) {
    const [literal, special] = [take(LITERAL), take(ESCAPE) ?? take(CLASS)];
    if (literal !== undefined) atom(literal[0].length);
    if (special !== undefined) atom(1 + special[0].length / 8 + NAMED_CLASS * (special[0].match(NAMES_OF_CLASSES)?.length ?? 0));
    if (literal !== undefined || special !== undefined) continue;
    const [repetition, least = '', most = ''] = take(REPETITION) ?? [];
    if (repetition !== undefined) {
      const times = Math.max(1, Number(least), Number(most));
      cost += last * (times - 1);
      last *= times;
      continue;
    }
    const char = pattern[at];
    at += 1;
    if (char === '(') {
      outer.push(cost);
      [cost, last] = [0, 0];
    } else if (char === ')') {
      last = cost + 2;
      cost = (outer.pop() ?? 0) + last;
    } else if (char === '*' || char === '+' || char === '?' || char === '|') cost += 1;
    else atom(1);
  }
  return outer.reduce((sum, before) => sum + before, cost);
}

/** For the longest list of names that a query can hold, and at most half a second of work. */
const MAX_COST = 200_000;

/** What all regular expressions of one question may cost together. */
export class RegexBudget {
  #left: number;

  constructor(max = MAX_COST) {
    this.#left = max;
  }

  /** False: there is no more. */
  spend(pattern: string): boolean {
    this.#left -= regexCost(pattern);
    return this.#left >= 0;
  }
}
