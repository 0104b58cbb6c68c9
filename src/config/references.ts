import type { Draft } from './draft.js';
import { suggest } from './suggest.js';
import { formatPath } from './yaml-source.js';
import type { Path } from './yaml-source.js';

/** What must hold between entries: names once, references to what there is. */

/** Reports the second and every further use of something that must be unique, naming the place of the first. */
export type Claim = (what: string, place: Path, message: (first: string) => string) => void;

export function createClaims(draft: Draft): Claim {
  const owners = new Map<string, string>();
  return (what, place, message) => {
    const first = owners.get(what);
    if (first === undefined) owners.set(what, formatPath(place));
    else draft.fault(place, message(first));
  };
}

export function unknownName(kind: string, name: string, known: readonly string[]): string {
  const meant = suggest(name, known);
  return `no ${kind} has the name "${name}"${meant === undefined ? '' : `; did you mean "${meant}"?`}`;
}

/** For looking names up only: a list that the schema may have refused, entries that are no maps left out. */
export function listed<T>(items: readonly T[]): readonly T[] {
  return Array.isArray(items) ? items.filter((item) => item !== null && item !== undefined) : [];
}
