/**
 * Huffman decoding of RFC 7541 §5.2 and Appendix B.
 *
 * The code is canonical: codes of one length are handed out in the order of their symbols, so the 257 lengths are the whole
 * table. From them a state machine is built that eats four bits a step; no code is shorter than five bits, so a step
 * yields one symbol at most. We never encode with it: literals are sent as they are (see encoder.ts).
 */

/** Bits in the code of each symbol, Appendix B; the last one is EOS. */
// prettier-ignore
const CODE_LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];
const EOS = 256;

/** The shortest code has five bits: a decoded string is at most 8/5 of its encoded length. */
export const HUFFMAN_MAX_GROWTH = 8 / 5;

/** An inner node holds two of these: the next inner node (>= 0) or, for a leaf, `~symbol` (< 0). */
interface Tree {
  readonly zero: number[];
  readonly one: number[];
}

function buildTree(): Tree {
  const tree: Tree = { zero: [0], one: [0] };
  const symbols = CODE_LENGTHS.map((bits, symbol) => ({ bits, symbol })).sort((a, b) => a.bits - b.bits || a.symbol - b.symbol);
  let code = 0;
  let length = 0;
  for (const { bits, symbol } of symbols) {
    code *= 2 ** (bits - length);
    length = bits;
    insertCode(tree, code, bits, symbol);
    code += 1;
  }
  return tree;
}

function insertCode(tree: Tree, code: number, bits: number, symbol: number): void {
  let node = 0;
  for (let bit = bits - 1; bit > 0; bit -= 1) {
    const side = (code >>> bit) & 1 ? tree.one : tree.zero;
    let next = side[node] ?? 0;
    if (next === 0) {
      next = tree.zero.length;
      tree.zero.push(0);
      tree.one.push(0);
      side[node] = next;
    }
    node = next;
  }
  (code & 1 ? tree.one : tree.zero)[node] = ~symbol;
}

/** Transition of state (inner node) and nibble: bits 0-7 next state, 8-15 the symbol, then two flags. */
const EMITS = 1 << 16;
const FAILS = 1 << 17;

const tree = buildTree();
const TRANSITIONS = buildTransitions();
/** States in which a string may end: fewer than eight bits into the code of EOS, that is, on padding of ones (§5.2). */
const MAY_END = buildEnds();

function buildTransitions(): Uint32Array {
  const table = new Uint32Array(tree.zero.length * 16);
  for (let state = 0; state < tree.zero.length; state += 1) {
    for (let nibble = 0; nibble < 16; nibble += 1) table[state * 16 + nibble] = transition(state, nibble);
  }
  return table;
}

function transition(from: number, nibble: number): number {
  let state = from;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit -= 1) {
    const next = ((nibble >>> bit) & 1 ? tree.one : tree.zero)[state] ?? 0;
    if (next >= 0) {
      state = next;
      continue;
    }
    if (~next === EOS) return FAILS;
    emitted = EMITS | (~next << 8);
    state = 0;
  }
  return emitted | state;
}

function buildEnds(): Uint8Array {
  const ends = new Uint8Array(tree.zero.length);
  let state = 0;
  for (let depth = 0; depth < 8; depth += 1) {
    ends[state] = 1;
    state = tree.one[state] ?? 0;
  }
  return ends;
}

/**
 * Decodes `source[start..end)` into `target` from its start; `target` must hold `HUFFMAN_MAX_GROWTH` times the input.
 * Returns the number of bytes, or -1 for what is not a valid string: EOS inside, padding of eight bits or more, padding
 * that is not all ones.
 */
export function decodeHuffman(source: Uint8Array, start: number, end: number, target: Uint8Array): number {
  let state = 0;
  let length = 0;
  for (let at = start; at < end; at += 1) {
    const byte = source[at] ?? 0;
    let entry = TRANSITIONS[state * 16 + (byte >>> 4)] ?? FAILS;
    if (entry >= EMITS) {
      if (entry >= FAILS) return -1;
      target[length] = (entry >>> 8) & 0xff;
      length += 1;
    }
    entry = TRANSITIONS[(entry & 0xff) * 16 + (byte & 15)] ?? FAILS;
    if (entry >= EMITS) {
      if (entry >= FAILS) return -1;
      target[length] = (entry >>> 8) & 0xff;
      length += 1;
    }
    state = entry & 0xff;
  }
  return MAY_END[state] === 1 ? length : -1;
}
