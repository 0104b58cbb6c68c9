/** Are two answers of an evaluation the same, but for the order of series and the last digits of numbers? */

const RELATIVE = 1e-12;
/** Of differences of numbers around 100, whatever the order of their summands was. */
const ABSOLUTE = 1e-9;

interface Data {
  readonly resultType?: string;
  readonly result?: unknown;
}

interface Item {
  readonly metric?: Readonly<Record<string, string>>;
  readonly value?: readonly [number, string];
  readonly values?: readonly (readonly [number, string])[];
  readonly histogram?: readonly [number, unknown];
  readonly histograms?: readonly (readonly [number, unknown])[];
}

/** In words; undefined = they are the same. */
export function difference(got: unknown, wanted: unknown, { inOrder }: { readonly inOrder: boolean }): string | undefined {
  const [one, other] = [dataOf(got), dataOf(wanted)];
  if (one.resultType !== other.resultType) return `a ${one.resultType ?? 'nothing'}, not a ${other.resultType ?? 'nothing'}`;
  const [mine, theirs] = [itemsOf(one, inOrder), itemsOf(other, inOrder)];
  if (JSON.stringify(mine.map(({ key }) => key)) !== JSON.stringify(theirs.map(({ key }) => key))) return `series ${JSON.stringify(mine.map(({ key }) => key))}, not ${JSON.stringify(theirs.map(({ key }) => key))}`;
  for (const [index, { key, points }] of mine.entries()) {
    const expected = theirs[index]?.points ?? [];
    const wrong = points.length !== expected.length || points.some((point, at) => !samePoint(point, expected[at]));
    if (wrong) return `${key} ${JSON.stringify(points)}, not ${JSON.stringify(expected)}`;
  }
  return undefined;
}

function dataOf(value: unknown): Data {
  return typeof value === 'object' && value !== null ? value : {};
}

type Point = readonly [number, string];

function itemsOf({ resultType, result }: Data, inOrder: boolean): readonly { readonly key: string; readonly points: readonly Point[] }[] {
  if (resultType === 'scalar' || resultType === 'string') return [{ key: '', points: Array.isArray(result) ? [[Number(result[0]), String(result[1])]] : [] }];
  const items: readonly Item[] = Array.isArray(result) ? result : [];
  const read = items.map((item) => ({ key: JSON.stringify(Object.entries(item.metric ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1))), points: pointsOf(item) }));
  return inOrder ? read : read.toSorted((a, b) => (a.key < b.key ? -1 : 1));
}

function pointsOf({ value, values, histogram, histograms }: Item): readonly Point[] {
  const native = histograms ?? (histogram === undefined ? [] : [histogram]);
  return [...(values ?? (value === undefined ? [] : [value])), ...native.map(([time, content]): Point => [time, JSON.stringify(content)])];
}

function samePoint([time, text]: Point, other: Point | undefined): boolean {
  return other !== undefined && time === other[0] && (text === other[1] || (text.startsWith('{') ? sameHistogram(text, other[1]) : sameNumber(text, other[1])));
}

function sameNumber(text: string, other: string): boolean {
  const [a, b] = [Number(text.replace('Inf', 'Infinity')), Number(other.replace('Inf', 'Infinity'))];
  return text === other || Math.abs(a - b) <= Math.max(ABSOLUTE, RELATIVE * Math.abs(b));
}

interface NativeHistogram {
  readonly count: string;
  readonly sum: string;
  readonly buckets?: readonly (readonly [boundaries: number, lower: string, upper: string, count: string])[];
}

/** Bounds are the same to the letter; a bucket in which only rounding has left something may be missing. */
function sameHistogram(text: string, other: string): boolean {
  if (!other.startsWith('{')) return false;
  const [mine, theirs]: readonly [NativeHistogram, NativeHistogram] = [JSON.parse(text), JSON.parse(other)];
  const buckets = ({ buckets: all = [] }: NativeHistogram): ReadonlyMap<string, string> => new Map(all.map(([boundaries, lower, upper, count]) => [`${boundaries} ${lower} ${upper}`, count]));
  const [one, another] = [buckets(mine), buckets(theirs)];
  const all = new Set([...one.keys(), ...another.keys()]);
  return sameNumber(mine.count, theirs.count) && sameNumber(mine.sum, theirs.sum) && [...all].every((bounds) => sameNumber(one.get(bounds) ?? '0', another.get(bounds) ?? '0'));
}
