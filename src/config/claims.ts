import type { ClaimRule } from '../model/desired-state.js';
import type { Draft } from './draft.js';
import type { ClaimValueFile } from './gateway-file.js';
import type { Path } from './yaml-source.js';

/**
 * Which claims make a token a tenant's. How a claim is named: as it stands, whatever characters it has, it is at the payload's
 * top (`kubernetes.io/serviceaccount/namespace`); with a slash in front it is a JSON Pointer (RFC 6901) to a nested one
 * (`/kubernetes.io/namespace`).
 */

/** In one order, whatever the file's: two rules that say the same are the same. */
export function compileClaims(draft: Draft, place: Path, claims: Readonly<Record<string, ClaimValueFile | readonly ClaimValueFile[]>>): readonly ClaimRule[] {
  const rules: ClaimRule[] = [];
  for (const [name, values] of Object.entries(claims)) {
    const path = claimPath(name);
    if (path === undefined) draft.fault([...place, name], 'is not a JSON Pointer: "~" is written "~0", and "/" within a name "~1"');
    else rules.push({ path, anyOf: [values].flat().toSorted(byText) });
  }
  return rules.toSorted((a, b) => byText(a.path.join('\0'), b.path.join('\0')));
}

function byText(a: ClaimValueFile, b: ClaimValueFile): number {
  const [one, other] = [JSON.stringify(a), JSON.stringify(b)];
  return one < other ? -1 : Number(one > other);
}

/** Undefined where it begins like a pointer and is none. */
export function claimPath(name: string): readonly string[] | undefined {
  if (!name.startsWith('/')) return [name];
  if (/~(?![01])/.test(name)) return undefined;
  return name
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}
