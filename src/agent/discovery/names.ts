/**
 * Names for discovered targets (ADR 30). The rule does not depend on the order in which targets are found, and no source can take
 * a name away from one that stands before it in the configuration.
 *
 *  1. A name is made legal: lower case, each run of other characters one `-`.
 *  2. Static targets keep their names; then come the sources, in the order of the configuration.
 *  3. Within a source, one target in several spellings is one target; different targets of one name all get a suffix made of
 *     what they are. So does a target whose name is taken by a source before.
 */
import { createHash } from 'node:crypto';
import type { Target } from '../../model/target.js';

const MAX_NAME_CHARS = 128;
const SUFFIX_HEX = 8;
/** A name made of nothing legal. */
const NAMELESS = 'target';

/** `Web-1.example:9100` → `web-1.example-9100`. */
export function legalTargetName(text: string): string {
  // far more than a name may have, and no work for a label of a megabyte
  const legal = text.slice(0, 4 * MAX_NAME_CHARS).toLowerCase().replace(/[^a-z0-9._-]+/g, '-').replace(/\.\.+/g, '.');
  return trimEnds(trimEnds(legal).slice(0, MAX_NAME_CHARS)) || NAMELESS;
}

function trimEnds(name: string): string {
  return name.replace(/^[._-]+|[._-]+$/g, '');
}

export interface Named {
  readonly targets: readonly Target[];
  /** Targets that got no name of their own, which takes a source that copies suffixes. */
  readonly unnamed: number;
}

/** Names the targets of one source; `taken` are the names of those before it, and the new ones are added to it. */
export function nameTargets(found: readonly Target[], taken: Set<string>): Named {
  const different = new Map<string, Target>();
  for (const target of found) different.set(identityOf(target), target);
  const counts = new Map<string, number>();
  for (const { name } of different.values()) counts.set(name, (counts.get(name) ?? 0) + 1);
  const isFree = (name: string): boolean => counts.get(name) === 1 && !taken.has(name);
  const plain = [...different.values()].filter(({ name }) => isFree(name));
  const others = [...different].filter(([, { name }]) => !isFree(name));
  const targets: Target[] = [];
  const add = (target: Target): void => {
    if (taken.has(target.name)) return;
    taken.add(target.name);
    targets.push(target);
  };
  for (const target of plain) add(target);
  for (const [identity, target] of others) add({ ...target, name: suffixed(target.name, identity) });
  return { targets, unnamed: different.size - targets.length };
}

function suffixed(name: string, identity: string): string {
  const suffix = createHash('sha256').update(identity).digest('hex').slice(0, SUFFIX_HEX);
  return `${trimEnds(name.slice(0, MAX_NAME_CHARS - SUFFIX_HEX - 1))}-${suffix}`;
}

function identityOf({ name, scheme, host, port, path, labels }: Target): string {
  return JSON.stringify([name, scheme, host, port, path, Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1))]);
}
