/**
 * Outside input returns a result; misuse throws (house rule). All faults of one input are reported at once.
 */

/** One thing that is wrong with an input: where, what, and what to do about it. */
export interface Fault {
  /** Place in the input that its author would recognise: `tenants[2].scrape[0].selector`, `virtual_hosts[1].domains`. */
  readonly place: string;
  /** What is wrong and what to do, one sentence, no trailing period. Never holds a secret. */
  readonly message: string;
  /** 1-based position in the source text, where one is known. */
  readonly line?: number;
  readonly column?: number;
}

export type Result<T, E = readonly Fault[]> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E };

export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

export function err<E>(error: E): { readonly ok: false; readonly error: E } {
  return { ok: false, error };
}

/** End of an exhaustive switch: a compile error where a case is missing, an exception where the types lied. */
export function assertNever(value: never, what: string): never {
  throw new Error(`unexpected ${what}: ${JSON.stringify(value)}`);
}

/** A fault as one line for a person: `gateway.yaml:12:5: tenants[2].name: …`. `source` is the file's name, where there is one. */
export function formatFault(fault: Fault, source?: string): string {
  const position = fault.line === undefined ? '' : `${fault.line}:${fault.column ?? 1}:`;
  const origin = source === undefined ? position : `${source}:${position}`;
  return [origin, fault.place === '' ? '' : `${fault.place}:`, fault.message].filter((part) => part !== '').join(' ');
}
