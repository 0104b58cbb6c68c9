import type { GatewayFile } from './gateway-file.js';
import type { Draft } from './draft.js';
import { suggest } from './suggest.js';
import { formatPath } from './yaml-source.js';
import type { Path } from './yaml-source.js';

/** What must hold between entries: names once, references to what there is. */

/** Reports the second and every further use of something that must be unique, naming the place of the first. True for the first. */
export type Claim = (what: string, place: Path, message: (first: string) => string) => boolean;

export function createClaims(draft: Draft): Claim {
  const owners = new Map<string, string>();
  return (what, place, message) => {
    const first = owners.get(what);
    if (first === undefined) owners.set(what, formatPath(place));
    else draft.fault(place, message(first));
    return first === undefined;
  };
}

export function unknownName(kind: string, name: string, known: readonly string[]): string {
  const meant = suggest(name, known);
  return `no ${kind} has the name "${name}"${meant === undefined ? '' : `; did you mean "${meant}"?`}`;
}

/** Lists that an entry may refer to; of one that is not given, nothing is known. */
export type Known = Partial<Pick<GatewayFile, 'tenants' | 'agents' | 'sites' | 'backends' | 'backendGroups' | 'pushTargets' | 'exportDestinations' | 'kubernetes'>>;

/** For looking names up only: undefined where the list, or the name of an entry, is itself a fault, and a miss would prove nothing. */
export function named<T extends { readonly name: string }>(items: readonly (T | null)[] | undefined): ReadonlyMap<string, T> | undefined {
  if (items === undefined || !Array.isArray(items)) return undefined;
  const found = new Map<string, T>();
  for (const item of items) {
    if (typeof item?.name !== 'string') return undefined;
    found.set(item.name, item);
  }
  return found;
}
