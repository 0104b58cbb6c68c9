import type { PushTarget } from '../model/desired-state.js';

export type OnConflict = PushTarget['onConflict'];

/**
 * The rule itself, for one series: the tenant label is there, once, with the tenant's own value. Labels are places in the request's
 * bytes; they are compared as bytes and made strings only for a refusal's text.
 */

/** A name or a value: `bytes[start, end)` of the request. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface TenantLabel {
  readonly name: Buffer;
  readonly value: Buffer;
  readonly onConflict: OnConflict;
}

export function tenantLabel(name: string, value: string, onConflict: OnConflict): TenantLabel {
  return { name: Buffer.from(name), value: Buffer.from(value), onConflict };
}

/** What is to be done with a series: where the tenant's pair goes (`replace`: instead of the pair that is there), or why it is refused. */
export type Placement =
  | { readonly kind: 'insert' | 'replace' | 'keep'; readonly at: number }
  | { readonly kind: 'refused'; readonly why: string };

/**
 * Judges labels given as name, value, name, value …. They must be as the specification wants them (sorted by bytes, unique, nothing
 * empty): a receiver that sees the same name twice picks one, and it may not be ours.
 */
export function placeTenant(bytes: Buffer, pairs: readonly Span[], { name, value, onConflict }: TenantLabel): Placement {
  let at = 0;
  let own: Span | undefined;
  for (let index = 0; index < pairs.length; index += 2) {
    const here = pairs[index];
    const itsValue = pairs[index + 1];
    if (here === undefined || itsValue === undefined) return refused('a label without a value');
    if (here.start === here.end || itsValue.start === itsValue.end) return refused('a label with an empty name or value');
    const before = index === 0 ? undefined : pairs[index - 2];
    const order = before === undefined ? -1 : compare(bytes, before, bytes, here);
    if (order >= 0) return refused(order === 0 ? `the label ${text(bytes, here)} twice` : 'labels that are not sorted by name');
    const toTenant = compare(bytes, here, name, { start: 0, end: name.length });
    if (toTenant < 0) at = index + 2;
    else if (toTenant === 0) own = itsValue;
  }
  if (own === undefined) return { kind: 'insert', at };
  if (compare(bytes, own, value, { start: 0, end: value.length }) === 0) return { kind: 'keep', at };
  if (onConflict === 'overwrite') return { kind: 'replace', at };
  return refused(`another value of the label ${name.toString()} than its sender may write`);
}

function refused(why: string): Placement {
  return { kind: 'refused', why };
}

/** By bytes. Names differ soon, so a loop beats a call of `Buffer.compare`. */
function compare(a: Buffer, spanA: Span, b: Buffer, spanB: Span): number {
  const lengthA = spanA.end - spanA.start;
  const lengthB = spanB.end - spanB.start;
  for (let index = 0; index < lengthA && index < lengthB; index += 1) {
    const difference = (a[spanA.start + index] ?? 0) - (b[spanB.start + index] ?? 0);
    if (difference !== 0) return difference;
  }
  return lengthA - lengthB;
}

const SHOWN_BYTES = 100;

/** For an error text: bounded, and one line. */
function text(bytes: Buffer, { start, end }: Span): string {
  return JSON.stringify(bytes.toString('utf8', start, Math.min(end, start + SHOWN_BYTES)));
}
