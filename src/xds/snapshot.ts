/**
 * A snapshot is everything that Envoy shall have at one moment: immutable, encoded once, and right by construction. The only
 * way to make one checks Envoy's validation rules (xds.md rule 24) and that whatever is named exists (rule 25).
 *
 * A version is a hash of the bytes (rule 23), so equal content keeps its version across publishes and restarts.
 */
import { createHash } from 'node:crypto';
import { err, ok } from '../lib/result.js';
import type { Fault, Result } from '../lib/result.js';
import { encode } from './encode.js';
import { referencesOf } from './references.js';
import type { Reference } from './references.js';
import { KINDS, RESOURCE_TYPES, resourceName } from './resource-types.js';
import type { Kind, ResourceMessage, ResourceSet, ResourceType, TypeUrl } from './resource-types.js';
import { validateMessage } from './validate.js';

/** One resource as it is sent. Never changed: equal content is the same object as in the snapshot before. */
export interface VersionedResource {
  readonly name: string;
  /** 12 hex digits of the hash of `bytes`: short, since a client that reconnects sends all of them (xds.md §2). */
  readonly version: string;
  /** The encoded message, the value of its `Any`. */
  readonly bytes: Uint8Array;
  readonly references: readonly Reference[];
}

/** All resources of one type, by name. */
export interface TypeState {
  /** Changes exactly when a resource of the type comes, goes or changes. */
  readonly version: string;
  readonly resources: ReadonlyMap<string, VersionedResource>;
}

export interface Snapshot {
  readonly version: string;
  readonly types: ReadonlyMap<TypeUrl, TypeState>;
}

/**
 * Makes a snapshot of `set`, or says every fault. Resources that are in `previous` with the same bytes are taken over from it
 * and not checked again.
 */
export function makeSnapshot(set: ResourceSet, previous?: Snapshot): Result<Snapshot> {
  const faults: Fault[] = [];
  const types = new Map<TypeUrl, TypeState>();
  for (const kind of KINDS) {
    const type: ResourceType = RESOURCE_TYPES[kind];
    const made = versioned(type, set[kind], previous?.types.get(type.url));
    faults.push(...made.faults);
    types.set(type.url, { version: versionOf(made.resources.values()), resources: made.resources });
  }
  if (faults.length === 0) faults.push(...missingReferences(types), ...unusedEndpoints(types));
  if (faults.length > 0) return err(faults);
  return ok({ version: hash([...types.values()].map((type) => type.version).join(' ')), types });
}

interface Made {
  readonly resources: ReadonlyMap<string, VersionedResource>;
  readonly faults: readonly Fault[];
}

function versioned({ kind, schema }: ResourceType, messages: readonly ResourceMessage[], previous: TypeState | undefined): Made {
  const resources = new Map<string, VersionedResource>();
  const faults: Fault[] = [];
  for (const message of sortedByName(messages)) {
    const name = resourceName(message);
    const root = `${kind} "${name}"`;
    if (name === '') faults.push({ place: kind, message: 'has no name' });
    if (resources.has(name)) faults.push({ place: root, message: 'stands twice' });
    const bytes = encode(schema, message);
    const version = hash(bytes);
    const before = previous?.resources.get(name);
    if (before?.version === version) {
      resources.set(name, before);
    } else {
      faults.push(...validateMessage(schema, message, root));
      resources.set(name, { name, version, bytes, references: referencesOf(schema, message) });
    }
  }
  return { resources, faults };
}

function sortedByName(messages: readonly ResourceMessage[]): ResourceMessage[] {
  return [...messages].sort((a, b) => (resourceName(a) < resourceName(b) ? -1 : 1));
}

/** Rule 25: what a resource names must be there. */
function missingReferences(types: ReadonlyMap<TypeUrl, TypeState>): Fault[] {
  const faults: Fault[] = [];
  for (const kind of KINDS) {
    for (const resource of resourcesOf(types, kind)) {
      for (const reference of resource.references) {
        if (types.get(RESOURCE_TYPES[reference.kind].url)?.resources.has(reference.name) !== true) {
          faults.push({ place: `${kind} "${resource.name}"`, message: `names ${reference.kind} "${reference.name}", which does not exist` });
        }
      }
    }
  }
  return faults;
}

/** Rule 25, the reverse: endpoints that no cluster asks for are a cluster that was forgotten or misspelt. */
function unusedEndpoints(types: ReadonlyMap<TypeUrl, TypeState>): Fault[] {
  const used = new Set(resourcesOf(types, 'cluster').flatMap(({ references }) => references.filter(({ kind }) => kind === 'endpoint').map(({ name }) => name)));
  return resourcesOf(types, 'endpoint')
    .filter(({ name }) => !used.has(name))
    .map(({ name }) => ({ place: `endpoint "${name}"`, message: 'is named by no cluster' }));
}

function resourcesOf(types: ReadonlyMap<TypeUrl, TypeState>, kind: Kind): VersionedResource[] {
  return [...(types.get(RESOURCE_TYPES[kind].url)?.resources.values() ?? [])];
}

function versionOf(resources: Iterable<VersionedResource>): string {
  return hash([...resources].map(({ name, version }) => `${name} ${version}\n`).join(''));
}

function hash(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 12);
}

/** What differs between two snapshots: names by type. Resources that are equal are the same object. */
export function changesBetween(before: Snapshot | undefined, after: Snapshot): ReadonlyMap<TypeUrl, ReadonlySet<string>> {
  const changes = new Map<TypeUrl, ReadonlySet<string>>();
  for (const [url, state] of after.types) {
    const old = before?.types.get(url);
    if (old?.version === state.version) continue;
    const names = new Set<string>();
    for (const [name, resource] of state.resources) if (old?.resources.get(name) !== resource) names.add(name);
    for (const name of old?.resources.keys() ?? []) if (!state.resources.has(name)) names.add(name);
    if (names.size > 0) changes.set(url, names);
  }
  return changes;
}
