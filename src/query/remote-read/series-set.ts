import type { Policy } from '../../promql/enforce/policy.js';
import { decodeLabel } from '../../remotewrite/decode.js';
import type { Label } from '../../remotewrite/series.js';
import { DELIMITED } from '../../lib/wire.js';
import type { FieldCursor } from '../../lib/wire.js';
import { TooLarge } from '../reading.js';

/**
 * Series as the bytes they came in, told apart by their labels: samples and chunks are nobody's business here. Both forms of answers
 * have a series' labels in field 1 of its message.
 */

export interface PassedSeries {
  readonly labels: readonly Label[];
  /** Content of the series' message. */
  readonly content: Buffer;
}

/** A series in the field at which the cursor is. Throws at what is none. */
export function seriesAt(cursor: FieldCursor): PassedSeries {
  const content = cursor.bytes.subarray(cursor.start, cursor.end);
  if (cursor.wireType !== DELIMITED) throw new Error('a series that is no message');
  const inside = cursor.inside();
  const labels: Label[] = [];
  while (inside.next()) if (inside.field === 1) labels.push(decodeLabel(inside.inside()));
  if (inside.failed) throw new Error('a series that cannot be read');
  return { labels, content };
}

/** What is asked is restricted already; this is the second look, at what came back. */
export function isAllowed(labels: readonly Label[], { rules }: Policy): boolean {
  const values = new Map(labels.map(({ name, value }) => [name, value]));
  return rules.some((rule) => rule.every(({ matcher, accepts }) => accepts(values.get(matcher.name) ?? '')));
}

interface Kept {
  readonly key: Buffer;
  readonly branch: number;
  readonly contents: Buffer[];
}

/** Equal for equal labels; its bytes are in the order of the labels. */
export function keyOf(labels: readonly Label[]): Buffer {
  return Buffer.from(labels.map(({ name, value }) => `${name}\0${value}\0`).join(''));
}

/** The union of several branches' answers: each series from the branch that had it first, in the order of labels. */
export class SeriesSet {
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  constructor(private readonly maxBytes: number) {}

  /** Of one branch, the parts of a series are one after the other. */
  add(branch: number, { labels, content }: PassedSeries): void {
    const key = keyOf(labels);
    const name = key.toString('latin1');
    const kept = this.#kept.get(name);
    if (kept !== undefined && kept.branch !== branch) return;
    this.#bytes += key.length + content.length;
    if (this.#bytes > this.maxBytes) throw new TooLarge();
    if (kept === undefined) this.#kept.set(name, { key, branch, contents: [content] });
    else kept.contents.push(content);
  }

  /** And is empty again. */
  take(): readonly Buffer[] {
    const sorted = [...this.#kept.values()].sort((a, b) => a.key.compare(b.key));
    this.#kept.clear();
    this.#bytes = 0;
    return sorted.flatMap(({ contents }) => contents);
  }
}
